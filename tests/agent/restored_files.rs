//! Files of a set restored into a directory with a real bucket: byte for byte, killed at each step, and never
//! from what is not the set.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use holdfast::agent::{
    AfterFilesStep, DirectoryOrder, FilesStep, Interrupt, MountedFiles, TakenSet, nothing_after,
    restore_directory,
};
use holdfast::api::{
    AgentFailure, BackupDirectory, FilesToRestore, RestorePhase, RestoreReport, RestoreTarget,
    SecretKey, ServerRequest, claim_mount, reasons,
};
use holdfast::store::Manifest;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::backup_encrypted::make_key;
use crate::backup_scene::{FOLDER, Scene};
use crate::restored_scene::{OTHER_UID, Restore, UID, Watch};
use crate::support::object_store::IMPATIENT;
use crate::support::postgres::PASSWORD;

const IMAGES: &str = "files-uploads.images.tar.zst";
const KEPT: &str = "images.before-restore-1c9a7e02";

/// Two claims that were backed up, and the one that files are restored into.
struct Files {
    scene: Scene,
    /// As the backup has mounted them.
    backed_up: TempDir,
    /// The claim of uploads as it is now.
    claim: TempDir,
    set: TakenSet,
}

impl Files {
    async fn new(recipients: Vec<String>) -> Self {
        let (backed_up, claim) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut scene = Scene::new(&["postgres"], "postgres", PASSWORD);
        scene.files.claims = backed_up.path().to_path_buf();
        scene.request.age_recipients = recipients;
        scene.request.directories = ["images", ""]
            .map(|path| BackupDirectory {
                claim: "uploads".to_owned(),
                path: path.to_owned(),
                ..BackupDirectory::default()
            })
            .to_vec();
        let all = backed_up.path().display().to_string();
        let images = Path::new(&claim_mount(&all, 0)).join("images");
        fs::create_dir_all(images.join("2026/11")).unwrap();
        fs::write(images.join("a.png"), vec![9_u8; 5_000_000]).unwrap();
        fs::write(images.join("2026/11/ü ' name"), "odd").unwrap();
        fs::write(images.join("n".repeat(200)), "long").unwrap();
        symlink("/etc/passwd", images.join("link")).unwrap();
        fs::write(images.parent().unwrap().join("beside"), "beside").unwrap();
        let set = scene.take(None).await.unwrap();
        let files = Self {
            scene,
            backed_up,
            claim,
            set,
        };
        files.write("images/a.png", "newer");
        files.write("images/new.png", "not in the backup");
        files.write("other", "other");
        files
    }

    fn write(&self, name: &str, content: &str) {
        let at = self.claim.path().join(name);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(at, content).unwrap();
    }

    fn original(&self) -> PathBuf {
        self.backed_up.path().join("0/images")
    }

    fn restore(&self, path: &str, into: RestoreTarget, uid: &str) -> Restore {
        let restore = Restore::new(&self.scene, &self.scene.postgres, &self.set, into);
        let mut restore = restore.with_uid(uid);
        restore.request.server = ServerRequest::default();
        restore.request.files = Some(FilesToRestore {
            claim: "uploads".to_owned(),
            claim_uid: "uid-of-uploads".to_owned(),
            path: path.to_owned(),
        });
        restore.files = MountedFiles {
            claims: self.claim.path().to_path_buf(),
            ..restore.files
        };
        restore
    }

    async fn images(&self) -> Result<RestoreReport, AgentFailure> {
        let restore = self.restore("images", RestoreTarget::Replace, UID);
        run(&restore, None, nothing_after()).await
    }

    /// What is on the claim, without what a restore keeps of itself.
    fn content(&self) -> BTreeMap<String, String> {
        let said = Command::new("find")
            .args([".", "-type", "f", "-exec", "sha256sum", "{}", ";"])
            .current_dir(self.claim.path())
            .output()
            .unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        let lines = said.lines().filter_map(|line| line.split_once("  "));
        lines
            .map(|(digest, name)| (name.to_owned(), digest.to_owned()))
            .collect()
    }

    fn assert_same(&self, restored: &str) {
        assert_same(&self.original(), &self.claim.path().join(restored));
    }
}

fn assert_same(one: &Path, other: &Path) {
    let said = Command::new("diff")
        .args(["--recursive", "--no-dereference"])
        .args([one, other])
        .output()
        .unwrap();
    assert!(
        said.status.success(),
        "{}",
        String::from_utf8_lossy(&said.stdout)
    );
}

