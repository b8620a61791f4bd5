//! Tests of unpacking: what was archived is there byte for byte, and a crafted archive writes nowhere else.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;

use nix::fcntl::open;
use tar::Builder;

use super::super::directory_walk::walk_into;
use super::super::tar_entry::{Kept, append_directory, append_file, append_link};
use super::*;

const KEPT: Kept = Kept {
    mode: 0o640,
    user: 0,
    group: 0,
    changed_at: 1_700_000_000,
};

fn open_root(directory: &Path) -> OwnedFd {
    open(directory, DIRECTORY, Mode::empty()).unwrap()
}

/// A directory beside which nothing may appear.
struct Scene {
    outer: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        // In memory where there is such a place: thousands of directories are made.
        let memory = Path::new("/dev/shm");
        let outer = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir());
        let outer = outer.unwrap();
        fs::create_dir(outer.path().join("root")).unwrap();
        fs::write(outer.path().join("outside"), "outside").unwrap();
        Self { outer }
    }

    fn root(&self) -> PathBuf {
        self.outer.path().join("root")
    }

    fn unpack(&self, archive: &[u8]) -> Result<Unpacked, UnpackError> {
        let root = open_root(&self.root());
        let unpacked = unpack(archive, &root, true, &AtomicU64::new(0));
        self.assert_nothing_outside();
        unpacked
    }

    fn assert_nothing_outside(&self) {
        let outside = fs::read_to_string(self.outer.path().join("outside"));
        assert_eq!(outside.unwrap(), "outside");
        assert_eq!(fs::read_dir(self.outer.path()).unwrap().count(), 2);
    }
}

#[test]
fn what_was_archived_is_there_byte_for_byte_with_its_permissions_and_time() {
    let original = tempfile::tempdir().unwrap();
    let at = original.path();
    let long = "n".repeat(200);
    fs::create_dir_all(at.join("deep/empty")).unwrap();
    fs::create_dir_all(at.join(&long)).unwrap();
    for (name, content) in [
        ("deep/a", b"hello".to_vec()),
        ("nothing", Vec::new()),
        (&format!("{long}/{long}"), vec![7; 3_000_001]),
    ] {
        fs::write(at.join(name), content).unwrap();
    }
    fs::write(at.join(OsStr::from_bytes(b"odd \xff\n")), "odd").unwrap();
    symlink("/etc/passwd", at.join("link")).unwrap();
    symlink("x/".repeat(80), at.join("deep/far")).unwrap();
    fs::set_permissions(at.join("deep/a"), fs::Permissions::from_mode(0o4711)).unwrap();
    fs::set_permissions(at.join("deep"), fs::Permissions::from_mode(0o2750)).unwrap();
    let mut archive = Vec::new();
    let walked = walk_into(at, "", &mut archive).unwrap();

    let scene = Scene::new();
    let unpacked = scene.unpack(&archive).unwrap();
    assert_eq!(
        (
            unpacked.files,
            unpacked.directories,
            unpacked.links,
            unpacked.bytes
        ),
        (walked.files, walked.directories, walked.links, walked.bytes)
    );
    assert_eq!(unpacked.blake3, walked.blake3);
    let again = walk_into(&scene.root(), "", io::sink()).unwrap();
    assert_eq!(again.any_order, unpacked.any_order);
    assert_eq!(unpacked.other_owner, 0);
    for name in ["deep", "deep/a", "nothing", "deep/empty"] {
        let [before, now] = [at, &scene.root()].map(|at| fs::metadata(at.join(name)).unwrap());
        assert_eq!(
            (before.mode(), before.mtime()),
            (now.mode(), now.mtime()),
            "{name}"
        );
    }
    let said = std::process::Command::new("diff")
        .args(["--recursive", "--no-dereference"])
        .args([at, &scene.root()])
        .output()
        .unwrap();
    assert!(
        said.status.success(),
        "{}",
        String::from_utf8_lossy(&said.stdout)
    );
}

/// An archive of entries.
fn archive(write: impl FnOnce(&mut Builder<Vec<u8>>)) -> Vec<u8> {
    let mut archive = Builder::new(Vec::new());
    write(&mut archive);
    archive.into_inner().unwrap()
}

