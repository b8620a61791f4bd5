//! Tests of reading a directory into an archive: what is in it, byte for byte, and what never is.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use nix::sys::stat::Mode as FileMode;
use nix::unistd::mkfifo;
use tar::EntryType;

use super::*;

/// What an archive holds: the type of each entry, its content, or what it leads to.
fn entries(archive: &[u8]) -> BTreeMap<Vec<u8>, (EntryType, Vec<u8>)> {
    let mut archive = tar::Archive::new(archive);
    let mut found = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let (path, kind) = (entry.path_bytes().into_owned(), entry.header().entry_type());
        let link = entry.link_name_bytes().map(std::borrow::Cow::into_owned);
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        found.insert(path, (kind, link.unwrap_or(content)));
    }
    found
}

fn archived(directory: &Path, path: &str) -> (Walked, Vec<u8>) {
    let mut archive = Vec::new();
    let walked = walk_into(directory, path, &mut archive).unwrap();
    (walked, archive)
}

#[test]
fn every_file_is_in_it_byte_for_byte_whatever_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("images");
    let long = "n".repeat(180);
    fs::create_dir_all(root.join("empty")).unwrap();
    fs::create_dir_all(root.join(&long)).unwrap();
    let large: Vec<u8> = (0..=u8::MAX).cycle().take(3_000_001).collect();
    let odd = OsStr::from_bytes(b"odd \xff\n\"name\"");
    for (name, content) in [
        ("plain.txt", b"hello".as_slice()),
        ("nothing", b""),
        (&format!("{long}/{long}"), b"long"),
        ("large", &large),
    ] {
        fs::write(root.join(name), content).unwrap();
    }
    fs::write(root.join(odd), b"odd").unwrap();
    fs::write(directory.path().join("outside"), b"secret").unwrap();
    let (walked, archive) = archived(directory.path(), "images");
    let found = entries(&archive);
    assert_eq!((walked.files, walked.directories, walked.links), (5, 2, 0));
    assert_eq!(walked.bytes, 3_000_001 + 5 + 4 + 3);
    assert_eq!(
        (
            walked.unread,
            walked.changed,
            walked.vanished,
            walked.special
        ),
        (0, 0, 0, 0)
    );
    assert_eq!(walked.remarks, [""; 0]);
    let content = |name: &[u8]| found[name].1.clone();
    assert_eq!(content(b"plain.txt"), b"hello");
    assert_eq!(content(b"nothing"), b"");
    assert_eq!(content(b"large"), large);
    assert_eq!(content(odd.as_bytes()), b"odd");
    assert_eq!(content(format!("{long}/{long}").as_bytes()), b"long");
    assert_eq!(found[b"empty/".as_slice()].0, EntryType::Directory);
    assert_eq!(found.len(), 7);
    assert!(!archive.windows(6).any(|bytes| bytes == b"secret"));
}

#[test]
fn a_link_is_kept_as_a_link_and_nothing_behind_it_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("secret");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("key"), "hush").unwrap();
    let claim = directory.path().join("claim");
    fs::create_dir(&claim).unwrap();
    let far = format!("/{}", "far/".repeat(60));
    for (name, target) in [
        ("to-file", secret.join("key").as_os_str().to_owned()),
        ("to-directory", secret.as_os_str().to_owned()),
        ("out", "../secret/key".into()),
        ("nowhere", far.clone().into()),
    ] {
        symlink(target, claim.join(name)).unwrap();
    }
    let (walked, archive) = archived(&claim, "");
    let found = entries(&archive);
    assert_eq!((walked.files, walked.links, walked.unread), (0, 4, 0));
    assert_eq!(
        found[b"out".as_slice()],
        (EntryType::Symlink, b"../secret/key".to_vec())
    );
    assert_eq!(found[b"nowhere".as_slice()].1, far.as_bytes());
    assert!(!archive.windows(4).any(|bytes| bytes == b"hush"));
    // A directory of the spec that is a link, or leads through one, is not there.
    for path in ["to-directory", "to-directory/.", "../secret", "missing"] {
        let (walked, archive) = archived(&claim, path);
        assert!(walked.missing.is_some(), "{path}");
        assert_eq!(entries(&archive).len(), 0);
    }
}

#[test]
fn pipes_are_left_out_and_waited_for_by_nobody() {
    let directory = tempfile::tempdir().unwrap();
    mkfifo(&directory.path().join("pipe"), FileMode::S_IRWXU).unwrap();
    fs::create_dir(directory.path().join("lost+found")).unwrap();
    fs::write(directory.path().join("file"), "x").unwrap();
    let (walked, archive) = archived(directory.path(), "");
    assert_eq!(
        (walked.files, walked.directories, walked.special),
        (1, 0, 1)
    );
    assert_eq!(entries(&archive).len(), 1);
}

#[test]
fn what_is_too_deep_is_not_read_and_is_said() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("d/".repeat(DEPTH + 5))).unwrap();
    let (walked, _) = archived(directory.path(), "");
    assert_eq!(walked.unread, 1);
    assert!(
        walked.remarks[0].contains("200 directories deep"),
        "{:?}",
        walked.remarks
    );
}

#[test]
fn a_data_directory_of_postgres_is_recognised() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("pg/data/global");
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("pg_control"), "x").unwrap();
    fs::write(directory.path().join("pg/data/PG_VERSION"), "17").unwrap();
    fs::write(directory.path().join("PG_VERSION"), "no data directory").unwrap();
    let (walked, _) = archived(directory.path(), "");
    assert_eq!(walked.data_directory.as_deref(), Some("pg/data/"));
}

#[test]
fn a_file_that_may_not_be_read_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let closed = directory.path().join("closed");
    fs::write(&closed, "x").unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    let (walked, archive) = archived(directory.path(), "");
    if fs::metadata(&closed).unwrap().uid() == 0 {
        assert_eq!(walked.files, 1, "root reads everything");
        return;
    }
    assert_eq!((walked.files, walked.unread), (0, 1));
    assert_eq!(walked.remarks, ["closed: Permission denied"]);
    assert_eq!(entries(&archive).len(), 0);
}

#[test]
fn a_file_that_gets_shorter_has_zeros_and_the_archive_stays_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, vec![7_u8; 1000]).unwrap();
    let file = File::open(&path).unwrap();
    fs::write(&path, vec![7_u8; 300]).unwrap();
    let mut content = Content {
        file: &file,
        left: 1000,
        digest: blake3::Hasher::new(),
        fault: None,
    };
    let mut bytes = Vec::new();
    content.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len(), 1000);
    assert!(bytes[..300].iter().all(|byte| *byte == 7));
    assert!(bytes[300..].iter().all(|byte| *byte == 0));
    assert!(matches!(content.fault, Some(Fault::Shorter)));
}

#[test]
fn the_digest_of_the_list_is_another_one_after_any_change() {
    let directory = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    let mut digest = |directory: &Path| {
        let (walked, _) = archived(directory, "");
        assert!(!seen.contains(&walked.blake3));
        seen.push(walked.blake3);
    };
    digest(directory.path());
    fs::write(directory.path().join("a"), "x").unwrap();
    digest(directory.path());
    fs::write(directory.path().join("a"), "y").unwrap();
    digest(directory.path());
    fs::rename(directory.path().join("a"), directory.path().join("b")).unwrap();
    digest(directory.path());
    symlink("x", directory.path().join("c")).unwrap();
    digest(directory.path());
}