async fn run(
    restore: &Restore,
    known: Option<RestoreReport>,
    after: AfterFilesStep,
) -> Result<RestoreReport, AgentFailure> {
    let order = DirectoryOrder {
        request: &restore.request,
        files: &restore.files,
        limits: IMPATIENT,
        known: Ok(known),
        after,
    };
    let (watch, interrupt) = (Watch::quietly(), Interrupt::by_hand().1);
    Box::pin(restore_directory(order, &watch, &interrupt)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_is_back_byte_for_byte_and_what_was_there_is_kept() {
    let files = Files::new(Vec::new()).await;
    let report = files.images().await.unwrap();
    files.assert_same("images");
    let found = report.files.unwrap();
    assert_eq!(
        (found.files, found.expected_files, found.files_before),
        (Some(3), Some(3), Some(2))
    );
    assert!(found.is_identical && report.phase == Some(RestorePhase::Done));
    assert_eq!(found.kept_as.as_deref(), Some(KEPT));
    assert_eq!(
        fs::read_to_string(files.claim.path().join(KEPT).join("new.png")).unwrap(),
        "not in the backup"
    );
    assert_eq!(
        fs::read_to_string(files.claim.path().join("other")).unwrap(),
        "other"
    );
    let said = report.message.unwrap();
    assert!(said.contains("3 files") && said.contains(KEPT), "{said}");
    let names = fs::read_dir(files.claim.path()).unwrap().count();
    assert_eq!(names, 3, "nothing else is left on the claim");
    let [was, is] = [files.original(), files.claim.path().join("images")]
        .map(|at| fs::metadata(at.join("2026/11")).unwrap().mtime());
    assert_eq!(was, is);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_claim_gets_the_files_also_all_of_it_and_beside() {
    let files = Files::new(Vec::new()).await;
    fs::remove_dir_all(files.claim.path().join("images")).unwrap();
    let report = files.images().await.unwrap();
    files.assert_same("images");
    assert_eq!(report.files.unwrap().kept_as, None);

    let beside = files.restore("images", RestoreTarget::Beside, OTHER_UID);
    let report = run(&beside, None, nothing_after()).await.unwrap();
    let beside = report.files.unwrap().restored_as.unwrap();
    assert_eq!(beside, "images.restore-2c9a7e02");
    files.assert_same(&beside);

    let whole = files.restore("", RestoreTarget::Replace, UID);
    let report = run(&whole, None, nothing_after()).await.unwrap();
    files.assert_same("images");
    let at = files.claim.path();
    assert_eq!(fs::read_to_string(at.join("beside")).unwrap(), "beside");
    assert!(!at.join("other").exists());
    let kept = report.files.unwrap().kept_as.unwrap();
    assert_eq!(
        fs::read_to_string(at.join(&kept).join("other")).unwrap(),
        "other"
    );
    // The next backup of the claim has nothing of what is kept.
    let mut scene = files.scene;
    scene.files.claims = tempfile::tempdir().unwrap().keep();
    fs::create_dir(scene.files.claims.join("0")).unwrap();
    assert!(
        Command::new("cp")
            .args(["-a", "--", at.join(".").to_str().unwrap()])
            .arg(scene.files.claims.join("0"))
            .status()
            .unwrap()
            .success()
    );
    let again = scene.order_number(8);
    let says = scene.says();
    let set = holdfast::agent::take_set(&again, &says, &Interrupt::by_hand().1).await;
    let again = set.unwrap().manifest;
    assert_eq!(
        again.directories[1].files,
        files.set.manifest.directories[1].files
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_any_step_the_name_leads_to_old_or_new_files_and_the_next_start_ends_it() {
    let files = Files::new(Vec::new()).await;
    let mut kept = 0;
    for (number, step) in [
        FilesStep::Begun,
        FilesStep::Unpacked,
        FilesStep::Announced,
        FilesStep::Exchanged,
        FilesStep::Kept,
        FilesStep::Swapped,
    ]
    .into_iter()
    .enumerate()
    {
        let old = tempfile::tempdir().unwrap();
        let present = files.claim.path().join("images");
        fs::rename(&present, old.path().join("gone")).ok();
        files.write("images/a.png", "newer");
        let uid = format!("{number}c9a7e02-5f6d-4d1c-9a57-0d3b8f2b6a11");
        let restore = files.restore("images", RestoreTarget::Replace, &uid);
        let after: AfterFilesStep = Arc::new(move |now| {
            if now == step {
                return Err(Error::from(ErrorKind::Interrupted));
            }
            Ok(())
        });
        run(&restore, None, after).await.unwrap_err();
        let now = fs::read(present.join("a.png")).unwrap();
        assert!(now == b"newer" || now.len() == 5_000_000, "{step:?}");
        let report = run(&restore, None, nothing_after()).await.unwrap();
        files.assert_same("images");
        kept += 1;
        let kept_as = report.files.unwrap().kept_as.unwrap();
        let was = fs::read_to_string(files.claim.path().join(kept_as).join("a.png"));
        assert_eq!(was.unwrap(), "newer", "{step:?}");
        let names = fs::read_dir(files.claim.path()).unwrap().count();
        assert_eq!(names, 2 + kept, "{step:?}");
    }
    // One that has reported that it is done does nothing again.
    let done = RestoreReport {
        phase: Some(RestorePhase::Done),
        ..RestoreReport::default()
    };
    let before = files.content();
    let restore = files.restore("images", RestoreTarget::Replace, UID);
    let report = run(&restore, Some(done.clone()), nothing_after()).await;
    assert_eq!((report.unwrap(), files.content()), (done, before));
}

/// What a restore of another set than was chosen says; nothing on the claim is changed by it.
async fn refused(files: &Files) -> AgentFailure {
    let before = files.content();
    let failure = files.images().await.unwrap_err();
    assert_eq!(files.content(), before, "{}", failure.message);
    let names = fs::read_dir(files.claim.path()).unwrap().count();
    assert_eq!(names, 2, "nothing is left: {}", failure.message);
    assert!(failure.message.contains("unchanged"), "{}", failure.message);
    failure
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_set_changes_nothing() {
    let mut files = Files::new(Vec::new()).await;
    let key = format!("{FOLDER}/{IMAGES}");
    let stored = files.scene.bucket.read(&key);
    // One bit, half of it, another object, and none.
    let mut flipped = stored.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let other = files
        .scene
        .bucket
        .read(&format!("{FOLDER}/files-uploads.tar.zst"));
    for wrong in [flipped, stored[..middle].to_vec(), other] {
        put(&files, &key, &wrong);
        let failure = refused(&files).await;
        assert_eq!(failure.reason, reasons::SET_CHANGED, "{}", failure.message);
    }
    put(&files, &key, &stored);

    // A manifest that says something else of a right archive: more files, another digest.
    let manifest = files.set.manifest.clone();
    let changes: [fn(&mut Manifest); 4] = [
        |manifest| manifest.directories[0].files += 1,
        |manifest| manifest.directories[0].blake3 = "00".repeat(32),
        |manifest| manifest.directories[0].bytes -= 1,
        |manifest| manifest.directories[0].links = 0,
    ];
    for change in changes {
        let mut wrong = manifest.clone();
        change(&mut wrong);
        put_manifest(&mut files, &wrong);
        let failure = refused(&files).await;
        assert_eq!(
            failure.reason,
            reasons::RESTORE_DIFFERS,
            "{}",
            failure.message
        );
    }
    // One that has the digest of something that is no archive.
    let crafted = zstd::encode_all(
        &b"no archive of a directory, and long enough for a header"[..],
        1,
    );
    let crafted = crafted.unwrap();
    put(&files, &key, &crafted);
    let mut wrong = manifest.clone();
    let mut objects = wrong.objects.iter_mut();
    let object = objects.find(|object| object.name == IMAGES).unwrap();
    object.sha256 = hex::encode(Sha256::digest(&crafted));
    object.size = crafted.len() as u64;
    put_manifest(&mut files, &wrong);
    let failure = refused(&files).await;
    assert_eq!(
        failure.reason,
        reasons::RESTORE_REFUSED,
        "{}",
        failure.message
    );
    // One that needs more than there is.
    let mut wrong = manifest.clone();
    wrong.directories[0].bytes = 1 << 60;
    put_manifest(&mut files, &wrong);
    let failure = refused(&files).await;
    assert_eq!(
        failure.reason,
        reasons::DISK_TOO_SMALL,
        "{}",
        failure.message
    );
    // One without the directory.
    let mut wrong = manifest;
    wrong.directories.remove(0);
    put_manifest(&mut files, &wrong);
    let failure = refused(&files).await;
    assert!(
        failure.message.contains("it has \"claim uploads\""),
        "{}",
        failure.message
    );
}

fn put(files: &Files, key: &str, content: &[u8]) {
    fs::write(files.scene.bucket.file(key), content).unwrap();
}

/// Puts another manifest in place of the one that was chosen, and chooses it.
fn put_manifest(files: &mut Files, manifest: &Manifest) {
    let text = serde_json::to_vec(manifest).unwrap();
    put(files, &format!("{FOLDER}/manifest.json"), &text);
    files.set.manifest_sha256 = hex::encode(Sha256::digest(&text));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_data_of_a_server_is_never_replaced_by_files() {
    let files = Files::new(Vec::new()).await;
    files.write("images/pg/PG_VERSION", "17");
    files.write("images/pg/global/pg_control", "x");
    let failure = refused(&files).await;
    assert!(
        failure.message.contains("data directory of Postgres"),
        "{}",
        failure.message
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_set_needs_its_key_and_a_set_of_the_bucket_its_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let (key, public) = make_key(folder.path(), "backup.key");
    let files = Files::new(vec![public]).await;
    let failure = refused(&files).await;
    assert!(
        failure.message.contains("spec.restore.identitySecret"),
        "{}",
        failure.message
    );

    let mut restore = files.restore("images", RestoreTarget::Replace, UID);
    restore.request.identity_secret = Some(SecretKey {
        name: "backup-key".to_owned(),
        key: "identity.txt".to_owned(),
    });
    fs::rename(key, folder.path().join("identity.txt")).unwrap();
    restore.files.identity = folder.path().to_path_buf();
    // Nobody has confirmed it.
    restore.request.confirmed_only = true;
    let failure = run(&restore, None, nothing_after()).await.unwrap_err();
    assert!(
        failure.message.contains("acceptSuspect"),
        "{}",
        failure.message
    );
    restore.request.confirmed_only = false;
    run(&restore, None, nothing_after()).await.unwrap();
    files.assert_same("images");
}
