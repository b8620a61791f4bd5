//! What the manifest of a set says of the directories of claims that are in it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::layout::encode_name;

/// The longest part that is written out in the name of an object.
const SHOWN: usize = 100;

/// A directory of a claim, archived after the snapshot of the databases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestDirectory {
    /// Name of the claim.
    pub claim: String,
    /// Path on it; empty for all of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Name of its object in the set: a tar archive.
    pub object: String,
    /// When its first file was read, by the agent's clock: the archive is of no single moment.
    pub started_at: Time,
    /// When its last file was read.
    pub completed_at: Time,
    /// Regular files.
    pub files: u64,
    pub directories: u64,
    /// Symbolic links, kept as links.
    pub links: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// BLAKE3 over each entry in the order of the archive, in hex: its type as in the archive (1 byte), the
    /// length of its path (8 bytes, least first), its path, the size of its content (8 bytes) and the BLAKE3
    /// of its content (32 bytes). The content of a link is what it leads to.
    pub blake3: String,
    /// Sockets, pipes and devices that were left out.
    #[serde(default, skip_serializing_if = "is_none")]
    pub special: u64,
    /// Files that were written to while they were read.
    #[serde(default, skip_serializing_if = "is_none")]
    pub changed: u64,
    /// Entries that were removed before they were read.
    #[serde(default, skip_serializing_if = "is_none")]
    pub vanished: u64,
    /// Entries that could not be read: such a set does not count.
    #[serde(default, skip_serializing_if = "is_none")]
    pub unread: u64,
    /// Why a set with this directory does not count, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The first 20 of those that changed or could not be read, with the reason. Not of an encrypted set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_none(count: &u64) -> bool {
    *count == 0
}

/// Name of the archive of a directory: claim and path, each encoded, with a dot between, which no encoded
/// name has.
#[must_use]
pub fn directory_object_name(claim: &str, path: &str) -> String {
    let claim = shorten(claim);
    if path.is_empty() {
        format!("files-{claim}.tar.zst")
    } else {
        format!("files-{claim}.{}.tar.zst", shorten(path))
    }
}

/// A name, encoded; of a long one the beginning and a digest, so that it is its own.
fn shorten(name: &str) -> String {
    let encoded = encode_name(name);
    if encoded.len() <= SHOWN {
        return encoded;
    }
    let digest = hex::encode(Sha256::digest(name));
    format!("{}~{}", &encoded[..SHOWN / 2], &digest[..32])
}

#[cfg(test)]
mod tests {
    use super::super::is_object_name;
    use super::*;

    #[test]
    fn any_directory_has_a_name_of_its_own_that_is_one_path_element() {
        let long = "a/b c".repeat(200);
        let other = format!("{long}d");
        let directories = [
            ("uploads", ""),
            ("uploads", "generated_images"),
            ("uploads.generated", "images"),
            ("uploads", "generated/images"),
            ("uploads-generated", "images"),
            ("uploads", "ü/../x"),
            ("uploads", long.as_str()),
            ("uploads", other.as_str()),
            (&"long.".repeat(50), long.as_str()),
        ];
        let mut names: Vec<String> = directories
            .iter()
            .map(|(claim, path)| directory_object_name(claim, path))
            .collect();
        assert_eq!(names[0], "files-uploads.tar.zst");
        assert_eq!(names[1], "files-uploads.generated_images.tar.zst");
        for name in &names {
            assert!(is_object_name(&format!("{name}.age")), "{name}");
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), directories.len());
    }
}
