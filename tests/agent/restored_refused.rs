//! What is refused before anything is made in the server, each by name.

use holdfast::agent::{RestoreStep, TakenSet, restored_name};
use holdfast::api::{RestoreTarget, reasons};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::backup_scene::{FOLDER, Scene};
use crate::restored_scene::{
    Changed, Restore, UID, Watch, databases, plain_dump, roles, small_shop,
};
use crate::support::postgres::{PASSWORD, TestPostgres};

struct Refusals {
    scene: Scene,
    set: TakenSet,
    before: (String, Vec<String>, String),
}

impl Refusals {
    async fn start() -> Self {
        let mut postgres =
            TestPostgres::prepare("max_prepared_transactions = 4\nwal_level = logical");
        postgres.launch();
        let scene = Scene::of(postgres, &["shop"], "postgres", PASSWORD);
        small_shop(&scene.postgres).await;
        let weak = "create role weak login password 'secret'";
        scene.postgres.execute("postgres", weak).await;
        let set = scene.take(None).await.unwrap();
        let before = now(&scene).await;
        Self { scene, set, before }
    }

    fn restore(&self) -> Restore {
        Restore::new(
            &self.scene,
            &self.scene.postgres,
            &self.set,
            RestoreTarget::Replace,
        )
    }

    async fn refused(&self, restore: &Restore, reason: &str, text: &str) {
        let watch = Watch::quietly();
        let failure = restore.watched(&watch).await.expect_err(text);
        assert_eq!(failure.reason, reason, "{text}: {}", failure.message);
        assert!(
            failure.message.contains(text),
            "{text}: {}",
            failure.message
        );
        assert!(
            !watch.has_seen(RestoreStep::RolesCreated),
            "{text}: nothing was made"
        );
        assert_eq!(now(&self.scene).await, self.before, "{text}");
    }

    /// Refused with another manifest, which the operator has chosen.
    async fn refused_with(&self, change: impl FnOnce(&mut Value), reason: &str, text: &str) {
        let mut restore = self.restore();
        let file = self.scene.bucket.file(&format!("{FOLDER}/manifest.json"));
        let _changed = Changed::new(file, |before| {
            let mut manifest = serde_json::from_slice(&before).unwrap();
            change(&mut manifest);
            let body = serde_json::to_vec(&manifest).unwrap();
            restore.request.manifest_sha256 = hex::encode(Sha256::digest(&body));
            body
        });
        self.refused(&restore, reason, text).await;
    }
}

