//! Where things are in the bucket. Pure: readers compute every key from this, and a manifest never
//! holds one.

use std::fmt::Write as _;

use jiff::{Timestamp, tz::TimeZone};
use sha2::{Digest as _, Sha256};

/// Name of the object that makes a set a backup; written last.
pub const MANIFEST_NAME: &str = "manifest.json";
/// Name of the roles and tablespaces in a set.
pub const GLOBALS_NAME: &str = "globals.sql.zst";
/// Name of the main database's dump in a set.
pub const MAIN_DUMP_NAME: &str = "dump.pgc.zst";

/// The directory of one backup set: `PREFIX/NAMESPACE/NAME/TIME-SUFFIX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetPath(String);

impl SetPath {
    /// The directory of the set that began at `time`; `suffix` (8 hex digits, [`set_suffix`]) keeps two
    /// sets of one second apart.
    #[must_use]
    pub fn new(
        prefix: &str,
        namespace: &str,
        database: &str,
        time: Timestamp,
        suffix: u32,
    ) -> Self {
        let directory = database_folder(prefix, namespace, database);
        let time = time.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ");
        Self(format!("{directory}{time}-{suffix:08x}"))
    }

    /// The directory, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of an object of the set.
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.0)
    }
}

/// The suffix of a set's directory: four digits that all sets of one `ProtectedDatabase` share, by its
/// UID, and four that are its own, by `seed`.
#[must_use]
pub fn set_suffix(database_uid: &str, seed: &str) -> u32 {
    let own = Sha256::digest(format!("{database_uid}/{seed}"));
    (u32::from(mark_of(database_uid)) << 16) | u32::from(u16::from_be_bytes([own[0], own[1]]))
}

/// Whether a directory name is that of a set of this very `ProtectedDatabase`, and not of another one
/// of its name: of another cluster, or of before it was created again.
#[must_use]
pub(super) fn is_set_of(name: &str, database_uid: &str) -> bool {
    let suffix = name.rsplit_once('-').map(|(_, suffix)| suffix);
    let mark = format!("{:04x}", mark_of(database_uid));
    suffix.is_some_and(|suffix| suffix.len() == 8 && suffix.starts_with(&mark))
}

fn mark_of(database_uid: &str) -> u16 {
    let digest = Sha256::digest(database_uid);
    u16::from_be_bytes([digest[0], digest[1]])
}

/// The directory of all namespaces, with a slash at its end unless it is the whole bucket.
#[must_use]
pub fn root_directory(prefix: &str) -> String {
    let prefix = prefix.trim_matches('/');
    let separator = if prefix.is_empty() { "" } else { "/" };
    format!("{prefix}{separator}")
}

/// The directory of all sets of a database, with a slash at its end.
#[must_use]
pub fn database_folder(prefix: &str, namespace: &str, database: &str) -> String {
    format!("{}{namespace}/{database}/", root_directory(prefix))
}

/// Name of the dump of a further database: its own name, percent-encoded so that any name is one
/// path element.
#[must_use]
pub fn further_dump_name(database: &str) -> String {
    format!("dump-{}.pgc.zst", encode_name(database))
}

/// A name of others, percent-encoded so that it is part of a path element. It has no dot and no slash.
#[must_use]
pub(super) fn encode_name(name: &str) -> String {
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing into a String can't fail.
            let _written = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(prefix: &str) -> String {
        let time = Timestamp::from_second(1_795_258_801).unwrap_or_default();
        SetPath::new(prefix, "atra", "knowledge", time, 0xab).key(MANIFEST_NAME)
    }

    #[test]
    fn keys_are_those_of_the_design() {
        assert_eq!(
            path("prod/eu"),
            "prod/eu/atra/knowledge/20261121T110001Z-000000ab/manifest.json"
        );
        assert_eq!(
            path(""),
            "atra/knowledge/20261121T110001Z-000000ab/manifest.json"
        );
    }

    #[test]
    fn any_database_name_is_one_path_element() {
        assert_eq!(further_dump_name("metrics_2"), "dump-metrics_2.pgc.zst");
        assert_eq!(
            further_dump_name("../a b/ü%"),
            "dump-%2E%2E%2Fa%20b%2F%C3%BC%25.pgc.zst"
        );
        assert_eq!(further_dump_name("a.b"), "dump-a%2Eb.pgc.zst");
    }
}