fn refused(archive: &[u8]) -> String {
    let scene = Scene::new();
    match scene.unpack(archive) {
        Err(UnpackError::Odd(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_path_that_leads_elsewhere_is_refused() {
    for (name, why) in [
        ("/etc/passwd", "absolute"),
        ("../outside", "`..`"),
        ("a/../../outside", "`..`"),
        ("./a", "`.`"),
        ("a//b", "empty name"),
        ("a/b", "not in the directory"),
        ("", "empty name"),
        (".holdfast-restore-1/x", "no backup has"),
        ("lost+found", "no backup has"),
    ] {
        let said = refused(&archive(|archive| {
            append_file(archive, name.as_bytes(), KEPT, 1, &b"x"[..]).unwrap();
        }));
        assert!(said.contains(why), "{name}: {said}");
    }
    let deep = refused(&archive(|archive| {
        let name = "d/".repeat(DEPTH + 1);
        append_directory(archive, &name.as_bytes()[..name.len() - 1], KEPT).unwrap();
    }));
    assert!(deep.contains("200 directories"), "{deep}");
}

#[test]
fn a_link_is_never_gone_through_and_a_name_comes_once() {
    let scene = Scene::new();
    let through = archive(|archive| {
        append_link(archive, b"out", KEPT, b"..").unwrap();
        append_file(archive, b"out/outside", KEPT, 1, &b"x"[..]).unwrap();
    });
    assert!(matches!(scene.unpack(&through), Err(UnpackError::Odd(_))));
    // A link that takes the name of a directory while it is filled, and one of a file before the file.
    for again in [b"a".as_slice(), b"out"] {
        let scene = Scene::new();
        let twice = archive(|archive| {
            append_directory(archive, b"a", KEPT).unwrap();
            append_link(archive, b"out", KEPT, b"../outside").unwrap();
            append_file(archive, again, KEPT, 1, &b"x"[..]).unwrap();
        });
        assert!(matches!(scene.unpack(&twice), Err(UnpackError::Disk(_))));
    }
}

#[test]
fn what_no_archive_of_ours_has_is_refused() {
    for kind in [
        EntryType::Link,
        EntryType::Char,
        EntryType::Block,
        EntryType::Fifo,
        EntryType::GNUSparse,
        EntryType::XHeader,
        EntryType::XGlobalHeader,
        EntryType::Continuous,
    ] {
        let said = refused(&archive(|archive| {
            let mut header = Header::new_gnu();
            header.set_path("a").unwrap();
            header.set_entry_type(kind);
            header.set_size(0);
            header.set_mtime(0);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mode(0o644);
            header.set_cksum();
            archive.append(&header, io::empty()).unwrap();
        }));
        assert!(said.contains("neither a file"), "{kind:?}: {said}");
    }
    let whole = archive(|archive| append_file(archive, b"a", KEPT, 5, &b"hello"[..]).unwrap());
    let cut = refused(&whole[..514]);
    assert!(!cut.is_empty());
    let more = refused(&[whole.as_slice(), b"more"].concat());
    assert!(more.contains("behind its end"), "{more}");
    let long = archive(|archive| {
        append_file(archive, &vec![b'n'; 70_000], KEPT, 0, io::empty()).unwrap();
    });
    assert!(refused(&long).contains("name of 70001 bytes"));
}

#[test]
fn ten_thousand_changed_archives_write_nothing_outside_and_end() {
    let good = archive(|archive| {
        append_directory(archive, b"a", KEPT).unwrap();
        append_file(archive, b"a/b", KEPT, 5, &b"hello"[..]).unwrap();
        append_link(archive, b"a/c", KEPT, b"../../outside").unwrap();
        append_file(archive, &[b'n'; 150], KEPT, 2, &b"hi"[..]).unwrap();
    });
    let scene = Scene::new();
    let (mut seed, mut refused, written) = (7_usize, 0, AtomicU64::new(0));
    for number in 0..10_000 {
        let mut changed = good.clone();
        for _ in 0..3 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let (at, value) = ((seed >> 33) % good.len(), (seed >> 20).to_le_bytes()[0]);
            changed[at] = value;
            // With the right checksum: everything else is read, too.
            let header = at / 512 * 512;
            let mut sum = 0_u32;
            for (place, byte) in changed[header..header + 512].iter().enumerate() {
                let is_sum = (148..156).contains(&place);
                sum += u32::from(if is_sum { b' ' } else { *byte });
            }
            let sum = format!("{sum:06o}\0 ");
            if (seed >> 16).is_multiple_of(2) {
                changed[header + 148..header + 156].copy_from_slice(sum.as_bytes());
            }
        }
        // Each into a directory of its own beside the others.
        let into = scene.root().join(number.to_string());
        fs::create_dir(&into).unwrap();
        let unpacked = unpack(changed.as_slice(), &open_root(&into), true, &written);
        refused += usize::from(unpacked.is_err());
    }
    // The root has the directories that were made here, and nothing beside it has changed.
    assert_eq!(fs::read_dir(scene.root()).unwrap().count(), 10_000);
    scene.assert_nothing_outside();
    assert!(refused > 3_000, "{refused}");
}
