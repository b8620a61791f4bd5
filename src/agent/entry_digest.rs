//! The digest of the entries of a directory: in the order of its archive, as the manifest has it, and in any
//! order, because a directory lists its entries in another one. Pure.

/// The digest of a list of entries.
#[derive(Clone, Debug, Default)]
pub struct EntryDigest {
    ordered: blake3::Hasher,
    any_order: AnyOrder,
}

/// The same for the same entries, in whatever order they come: the sum of their digests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnyOrder([u64; 4]);

impl EntryDigest {
    /// Adds an entry: its type as in the archive, its path, and its content.
    pub fn add(&mut self, kind: u8, path: &[u8], size: u64, content: &blake3::Hash) {
        let (length, size) = ((path.len() as u64).to_le_bytes(), size.to_le_bytes());
        let mut own = blake3::Hasher::new();
        for part in [&[kind], &length[..], path, &size, content.as_bytes()] {
            self.ordered.update(part);
            own.update(part);
        }
        let own = own.finalize();
        for (sum, lane) in self
            .any_order
            .0
            .iter_mut()
            .zip(own.as_bytes().as_chunks().0)
        {
            *sum = sum.wrapping_add(u64::from_le_bytes(*lane));
        }
    }

    /// In the order in which they came, in hex.
    #[must_use]
    pub fn in_order(&self) -> String {
        self.ordered.finalize().to_hex().to_string()
    }

    /// In any order.
    #[must_use]
    pub const fn in_any_order(&self) -> AnyOrder {
        self.any_order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_changes_one_of_the_two_and_any_other_change_both() {
        let digest = |entries: &[(u8, &str, u64, &str)]| {
            let mut digest = EntryDigest::default();
            for (kind, path, size, content) in entries {
                digest.add(
                    *kind,
                    path.as_bytes(),
                    *size,
                    &blake3::hash(content.as_bytes()),
                );
            }
            (digest.in_order(), digest.in_any_order())
        };
        let (a, b) = ((b'0', "a", 1, "x"), (b'0', "b", 1, "y"));
        let (first, other) = (digest(&[a, b]), digest(&[b, a]));
        assert_ne!(first.0, other.0);
        assert_eq!(first.1, other.1);
        for changed in [
            (b'2', "b", 1, "y"),
            (b'0', "c", 1, "y"),
            (b'0', "b", 2, "y"),
            (b'0', "b", 1, "z"),
        ] {
            let changed = digest(&[a, changed]);
            assert!(changed.0 != first.0 && changed.1 != first.1);
        }
        assert_ne!(digest(&[a]).1, digest(&[a, a]).1, "twice is not once");
    }
}
