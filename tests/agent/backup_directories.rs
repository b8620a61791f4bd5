//! Directories of claims in a set: Debian's `tar`, `zstd` and `age` bring every file back byte for byte, and
//! what could not be read makes no set that counts.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use holdfast::api::{BackupDirectory, claim_mount};
use holdfast::store::{Manifest, SetState};
use sha2::{Digest, Sha256};

use crate::backup_encrypted::{holdfast, make_key, said};
use crate::backup_scene::{FOLDER, Scene};
use crate::support::postgres::PASSWORD;

const IMAGES: &str = "files-uploads.generated%2Fimages.tar.zst";
const RECEIPTS: &str = "files-receipts.tar.zst";

fn directory(claim: &str, path: &str) -> BackupDirectory {
    BackupDirectory {
        claim: claim.to_owned(),
        path: path.to_owned(),
        ..BackupDirectory::default()
    }
}

/// Two claims with files, mounted as a Job mounts them.
async fn scene_with_files(claims: &Path) -> Scene {
    let mut scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    scene
        .postgres
        .execute(
            "postgres",
            "create table trends (image text); insert into trends values ('a.png')",
        )
        .await;
    scene.files.claims = claims.to_path_buf();
    scene.request.directories = vec![
        directory("uploads", "generated/images"),
        directory("receipts", ""),
    ];
    let all = claims.display().to_string();
    let images = Path::new(&claim_mount(&all, 0)).join("generated/images");
    let receipts = claim_mount(&all, 1);
    fs::create_dir_all(images.join("2026/11")).unwrap();
    fs::create_dir_all(&receipts).unwrap();
    fs::write(images.join("a.png"), vec![9_u8; 5_000_000]).unwrap();
    fs::write(images.join("2026/11/ü ' name"), "odd").unwrap();
    fs::write(images.join("n".repeat(200)), "long").unwrap();
    symlink("/etc/passwd", images.join("link")).unwrap();
    fs::write(claims.join("0/not-asked-for"), "other").unwrap();
    let sparse = fs::File::create(Path::new(&receipts).join("sparse")).unwrap();
    sparse.set_len(300 << 20).unwrap();
    scene
}

fn stored_manifest(scene: &Scene) -> Manifest {
    serde_json::from_slice(&scene.bucket.read(&format!("{FOLDER}/manifest.json"))).unwrap()
}

/// Unpacks with what Debian has, and compares with what was there.
fn unpack(scene: &Scene, folder: &Path, command: &str, original: &Path) {
    fs::create_dir_all(folder.join("unpacked")).unwrap();
    said(scene, folder, command);
    let compare = format!(
        "diff --recursive --no-dereference unpacked '{}'",
        original.display()
    );
    assert_eq!(said(scene, folder, &compare), "");
    fs::remove_dir_all(folder.join("unpacked")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn debians_tar_brings_every_file_of_a_set_back() {
    let (claims, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let scene = scene_with_files(claims.path()).await;
    let set = scene.take(None).await.unwrap();
    let manifest = stored_manifest(&scene);
    assert_eq!((&manifest, manifest.state), (&set.manifest, SetState::Good));
    let [images, receipts] = &manifest.directories[..] else {
        panic!("{:?}", manifest.directories)
    };
    assert_eq!(
        (images.object.as_str(), receipts.object.as_str()),
        (IMAGES, RECEIPTS)
    );
    assert_eq!((images.files, images.directories, images.links), (3, 2, 1));
    assert_eq!((receipts.files, receipts.bytes), (1, 300 << 20));
    assert!(images.started_at.0 >= manifest.identity.snapshot_time.0);
    for directory in [images, receipts] {
        let is_of = |name: &str| directory.object == name;
        let object = manifest
            .objects
            .iter()
            .find(|object| is_of(&object.name))
            .unwrap();
        let bytes = scene.bucket.read(&format!("{FOLDER}/{}", object.name));
        assert_eq!(object.sha256, hex::encode(Sha256::digest(&bytes)));
        assert!(object.size < 100_000, "compressed: {}", object.size);
    }
    let to = folder.path().join("set");
    let shown = holdfast(&scene, &["show", FOLDER]).unwrap();
    assert!(
        shown.contains("directory generated/images of claim uploads: 3 files"),
        "{shown}"
    );
    assert!(
        holdfast(&scene, &["verify", FOLDER])
            .unwrap()
            .contains("4 objects read")
    );
    holdfast(&scene, &["fetch", FOLDER, "--to", to.to_str().unwrap()]).unwrap();
    for (name, original) in [(IMAGES, "0/generated/images"), (RECEIPTS, "1")] {
        let command = format!("zstd -d < 'set/{name}' | tar --extract --directory=unpacked");
        unpack(
            &scene,
            folder.path(),
            &command,
            &claims.path().join(original),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_an_encrypted_set_need_a_key() {
    let (claims, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut scene = scene_with_files(claims.path()).await;
    let (_, public) = make_key(folder.path(), "backup.key");
    scene.request.age_recipients = vec![public];
    scene.take(None).await.unwrap();
    let name = format!("{IMAGES}.age");
    let stored = scene.bucket.read(&format!("{FOLDER}/{name}"));
    fs::write(folder.path().join(&name), stored).unwrap();
    let command =
        format!("age -d -i backup.key '{name}' | zstd -d | tar --extract --directory=unpacked");
    let original = claims.path().join("0/generated/images");
    unpack(&scene, folder.path(), &command, &original);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_with_files_that_could_not_be_read_is_kept_and_does_not_count() {
    let claims = tempfile::tempdir().unwrap();
    let mut scene = scene_with_files(claims.path()).await;
    scene.request.directories = vec![
        directory("uploads", "misspelled"),
        directory("receipts", ""),
    ];
    let set = scene.take(None).await.unwrap();
    assert_eq!(set.manifest.state, SetState::Suspect);
    let why = set.manifest.why.clone().unwrap();
    assert!(
        why.contains("directory misspelled of claim uploads could not be opened"),
        "{why}"
    );
    let [missing, receipts] = &set.manifest.directories[..] else {
        panic!("{:?}", set.manifest.directories)
    };
    assert_eq!(missing.fault.as_deref(), Some(why.as_str()));
    assert_eq!((receipts.fault.as_deref(), receipts.files), (None, 1));
    assert_eq!(set.manifest.databases[0].rows, 1, "the dump is there");
}
