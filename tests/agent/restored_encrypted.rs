//! Encrypted sets are restored with a private key that Debian's `age-keygen` made; without the right one
//! nothing is made in the server.

use std::fs;
use std::path::{Path, PathBuf};

use holdfast::agent::{RestoreStep, TakenSet};
use holdfast::api::{IDENTITY_FILE, RestoreTarget, SecretKey, reasons};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::backup_encrypted::{holdfast, make_key};
use crate::backup_scene::{FOLDER, Scene};
use crate::restored_scene::{Changed, Restore, Watch, ask, databases, roles, small_shop};
use crate::support::postgres::PASSWORD;

struct Encrypted {
    scene: Scene,
    set: TakenSet,
    keys: TempDir,
    /// The public keys of both recipients.
    recipients: Vec<String>,
}

impl Encrypted {
    async fn start() -> Self {
        let mut scene = Scene::new(&["shop"], "postgres", PASSWORD);
        small_shop(&scene.postgres).await;
        let large = "select lo_from_bytea(77, 'some bytes'); create table bulky as select \
            gen_random_uuid()::text as data from generate_series(1, 20000)";
        scene.postgres.execute("shop", large).await;
        let keys = tempfile::tempdir().unwrap();
        let recipients = ["one.key", "other.key"].map(|name| make_key(keys.path(), name).1);
        scene.request.age_recipients = recipients.to_vec();
        let set = scene.take(None).await.unwrap();
        Self {
            scene,
            set,
            keys,
            recipients: recipients.to_vec(),
        }
    }

    fn key(&self, name: &str) -> PathBuf {
        self.keys.path().join(name)
    }

    /// A restore with this file of private keys mounted.
    fn restore(&self, identity: Option<&Path>) -> Restore {
        let scene = &self.scene;
        let mut restore = Restore::new(scene, &scene.postgres, &self.set, RestoreTarget::Replace);
        let mounted = self.key("mounted");
        fs::remove_dir_all(&mounted).ok();
        fs::create_dir(&mounted).unwrap();
        if let Some(identity) = identity {
            fs::copy(identity, mounted.join(IDENTITY_FILE)).unwrap();
        }
        restore.files.identity = mounted;
        restore.request.identity_secret = Some(SecretKey {
            name: "backup-key".to_owned(),
            key: "key.txt".to_owned(),
        });
        restore
    }

