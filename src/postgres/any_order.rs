//! A digest of rows that is the same in whatever order they come: a restore may put them in another one
//! than they had.

use std::hash::{BuildHasher as _, RandomState};

/// The key of a digest. Who does not know it can't choose rows whose digests add up to those of others.
pub type DigestKey = [u8; 32];

/// The sum, modulo 2^256, of a keyed BLAKE3 of each item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnyOrderDigest([u64; 4]);

/// A key that nobody else knows. Digests are compared within one run of this program only.
#[must_use]
pub fn new_digest_key() -> DigestKey {
    let mut key = [0; 32];
    for eight in key.chunks_exact_mut(8) {
        eight.copy_from_slice(&RandomState::new().hash_one(0_u8).to_le_bytes());
    }
    key
}

impl AnyOrderDigest {
    /// Adds an item.
    pub(crate) fn add(&mut self, item: &blake3::Hash) {
        let mut carry = 0;
        for (sum, eight) in self.0.iter_mut().zip(item.as_bytes().chunks_exact(8)) {
            let number = eight
                .iter()
                .rev()
                .fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
            let total = u128::from(*sum) + u128::from(number) + u128::from(carry);
            *sum = u64::try_from(total & u128::from(u64::MAX)).unwrap_or_default();
            carry = u64::try_from(total >> 64).unwrap_or_default();
        }
    }
}

/// Adds up rows, which end at a line end, as their bytes come in pieces of any size.
#[derive(Debug)]
pub(super) struct RowSum {
    key: DigestKey,
    sum: AnyOrderDigest,
    /// The row whose end has not come yet.
    begun: Option<Box<blake3::Hasher>>,
}

impl RowSum {
    pub(super) const fn new(key: DigestKey) -> Self {
        Self {
            key,
            sum: AnyOrderDigest([0; 4]),
            begun: None,
        }
    }

    pub(super) fn push(&mut self, data: &[u8]) {
        let mut begin = 0;
        for end in memchr::memchr_iter(b'\n', data) {
            let row = &data[begin..end];
            let hash = match self.begun.take() {
                Some(mut hasher) => hasher.update(row).finalize(),
                None => blake3::keyed_hash(&self.key, row),
            };
            self.sum.add(&hash);
            begin = end + 1;
        }
        if begin < data.len() {
            self.begun
                .get_or_insert_with(|| Box::new(blake3::Hasher::new_keyed(&self.key)))
                .update(&data[begin..]);
        }
    }

    pub(super) const fn digest(&self) -> AnyOrderDigest {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(key: DigestKey, rows: &[u8], piece: usize) -> AnyOrderDigest {
        let mut sum = RowSum::new(key);
        rows.chunks(piece).for_each(|piece| sum.push(piece));
        sum.digest()
    }

    #[test]
    fn the_order_does_not_matter_and_everything_else_does() {
        let key = new_digest_key();
        assert_ne!(key, new_digest_key());
        let rows = b"1\tone\n2\ttwo\n\n3\tthree\n";
        let expected = digest(key, rows, rows.len());
        for piece in 1..rows.len() {
            assert_eq!(digest(key, rows, piece), expected, "pieces of {piece}");
            assert_eq!(
                digest(key, b"\n3\tthree\n1\tone\n2\ttwo\n", piece),
                expected
            );
        }
        for other in [
            b"1\tone\n2\ttwo\n3\tthree\n".as_slice(),
            b"1\ttwo\n2\tone\n\n3\tthree\n",
            b"1\tone\n1\tone\n2\ttwo\n\n3\tthree\n",
            b"1\tone\n\n2\ttwo\n\n",
            b"",
        ] {
            assert_ne!(digest(key, other, 5), expected);
        }
        assert_ne!(digest([7; 32], rows, 5), expected);
    }

    #[test]
    fn the_sum_carries_over() {
        let mut sum = AnyOrderDigest([u64::MAX, u64::MAX, 0, u64::MAX]);
        let mut one = [0; 32];
        one[0] = 1;
        one[24] = 1;
        sum.add(&blake3::Hash::from_bytes(one));
        assert_eq!(sum, AnyOrderDigest([0, 0, 1, 0]));
    }
}
