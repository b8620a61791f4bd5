//! Crafted dumps whose digests are right, as only a manifest that was chosen can have them: each ends in
//! a refusal, or in a database that is the manifest's, and the present one is untouched.

use holdfast::agent::restored_name;
use holdfast::api::{RestoreTarget, reasons};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::backup_scene::{FOLDER, Scene};
use crate::restored_scene::{Changed, Restore, UID, databases, plain_dump, small_shop};
use crate::support::postgres::PASSWORD;

/// Mutations of the dump; each is a whole restore.
const ROUNDS: usize = 60;

#[tokio::test(flavor = "multi_thread")]
async fn a_crafted_dump_ends_in_a_refusal() {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    let server = &scene.postgres;
    small_shop(server).await;
    let set = scene.take(None).await.unwrap();
    let before = (databases(server).await, plain_dump(server, "shop"));
    let file = |name: &str| scene.bucket.file(&format!("{FOLDER}/{name}"));
    let raw = zstd::decode_all(std::fs::read(file("dump.pgc.zst")).unwrap().as_slice()).unwrap();
    let mut seed = 11_u64;
    let mut random = move |below: usize| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    let mut refused = 0;
    for round in 0..ROUNDS {
        let mut crafted = raw.clone();
        // The head and table of contents are the first kilobytes; the rest is rows.
        let reach = if round % 2 == 0 {
            crafted.len().min(9_000)
        } else {
            crafted.len()
        };
        match round % 3 {
            0 => crafted[random(reach)] = u8::try_from(random(256)).unwrap(),
            1 => {
                let at = random(reach);
                crafted.drain(at..(at + 1 + random(40)).min(crafted.len()));
            }
            _ => {
                let at = random(reach);
                crafted.splice(at..at, b"\n\\.\n\n\n; DROP DATABASE shop;".iter().copied());
            }
        }
        let stored = zstd::encode_all(crafted.as_slice(), 1).unwrap();
        let mut restore = Restore::new(&scene, server, &set, RestoreTarget::Beside);
        let sha256 = hex::encode(Sha256::digest(&stored));
        let (size, raw_size) = (stored.len(), crafted.len());
        let _dump = Changed::new(file("dump.pgc.zst"), |_| stored);
        let _manifest = Changed::new(file("manifest.json"), |before| {
            let mut manifest: Value = serde_json::from_slice(&before).unwrap();
            let objects = manifest["objects"].as_array_mut().unwrap();
            let object = objects
                .iter_mut()
                .find(|one| one["name"] == "dump.pgc.zst")
                .unwrap();
            object["sha256"] = json!(sha256);
            object["size"] = json!(size);
            object["rawSize"] = json!(raw_size);
            let body = serde_json::to_vec(&manifest).unwrap();
            restore.request.manifest_sha256 = hex::encode(Sha256::digest(&body));
            body
        });
        match restore.run().await {
            Ok(report) => {
                // Such as another time in the head, or another comment.
                assert!(report.databases[0].is_identical, "round {round}");
                let name = restored_name("shop", UID);
                server
                    .execute("postgres", &format!("drop database {name}"))
                    .await;
            }
            Err(failure) => {
                refused += 1;
                let known = [
                    reasons::SET_CHANGED,
                    reasons::RESTORE_FAILED,
                    reasons::RESTORE_REFUSED,
                    reasons::RESTORE_DIFFERS,
                ];
                assert!(
                    known.contains(&failure.reason.as_str()),
                    "round {round}: {failure:?}"
                );
            }
        }
        assert_eq!(databases(server).await, before.0, "round {round}");
    }
    assert_eq!(plain_dump(server, "shop"), before.1);
    assert!(refused > ROUNDS / 3, "{refused}");
}