    async fn refused(&self, restore: &Restore, reason: &str, texts: &[&str]) {
        let server = &self.scene.postgres;
        let before = (databases(server).await, roles(server).await);
        let watch = Watch::quietly();
        let failure = restore.watched(&watch).await.unwrap_err();
        assert_eq!(failure.reason, reason, "{}", failure.message);
        for text in texts {
            assert!(
                failure.message.contains(text),
                "{text}: {}",
                failure.message
            );
        }
        assert!(!failure.message.contains("SECRET-KEY-1"), "{failure:?}");
        assert!(!watch.has_seen(RestoreStep::LookedAhead), "{failure:?}");
        assert_eq!((databases(server).await, roles(server).await), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_set_is_restored_with_the_key_of_each_recipient() {
    let all = Encrypted::start().await;
    let server = &all.scene.postgres;
    let uids = [
        "1c9a7e02-5f6d-4d1c-9a57-0d3b8f2b6a11",
        "2c9a7e02-5f6d-4d1c-9a57-0d3b8f2b6a11",
    ];
    for (key, uid) in ["one.key", "other.key"].into_iter().zip(uids) {
        server
            .execute("shop", "truncate which; drop table bulky")
            .await;
        let restore = all.restore(Some(&all.key(key))).with_uid(uid);
        let report = restore.run().await.unwrap();
        assert!(report.databases[0].is_identical, "{report:?}");
        assert_eq!(
            ask(server, "shop", "select * from which").await,
            "backed up"
        );
        let counted = "select count(*), (select count(*) from pg_largeobject_metadata) from bulky";
        assert_eq!(ask(server, "shop", counted).await, "20000|1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_private_key_nothing_is_made() {
    let all = Encrypted::start().await;
    let refused = reasons::RESTORE_REFUSED;
    let field = "spec.restore.identitySecret";
    let quoted: Vec<String> = all
        .recipients
        .iter()
        .map(|one| format!("{one:?}"))
        .collect();
    let recipients = quoted.join(", ");
    let mut unset = all.restore(None);
    unset.request.identity_secret = None;
    all.refused(&unset, refused, &[field, "is not set", &recipients])
        .await;
    let missing = ["`key.txt` of Secret `backup-key`", "does not exist", field];
    all.refused(&all.restore(None), refused, &missing).await;
    let public = all.key("public");
    fs::write(&public, &all.recipients[0]).unwrap();
    all.refused(&all.restore(Some(&public)), refused, &[field, "public key"])
        .await;

    let (file, stranger) = make_key(all.keys.path(), "stranger.key");
    all.refused(
        &all.restore(Some(&file)),
        refused,
        &[field, &recipients, &stranger],
    )
    .await;

    // A manifest that says so does not make the key fit; the objects are as they were stored.
    let mut restore = all.restore(Some(&file));
    let manifest = all.scene.bucket.file(&format!("{FOLDER}/manifest.json"));
    let changed = Changed::new(manifest, |before| {
        let mut manifest: Value = serde_json::from_slice(&before).unwrap();
        manifest["recipients"] = json!([stranger]);
        let body = serde_json::to_vec(&manifest).unwrap();
        restore.request.manifest_sha256 = hex::encode(Sha256::digest(&body));
        body
    });
    all.refused(&restore, refused, &["encrypted for others"])
        .await;
    drop(changed);

    // Hashed as stored, before it is decrypted.
    let dump = all.scene.bucket.file(&format!("{FOLDER}/dump.pgc.zst.age"));
    for at in [30, 400] {
        let changed = Changed::new(dump.clone(), |mut before| {
            before[at] ^= 1;
            before
        });
        let restore = all.restore(Some(&all.key("one.key")));
        all.refused(
            &restore,
            reasons::SET_CHANGED,
            &["other bytes than were stored"],
        )
        .await;
        drop(changed);
    }
    let restore = all.restore(Some(&all.key("one.key")));
    restore.run().await.expect("as it was it is restored");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalog_decrypts_what_it_fetches_and_verifies_that_it_can() {
    let all = Encrypted::start().await;
    let scene = &all.scene;
    let one = all.key("one.key");
    let one = one.to_str().unwrap();
    let verified = holdfast(scene, &["verify", FOLDER, "--identity", one]).unwrap();
    assert!(verified.contains("the private key reads all"), "{verified}");
    let to = all.key("set");
    let to_text = to.to_str().unwrap();
    let fetch = ["fetch", FOLDER, "--to", to_text, "--identity", one];
    let said = holdfast(scene, &fetch).unwrap();
    assert!(
        said.contains("zstd -d") && !said.contains("age -d"),
        "{said}"
    );
    let mut files: Vec<String> = fs::read_dir(&to)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, ["dump.pgc.zst", "globals.sql.zst", "manifest.json"]);
    let dump = fs::read(to.join("dump.pgc.zst")).unwrap();
    let raw = zstd::decode_all(dump.as_slice()).unwrap();
    assert!(memchr::memmem::find(&raw, b"backed up").is_some());

    let (stranger, public) = make_key(all.keys.path(), "stranger.key");
    let stranger = stranger.to_str().unwrap();
    let elsewhere = all.key("other-set");
    let elsewhere_text = elsewhere.to_str().unwrap();
    for arguments in [
        &["verify", FOLDER, "--identity", stranger][..],
        &[
            "fetch",
            FOLDER,
            "--to",
            elsewhere_text,
            "--identity",
            stranger,
        ],
    ] {
        let why = holdfast(scene, arguments).unwrap_err();
        assert!(
            why.contains(&public) && why.contains(&all.recipients[1]),
            "{why}"
        );
    }
    assert!(!elsewhere.exists(), "nothing was fetched");
}
