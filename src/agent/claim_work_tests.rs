//! Tests of what earlier starts have left on a claim, and of what is compared.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::io::ErrorKind;

use super::*;

const UID: &str = "11111111-2222-3333-4444-555555555555";
const OTHER: &str = "99999999-2222-3333-4444-555555555555";

/// A claim with a directory `images` that has a file, and an archive of another one.
struct Scene {
    claim: tempfile::TempDir,
    archive: Vec<u8>,
    wanted: ManifestDirectory,
}

impl Scene {
    fn new() -> Self {
        let (claim, source) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(claim.path().join("images")).unwrap();
        fs::write(claim.path().join("images/a"), "old").unwrap();
        fs::write(source.path().join("a"), "new").unwrap();
        let mut archive = Vec::new();
        let walked = walk_into(source.path(), "", &mut archive).unwrap();
        let wanted = serde_json::json!({
            "claim": "uploads", "path": "images", "object": "o", "files": 1, "directories": 0, "links": 0,
            "bytes": 3, "blake3": walked.blake3, "startedAt": "2026-02-01T09:00:00Z",
            "completedAt": "2026-02-01T09:00:00Z",
        });
        let wanted = serde_json::from_value(wanted).unwrap();
        Self {
            claim,
            archive,
            wanted,
        }
    }

    fn begin(&self, uid: &str, after: AfterFilesStep) -> (ClaimWork, Left, Vec<String>) {
        ClaimWork::begin(self.claim.path(), "images", (uid, false), after)
            .unwrap_or_else(|why| panic!("{why:?}"))
    }

