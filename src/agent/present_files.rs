//! Looking at the directory that is to be replaced: how much is in it, and that no server's data is.

use std::path::Path;

use walkdir::{DirEntry, WalkDir};

use super::directory_walk::is_no_applications;

/// Directories that are read at once.
const OPEN_DIRECTORIES: usize = 64;

/// What is in a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PresentFiles {
    pub files: u64,
    /// A data directory of Postgres that is in it.
    pub data_directory: Option<String>,
    /// The first that could not be looked into, and why.
    pub unread: Option<String>,
}

/// Looks at all of it. Nothing is opened but directories, and no link is followed.
#[must_use]
pub fn look_at_present(claim: &Path, of_claim: &str) -> PresentFiles {
    let mut found = PresentFiles::default();
    let root = claim.join(of_claim);
    if root
        .symlink_metadata()
        .is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
    {
        return found;
    }
    let is_wanted = |entry: &DirEntry| {
        let name = entry.file_name().as_encoded_bytes();
        !(of_claim.is_empty() && entry.depth() == 1 && is_no_applications(name))
    };
    let entries = WalkDir::new(&root)
        .follow_links(false)
        .follow_root_links(false)
        .max_open(OPEN_DIRECTORIES);
    for entry in entries.into_iter().filter_entry(is_wanted) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                found.unread.get_or_insert_with(|| error.to_string());
                continue;
            }
        };
        if !entry.file_type().is_file() {
            continue;
        }
        found.files += 1;
        let directory = entry.path().parent().unwrap_or(&root);
        if entry.file_name() == "PG_VERSION"
            && directory
                .join("global/pg_control")
                .symlink_metadata()
                .is_ok()
        {
            let below = directory.strip_prefix(claim).unwrap_or(directory);
            found
                .data_directory
                .get_or_insert_with(|| below.display().to_string());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use std::fs;

    use super::*;

    #[test]
    fn it_counts_files_and_finds_the_data_of_a_server() {
        let claim = tempfile::tempdir().unwrap();
        let at = claim.path();
        assert_eq!(look_at_present(at, "missing"), PresentFiles::default());
        fs::create_dir_all(at.join("images/deep")).unwrap();
        fs::create_dir_all(at.join("lost+found")).unwrap();
        for name in ["images/a", "images/deep/b", "lost+found/c", "PG_VERSION"] {
            fs::write(at.join(name), "x").unwrap();
        }
        std::os::unix::fs::symlink("/", at.join("images/root")).unwrap();
        assert_eq!(look_at_present(at, "images").files, 2);
        let all = look_at_present(at, "");
        assert_eq!((all.files, all.data_directory), (3, None));
        fs::create_dir_all(at.join("images/pg/global")).unwrap();
        for name in ["images/pg/PG_VERSION", "images/pg/global/pg_control"] {
            fs::write(at.join(name), "x").unwrap();
        }
        for path in ["", "images"] {
            let found = look_at_present(at, path).data_directory;
            assert_eq!(found.as_deref(), Some("images/pg"));
        }
    }
}
