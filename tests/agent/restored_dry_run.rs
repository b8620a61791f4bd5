//! A dry run names everything that stands against a restore at once, with a real server and bucket, and leaves all of
//! it as it was: databases, roles, doors, locks, the set.

use holdfast::agent::{RestoreStep, TakenSet};
use holdfast::api::{RestorePhase, RestoreReport, RestoreTarget, RestoredDatabase, reasons};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::backup_scene::{FOLDER, Scene};
use crate::restored_scene::{
    Changed, Restore, Watch, ask, databases, plain_dump, roles, small_shop,
};
use crate::support::postgres::PASSWORD;

/// All that a dry run could change.
async fn everything(scene: &Scene) -> (String, Vec<String>, String, Vec<String>) {
    let server = &scene.postgres;
    let closed = ask(
        server,
        "template1",
        "select datname, datallowconn, shobj_description(oid, 'pg_database') from pg_database order by 1",
    );
    (
        databases(server).await + &closed.await,
        roles(server).await,
        plain_dump(server, "shop"),
        scene.bucket.objects(),
    )
}

async fn taken(scene: &Scene) -> TakenSet {
    small_shop(&scene.postgres).await;
    scene.take(None).await.unwrap()
}

/// Looks, and makes sure that nothing else was done.
async fn look(scene: &Scene, restore: &mut Restore) -> RestoreReport {
    restore.request.dry_run = true;
    let before = everything(scene).await;
    let watch = Watch::quietly();
    let report = restore.watched(&watch).await.unwrap();
    assert!(!watch.has_seen(RestoreStep::RolesCreated));
    assert_eq!(everything(scene).await, before);
    assert_eq!(report.phase, Some(RestorePhase::Done));
    let is_made = |one: &RestoredDatabase| one.oid.is_some() || one.kept_as.is_some();
    assert!(!report.databases.iter().any(is_made), "{report:?}");
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_stands_against_a_good_set_and_nothing_is_made() {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    let set = taken(&scene).await;
    for into in [RestoreTarget::Replace, RestoreTarget::Beside] {
        let mut restore = Restore::new(&scene, &scene.postgres, &set, into);
        let report = look(&scene, &mut restore).await;
        assert_eq!(report.problems, Vec::<String>::new());
        let message = report.message.unwrap();
        assert!(
            message.contains("nothing stands against a restore of \"shop\" (501 rows in 2 tables)"),
            "{message}"
        );
        restore.request.dry_run = false;
        restore.run().await.expect("what it said is so");
    }
    let mut restore = Restore::new(&scene, &scene.postgres, &set, RestoreTarget::Beside);
    restore.request.tables = vec!["public.orders".to_owned(), "public.nowhere".to_owned()];
    let report = look(&scene, &mut restore).await;
    assert!(
        report.problems[0].starts_with("these are no tables"),
        "{report:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_stands_against_it_is_in_one_list() {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    let server = &scene.postgres;
    small_shop(server).await;
    server
        .execute(
            "shop",
            "create role keeper; create table kept (id int); alter table kept owner to keeper; create \
             function noticed() returns event_trigger language plpgsql as $$ begin end $$; create event \
             trigger watch on ddl_command_end execute function noticed()",
        )
        .await;
    let set = scene.take(None).await.unwrap();
    server
        .execute(
            "shop",
            "drop event trigger watch; drop table kept; drop role keeper; create role weak login password \
             'secret'",
        )
        .await;
    let mut restore = Restore::as_role(
        &scene,
        server,
        &set,
        RestoreTarget::Replace,
        "weak",
        "secret",
    );
    restore.request.server.databases = vec!["another".to_owned()];
    let used = "select pg_tablespace_size('pg_default') + (select sum(size) from pg_ls_waldir()) + (1 << 20)";
    let used = ask(server, "postgres", used).await;
    restore.request.disk.capacity_bytes = Some(used.parse().unwrap());
    let file = scene.bucket.file(&format!("{FOLDER}/manifest.json"));
    let _changed = Changed::new(file, |before| {
        let mut manifest: Value = serde_json::from_slice(&before).unwrap();
        let extensions = manifest["databases"][0]["extensions"].as_array_mut();
        let extensions = extensions.unwrap();
        extensions.push(json!({"name": "nowhere", "version": "1"}));
        extensions.push(json!({"name": "pg_cron", "version": "1"}));
        let body = serde_json::to_vec(&manifest).unwrap();
        restore.request.manifest_sha256 = hex::encode(Sha256::digest(&body));
        body
    });
    let report = look(&scene, &mut restore).await;
    for text in [
        "pg_cron, which can't be restored yet",
        "nobody has confirmed that they are replaced: \"shop\"",
        "\"weak\" may not create databases",
        "these roles are missing, and role \"weak\" may not create roles: \"keeper\"",
        "does not have extension \"nowhere\"",
        "only a superuser can create what is in database \"shop\"",
        "belongs to \"postgres\", which role \"weak\" is no member of",
        "holdfast.dev/ignore-disk",
    ] {
        let mut problems = report.problems.iter();
        assert!(
            problems.any(|one| one.contains(text)),
            "{text}: {:#?}",
            report.problems
        );
    }
    let says = |one: &String| one.contains("nothing was made");
    assert!(!report.problems.iter().any(says), "{:?}", report.problems);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_set_is_a_problem_and_a_server_that_does_not_answer_is_none() {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    let set = taken(&scene).await;
    let server = &scene.postgres;
    let mut restore = Restore::new(&scene, server, &set, RestoreTarget::Replace);
    {
        let file = scene.bucket.file(&format!("{FOLDER}/dump.pgc.zst"));
        let _changed = Changed::new(file, |mut before| {
            let middle = before.len() / 2;
            before[middle] ^= 1;
            before
        });
        let report = look(&scene, &mut restore).await;
        assert!(report.problems[0].contains("dump.pgc.zst"), "{report:?}");
    }
    let mut wrong = Restore::as_role(
        &scene,
        server,
        &set,
        RestoreTarget::Replace,
        "postgres",
        "wrong",
    );
    wrong.request.dry_run = true;
    let failure = wrong.run().await.expect_err("it is not known");
    assert_eq!(failure.reason, reasons::AUTHENTICATION_FAILED);
}

/// It does not wait for a restore that runs, and does not touch what that one has.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_restore_has_closed_stays_closed() {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    let set = taken(&scene).await;
    let server = &scene.postgres;
    let killed = Restore::new(&scene, server, &set, RestoreTarget::Replace);
    assert!(killed.killed_after(RestoreStep::SessionsEnded).await);
    let is_open = "select datallowconn from pg_database where datname = 'shop'";
    assert_eq!(ask(server, "template1", is_open).await, "f");
    let mut restore = Restore::new(&scene, server, &set, RestoreTarget::Replace)
        .with_uid(crate::restored_scene::OTHER_UID);
    restore.request.dry_run = true;
    restore.run().await.unwrap();
    assert_eq!(
        ask(server, "template1", is_open).await,
        "f",
        "only a restore opens it"
    );
    restore.request.dry_run = false;
    restore.run().await.expect("which it does");
}