    /// A start that ends after a step, as if it was killed.
    fn killed_after(&self, uid: &str, step: FilesStep) {
        let after: AfterFilesStep = Arc::new(move |now| {
            if now == step {
                return Err(Error::from(ErrorKind::Interrupted));
            }
            Ok(())
        });
        let (work, left, _) = self.begin(uid, after);
        assert_eq!(left, Left::Nothing);
        if work
            .unpack(self.archive.as_slice(), &AtomicU64::new(0))
            .is_ok()
        {
            work.swap(Left::Nothing).unwrap_err();
        }
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.claim.path().join(name)).ok()
    }

    fn names(&self) -> Vec<String> {
        let all = fs::read_dir(self.claim.path()).unwrap();
        let mut names: Vec<String> = all
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn the_same_restore_begins_again_or_goes_on_wherever_it_was_killed() {
    for step in [
        FilesStep::Begun,
        FilesStep::Unpacked,
        FilesStep::Announced,
        FilesStep::Exchanged,
        FilesStep::Kept,
        FilesStep::Swapped,
    ] {
        let scene = Scene::new();
        scene.killed_after(UID, step);
        let now = scene.read("images/a").unwrap();
        assert!(now == "old" || now == "new");
        let (work, left, put_right) = scene.begin(UID, nothing_after());
        assert_eq!(put_right, [""; 0]);
        let is_begun_again = matches!(
            step,
            FilesStep::Begun | FilesStep::Unpacked | FilesStep::Announced
        );
        assert_eq!(left == Left::Nothing, is_begun_again, "{step:?}");
        if left == Left::Nothing {
            let unpacked = work
                .unpack(scene.archive.as_slice(), &AtomicU64::new(0))
                .unwrap();
            let read = work.read_back().unwrap();
            assert_eq!(differs(&scene.wanted, &unpacked, &read), None);
        }
        work.swap(left).unwrap();
        work.finish().unwrap();
        assert_eq!(work.restored_as(), "images");
        assert_eq!(
            work.kept_as().as_deref(),
            Some("images.before-restore-11111111")
        );
        assert_eq!(
            scene.names(),
            ["images", "images.before-restore-11111111"],
            "{step:?}"
        );
        assert_eq!(scene.read("images/a").as_deref(), Some("new"));
        assert_eq!(
            scene.read("images.before-restore-11111111/a").as_deref(),
            Some("old")
        );
    }
}

#[test]
fn another_restore_finishes_a_swap_that_had_begun_and_removes_what_had_not() {
    for (step, names) in [
        (FilesStep::Begun, &["images"][..]),
        (FilesStep::Announced, &["images"]),
        (
            FilesStep::Exchanged,
            &["images", "images.before-restore-99999999"],
        ),
        (
            FilesStep::Kept,
            &["images", "images.before-restore-99999999"],
        ),
    ] {
        let scene = Scene::new();
        scene.killed_after(OTHER, step);
        let (_, left, put_right) = scene.begin(UID, nothing_after());
        assert_eq!((left, put_right.len()), (Left::Nothing, 1), "{step:?}");
        assert!(put_right[0].contains(OTHER), "{put_right:?}");
        assert_eq!(scene.names(), names, "{step:?}");
        let now = scene.read("images/a").unwrap();
        assert_eq!(now, if names.len() == 1 { "old" } else { "new" });
    }
}

#[test]
fn only_one_works_in_a_directory_and_what_others_made_is_not_touched() {
    let scene = Scene::new();
    let first = scene.begin(UID, nothing_after());
    let second = ClaimWork::begin(
        scene.claim.path(),
        "images",
        (OTHER, false),
        nothing_after(),
    );
    assert!(matches!(second, Err(NotBegun::Another)));
    drop(first);
    let theirs = scene.claim.path().join(".holdfast-restore-11111111");
    fs::create_dir(&theirs).unwrap();
    fs::write(theirs.join("kept"), "x").unwrap();
    let refused = ClaimWork::begin(scene.claim.path(), "images", (UID, false), nothing_after());
    assert!(matches!(refused, Err(NotBegun::Refused(why)) if why.contains("has not made it")));
    assert!(theirs.join("kept").exists());
    // A forged file that says that it is of a restore leads nowhere but below the same directory.
    let forged = r#"{"restore": "22222222", "name": "2e2e", "new": 1}"#;
    // An agent's own files are 0600; this one is of anybody.
    fs::write(
        scene.claim.path().join(".holdfast-restore-22222222.json"),
        forged,
    )
    .unwrap();
    let (_, left, put_right) = scene.begin(OTHER, nothing_after());
    assert_eq!((left, put_right.len()), (Left::Nothing, 0));
}

#[test]
fn beside_what_is_there_it_gets_a_name_of_its_own_once() {
    let scene = Scene::new();
    for _ in 0..2 {
        let begun = ClaimWork::begin(scene.claim.path(), "images", (UID, true), nothing_after());
        let (work, left, _) = begun.unwrap_or_else(|why| panic!("{why:?}"));
        if left == Left::Nothing {
            work.look_ahead(true, &scene.wanted).unwrap();
            work.unpack(scene.archive.as_slice(), &AtomicU64::new(0))
                .unwrap();
        }
        work.swap(left).unwrap();
        assert_eq!(work.restored_as(), "images.restore-11111111");
        assert_eq!(work.kept_as(), None);
    }
    assert_eq!(scene.read("images/a").as_deref(), Some("old"));
    assert_eq!(
        scene.read("images.restore-11111111/a").as_deref(),
        Some("new")
    );
}

#[test]
fn what_is_not_on_the_disk_as_the_manifest_says_is_told() {
    let scene = Scene::new();
    let (work, ..) = scene.begin(UID, nothing_after());
    let unpacked = work
        .unpack(scene.archive.as_slice(), &AtomicU64::new(0))
        .unwrap();
    let differs = |wanted: &ManifestDirectory| {
        let read = work.read_back().unwrap();
        differs(wanted, &unpacked, &read)
    };
    assert_eq!(differs(&scene.wanted), None);
    let changed = |change: fn(&mut ManifestDirectory)| {
        let mut wanted = scene.wanted.clone();
        change(&mut wanted);
        differs(&wanted).unwrap_or_default()
    };
    assert!(changed(|wanted| wanted.files = 2).contains("says 2 files"));
    assert!(changed(|wanted| wanted.bytes = 4).contains("says 4 bytes"));
    assert!(changed(|wanted| wanted.links = 1).contains("says 1 links"));
    assert!(changed(|wanted| wanted.blake3 = "00".to_owned()).contains("other paths"));
    // One byte on the disk.
    let at = scene.claim.path().join(".holdfast-restore-11111111/a");
    fs::write(&at, "neW").unwrap();
    assert!(
        differs(&scene.wanted)
            .unwrap()
            .contains("other content on the disk")
    );
    fs::write(&at, "new").unwrap();
    fs::write(at.with_file_name("more"), "").unwrap();
    assert!(
        differs(&scene.wanted)
            .unwrap()
            .contains("2 are on the disk")
    );
    // What was unpacked goes, and nothing else.
    assert!(work.clear().unwrap());
    assert_eq!(scene.names(), ["images"]);
}

#[test]
fn what_was_announced_and_is_being_removed_never_takes_the_name() {
    let scene = Scene::new();
    scene.killed_after(UID, FilesStep::Announced);
    // As an application of the same user could do, and as a removal that was killed leaves it.
    let tree = scene.claim.path().join(".holdfast-restore-11111111");
    fs::remove_file(tree.join("a")).unwrap();
    fs::write(tree.join("forged"), "x").unwrap();
    let (work, left, _) = scene.begin(UID, nothing_after());
    assert_eq!(left, Left::Nothing, "it is unpacked and compared again");
    assert!(!tree.exists());
    work.unpack(scene.archive.as_slice(), &AtomicU64::new(0))
        .unwrap();
    work.swap(left).unwrap();
    assert_eq!(scene.read("images/a").as_deref(), Some("new"));
    assert_eq!(scene.read("images/forged"), None);

    // That it was announced is taken back before anything of it goes.
    let scene = Scene::new();
    scene.killed_after(UID, FilesStep::Announced);
    let place = ClaimPlace::open(scene.claim.path(), "images", UID).unwrap();
    let state = place.read_state().unwrap().unwrap();
    assert!(state.new.is_some());
    fs::create_dir(tree_of(&scene).join("busy")).unwrap();
    let blocked = tree_of(&scene);
    fs::rename(&blocked, scene.claim.path().join("elsewhere")).unwrap();
    fs::write(&blocked, "no directory").unwrap();
    place.discard(&state).unwrap_err();
    assert_eq!(place.read_state().unwrap().unwrap().new, None);
}

fn tree_of(scene: &Scene) -> std::path::PathBuf {
    scene.claim.path().join(".holdfast-restore-11111111")
}

#[test]
fn a_file_of_another_user_or_that_others_may_write_says_nothing() {
    use std::os::unix::fs::PermissionsExt as _;

    let scene = Scene::new();
    scene.killed_after(OTHER, FilesStep::Exchanged);
    let file = scene.claim.path().join(".holdfast-restore-99999999.json");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let (_, _, put_right) = scene.begin(UID, nothing_after());
    assert_eq!(put_right, [""; 0]);
    assert!(
        scene
            .claim
            .path()
            .join(".holdfast-restore-99999999")
            .exists()
    );
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::hard_link(&file, scene.claim.path().join("second")).unwrap();
    assert_eq!(scene.begin(UID, nothing_after()).2, [""; 0]);
}
