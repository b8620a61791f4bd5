//! The names that databases have before and after a restore. Pure.

use sha2::{Digest as _, Sha256};

/// The most bytes of a name in Postgres; a longer one would be cut without a word.
pub const NAME_LIMIT: usize = 63;
/// Hex digits of the restore's UID in a name.
const DIGITS: usize = 8;

/// The names of one database of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    pub name: String,
    pub restored_as: String,
    pub kept_as: String,
}

impl Names {
    /// The names of a restore.
    #[must_use]
    pub fn new(name: &str, restore_uid: &str) -> Self {
        Self {
            name: name.to_owned(),
            restored_as: restored_name(name, restore_uid),
            kept_as: kept_name(name, restore_uid),
        }
    }
}

/// The name that a database is restored under, beside the present one.
#[must_use]
pub fn restored_name(name: &str, restore_uid: &str) -> String {
    join(name, &format!("_restore_{}", digits_of(restore_uid)))
}

/// The name that the present database is kept under.
#[must_use]
pub fn kept_name(name: &str, restore_uid: &str) -> String {
    join(name, &format!("_before_restore_{}", digits_of(restore_uid)))
}

/// Cuts the name, never the suffix, so that no two restores of a database meet.
fn join(name: &str, suffix: &str) -> String {
    let end = name.floor_char_boundary(NAME_LIMIT - suffix.len());
    format!("{}{suffix}", &name[..end])
}

fn digits_of(uid: &str) -> String {
    let digits: String = uid.chars().take(DIGITS).collect();
    let is_lower_hex = |one: u8| one.is_ascii_digit() || (b'a'..=b'f').contains(&one);
    if digits.len() == DIGITS && digits.bytes().all(is_lower_hex) {
        return digits;
    }
    hex::encode(Sha256::digest(uid))[..DIGITS].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "1c9a7e02-5f6d-4d1c-9a57-0d3b8f2b6a11";

    #[test]
    fn a_short_name_is_kept_whole() {
        assert_eq!(restored_name("shop", UID), "shop_restore_1c9a7e02");
        assert_eq!(kept_name("shop", UID), "shop_before_restore_1c9a7e02");
        assert_eq!(digits_of("uid-1").len(), DIGITS);
        assert_ne!(digits_of("uid-1"), digits_of("uid-2"));
    }

    #[test]
    fn a_long_name_is_cut_between_characters_and_keeps_the_suffix() {
        for name in [
            "a".repeat(63),
            "ü".repeat(31),
            format!("a{}", "ü".repeat(31)),
            "\u{1f980}".repeat(15),
            "a\"\n'\\".repeat(12),
        ] {
            assert!(name.len() <= NAME_LIMIT);
            for made in [restored_name(&name, UID), kept_name(&name, UID)] {
                assert!(
                    made.len() <= NAME_LIMIT && made.len() > NAME_LIMIT - 4,
                    "{made}"
                );
                assert!(made.ends_with("_1c9a7e02"), "{made}");
                let kept = made
                    .chars()
                    .zip(name.chars())
                    .take_while(|(a, b)| a == b)
                    .count();
                assert!(kept > 8, "{made}");
            }
            assert_ne!(kept_name(&name, UID), kept_name(&name, "2c9a7e02-5f6d"));
        }
    }
}