async fn now(scene: &Scene) -> (String, Vec<String>, String) {
    let server = &scene.postgres;
    (
        databases(server).await,
        roles(server).await,
        plain_dump(server, "shop"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn another_manifest_is_refused() {
    let all = Refusals::start().await;
    let mut restore = all.restore();
    restore.request.manifest_sha256 = "0".repeat(64);
    all.refused(&restore, reasons::SET_CHANGED, "manifest.json")
        .await;
    // One more space: it would be read as the same.
    let file = all.scene.bucket.file(&format!("{FOLDER}/manifest.json"));
    let changed = Changed::new(file, |mut before| {
        before.push(b' ');
        before
    });
    all.refused(&all.restore(), reasons::SET_CHANGED, "manifest.json")
        .await;
    drop(changed);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_object_is_refused_before_anything_is_made() {
    let all = Refusals::start().await;
    let file = |name: &str| all.scene.bucket.file(&format!("{FOLDER}/{name}"));
    for name in ["dump.pgc.zst", "globals.sql.zst"] {
        let changed = Changed::new(file(name), |mut before| {
            let middle = before.len() / 2;
            before[middle] ^= 1;
            before
        });
        all.refused(&all.restore(), reasons::SET_CHANGED, name)
            .await;
        drop(changed);
    }
    let globals = std::fs::read(file("globals.sql.zst")).unwrap();
    let changed = Changed::new(file("dump.pgc.zst"), |_| globals);
    all.refused(&all.restore(), reasons::SET_CHANGED, "dump.pgc.zst")
        .await;
    drop(changed);
    let changed = Changed::new(file("dump.pgc.zst"), |mut before| {
        before.truncate(before.len() - 1);
        before
    });
    all.refused(&all.restore(), reasons::SET_CHANGED, "dump.pgc.zst")
        .await;
    drop(changed);
    let kept = std::fs::read(file("dump.pgc.zst")).unwrap();
    std::fs::remove_file(file("dump.pgc.zst")).unwrap();
    all.refused(
        &all.restore(),
        reasons::SET_CHANGED,
        "not in the bucket any more",
    )
    .await;
    std::fs::write(file("dump.pgc.zst"), kept).unwrap();
    all.restore().run().await.expect("as it was it is restored");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_changes_after_it_was_hashed_is_noticed() {
    let all = Refusals::start().await;
    let file = all.scene.bucket.file(&format!("{FOLDER}/dump.pgc.zst"));
    let before = std::fs::read(&file).unwrap();
    let raw = zstd::decode_all(before.as_slice()).unwrap();
    // Another row, in as many bytes: nothing but the digest can tell.
    let at = raw
        .windows(9)
        .position(|window| window == b"order 100")
        .unwrap();
    let mut other = raw.clone();
    other[at] = b'O';
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 19).unwrap();
    encoder.include_checksum(true).unwrap();
    std::io::Write::write_all(&mut encoder, &other).unwrap();
    let mut crafted = encoder.finish().unwrap();
    // A frame that every reader skips.
    let padding = before.len() - crafted.len() - 8;
    crafted.extend([0x50, 0x2a, 0x4d, 0x18]);
    crafted.extend(u32::try_from(padding).unwrap().to_le_bytes());
    crafted.resize(before.len(), 0);
    assert_eq!(zstd::decode_all(crafted.as_slice()).unwrap(), other);
    let watch = Watch::acting(move |step| {
        if step == RestoreStep::Opened {
            std::fs::write(&file, &crafted).unwrap();
        }
        Box::pin(std::future::ready(()))
    });
    let failure = all.restore().watched(&watch).await.unwrap_err();
    assert_eq!(failure.reason, reasons::SET_CHANGED, "{}", failure.message);
    assert!(!watch.has_seen(RestoreStep::Restored));
    assert_eq!(now(&all.scene).await, all.before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_nobody_has_confirmed_is_not_replaced() {
    let all = Refusals::start().await;
    let mut restore = all.restore();
    restore.request.server.databases = vec!["another".to_owned()];
    all.refused(
        &restore,
        reasons::RESTORE_REFUSED,
        "\"shop\". If they belong to it",
    )
    .await;
    restore.request.into = RestoreTarget::Beside;
    restore.run().await.expect("beside it replaces nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_can_not_take_the_set_is_refused() {
    let all = Refusals::start().await;
    let refused = reasons::RESTORE_REFUSED;
    all.refused_with(
        |of| of["serverVersion"] = json!("99.1"),
        refused,
        "the set is of Postgres 99",
    )
    .await;
    all.refused_with(
        |of| of["formatVersion"] = json!(9),
        refused,
        "format version 9",
    )
    .await;
    all.refused_with(
        |of| of["objects"][1]["encryption"] = json!("age"),
        refused,
        "does not say for whom",
    )
    .await;
    all.refused_with(|of| of["databases"] = json!("x"), refused, "can't be read")
        .await;
    all.refused_with(
        |of| of["objects"][0]["name"] = json!("../../x"),
        refused,
        "one path element",
    )
    .await;
    all.refused_with(
        |of| of["databases"][0]["name"] = json!("template1"),
        refused,
        "template",
    )
    .await;
    let extension = |name: &str| {
        let extension = json!({"name": name, "version": "1.0"});
        move |of: &mut Value| {
            of["databases"][0]["extensions"]
                .as_array_mut()
                .unwrap()
                .push(extension);
        }
    };
    all.refused_with(
        extension("nowhere"),
        refused,
        "does not have extension \"nowhere\"",
    )
    .await;
    all.refused_with(extension("pg_cron"), refused, "pg_cron")
        .await;
    all.refused_with(
        |of| of["databases"][0]["description"]["roles"] = json!(["pg_not_there"]),
        refused,
        "nobody can create: \"pg_not_there\"",
    )
    .await;
    // All of it in one message.
    all.refused_with(
        |of| {
            of["serverVersion"] = json!("99.1");
            extension("nowhere")(of);
        },
        refused,
        "99 or newer; the server does not have",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_or_a_database_that_can_not_do_it_is_refused() {
    let all = Refusals::start().await;
    let server = &all.scene.postgres;
    let refused = reasons::RESTORE_REFUSED;
    let weak = Restore::as_role(
        &all.scene,
        server,
        &all.set,
        RestoreTarget::Replace,
        "weak",
        "secret",
    );
    all.refused(&weak, refused, "may not create databases")
        .await;

    server
        .execute(
            "shop",
            "begin; update which set answer = 'x'; prepare transaction 'left'",
        )
        .await;
    all.refused(
        &all.restore(),
        refused,
        "prepared transactions, with which it can't be renamed: \"left\"",
    )
    .await;
    server.execute("shop", "rollback prepared 'left'").await;

    let name = restored_name("shop", UID);
    server
        .execute("postgres", &format!("create database {name}"))
        .await;
    let failure = all.restore().run().await.unwrap_err();
    assert!(failure.message.contains(&name), "{}", failure.message);
    server
        .execute("postgres", &format!("drop database {name}"))
        .await;

    server
        .execute("shop", "create subscription mirror connection 'host=nowhere' publication p with (connect = false)")
        .await;
    let report = all.restore().run().await.unwrap();
    assert!(
        report.warnings.iter().any(|one| one.contains("\"mirror\"")),
        "{:?}",
        report.warnings
    );
}
