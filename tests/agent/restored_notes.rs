//! What a restore says before it makes anything, of a real server: subscriptions, what a role without superuser can't
//! create, versions of collations, poolers, and what `pg_hba.conf` does not let it into.

use holdfast::agent::{RestoreStep, TakenSet, restored_name};
use holdfast::api::{RestoreReport, RestoreTarget, reasons};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::backup_scene::{FOLDER, Scene};
use crate::restored_scene::{
    Changed, Restore, UID, Watch, ask, command_after, databases, plain_dump, roles, small_shop,
    until,
};
use crate::support::postgres::{PASSWORD, TestPostgres};

const MIRROR: &str =
    "create subscription mirror connection 'host=nowhere' publication news with (connect = false)";

async fn shop() -> Scene {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    small_shop(&scene.postgres).await;
    scene
}

async fn now(server: &TestPostgres) -> (String, Vec<String>, String) {
    (
        databases(server).await,
        roles(server).await,
        plain_dump(server, "shop"),
    )
}

/// The message of a restore that is refused, before anything was made.
async fn refused(server: &TestPostgres, restore: &Restore) -> String {
    let before = now(server).await;
    let watch = Watch::quietly();
    let failure = restore.watched(&watch).await.expect_err("it is refused");
    assert_eq!(failure.reason, reasons::RESTORE_REFUSED, "{failure:?}");
    assert!(!watch.has_seen(RestoreStep::RolesCreated), "{failure:?}");
    assert_eq!(now(server).await, before);
    failure.message
}

async fn looked(restore: &mut Restore) -> RestoreReport {
    restore.request.dry_run = true;
    let report = restore.run().await.unwrap();
    restore.request.dry_run = false;
    report
}

fn has(texts: &[String], wanted: &str) -> bool {
    texts.iter().any(|text| text.contains(wanted))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enabled_subscription_of_the_present_database_refuses_the_restore_by_name() {
    let scene = shop().await;
    let server = &scene.postgres;
    let set = scene.take(None).await.unwrap();
    server.execute("shop", MIRROR).await;
    server
        .execute("shop", "alter subscription mirror enable")
        .await;
    let restore = Restore::new(&scene, server, &set, RestoreTarget::Replace);
    let message = refused(server, &restore).await;
    assert!(
        message.contains("database \"shop\" has subscriptions that are enabled: \"mirror\""),
        "{message}"
    );
    server
        .execute("shop", "alter subscription mirror disable")
        .await;
    let report = restore.run().await.expect("a disabled one is named only");
    let stays = "subscriptions stay with the database that is kept: \"mirror\"";
    assert!(has(&report.warnings, stays), "{:?}", report.warnings);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_subscriptions_of_a_set_come_with_the_command_that_creates_them() {
    let scene = shop().await;
    let server = &scene.postgres;
    server.execute("shop", MIRROR).await;
    let set = scene.take(None).await.unwrap();
    let described = set.manifest.databases[0].description.as_ref().unwrap();
    assert_eq!(described.subscriptions[0].publications, ["news"]);
    let restore = Restore::new(&scene, server, &set, RestoreTarget::Beside);
    let report = restore.run().await.unwrap();
    let said = report
        .warnings
        .iter()
        .find(|one| one.contains("are not restored: \"mirror\""))
        .unwrap_or_else(|| panic!("{:?}", report.warnings));
    let command = command_after(said, "each copies them")
        .replace("'…'", "'host=nowhere'")
        .replace("WITH (", "WITH (connect = false, ");
    let restored = restored_name("shop", UID);
    let subscriptions = "select subname, subenabled, subslotname from pg_subscription where subdbid = (select oid \
        from pg_database where datname = current_database())";
    assert_eq!(
        ask(server, &restored, subscriptions).await,
        "",
        "none is restored"
    );
    server.execute(&restored, &command).await;
    let made = ask(server, &restored, subscriptions).await;
    assert_eq!(made, "mirror|f|mirror_restored");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_role_without_superuser_can_not_create_is_named_in_one_message() {
    let scene = shop().await;
    let server = &scene.postgres;
    server
        .execute(
            "shop",
            "create role keeper; create role restorer login createdb password 'secret'; create function noticed() \
             returns event_trigger language plpgsql as $$ begin end $$; create event trigger watch on \
             ddl_command_end execute function noticed(); create function native() returns language_handler \
             language c as '$libdir/plpgsql', 'plpgsql_call_handler'; create extension pageinspect; create table \
             kept (id int); alter table kept owner to keeper",
        )
        .await;
    let set = scene.take(None).await.unwrap();
    server
        .execute(
            "shop",
            "drop event trigger watch; drop table kept; drop role keeper; grant postgres to restorer",
        )
        .await;
    let restore = |into| Restore::as_role(&scene, server, &set, into, "restorer", "secret");
    for into in [RestoreTarget::Replace, RestoreTarget::Beside] {
        let message = refused(server, &restore(into)).await;
        // One part is known before the tables of contents are read, and both are in the list of a dry run.
        assert!(
            message.contains("\"keeper\"") && message.contains("pageinspect"),
            "{message}"
        );
        let mut dry = restore(into);
        let problems = looked(&mut dry).await.problems.join("; ");
        for text in [
            "only a superuser can create what is in database \"shop\"",
            "event trigger \"watch\"",
            "function in C \"native()\"",
            "only a superuser can create extension \"pageinspect\"",
            "role \"restorer\" may not create roles: \"keeper\"",
        ] {
            assert!(problems.contains(text), "{text}: {problems}");
        }
    }
}

/// A set whose manifest was changed, and the restore of it.
async fn with_manifest(
    scene: &Scene,
    set: &TakenSet,
    change: impl FnOnce(&mut Value),
) -> RestoreReport {
    let mut restore = Restore::new(scene, &scene.postgres, set, RestoreTarget::Beside);
    let file = scene.bucket.file(&format!("{FOLDER}/manifest.json"));
    let _changed = Changed::new(file, |before| {
        let mut manifest = serde_json::from_slice(&before).unwrap();
        change(&mut manifest);
        let body = serde_json::to_vec(&manifest).unwrap();
        restore.request.manifest_sha256 = hex::encode(Sha256::digest(&body));
        body
    });
    looked(&mut restore).await
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_of_the_collation_is_a_warning_that_says_what_it_means() {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    let server = &scene.postgres;
    let create = "create database shop template template0 encoding 'UTF8' locale_provider icu icu_locale 'de-DE'";
    server.execute("postgres", create).await;
    server
        .execute("shop", "create table t (name text primary key)")
        .await;
    let set = scene.take(None).await.unwrap();
    // Before Postgres 15 a database has no version of its collation.
    let described = set.manifest.databases[0].description.as_ref().unwrap();
    let version = described.collation_version.clone().unwrap();
    let same = with_manifest(&scene, &set, |_| {}).await;
    assert!(!has(&same.warnings, "collation"), "{:?}", same.warnings);
    let other = with_manifest(&scene, &set, |of| {
        of["databases"][0]["description"]["collationVersion"] = json!("1.0");
    });
    let warnings = other.await.warnings;
    let says = format!(
        "with version \"1.0\" of its collation \"de-DE\", and the server has \"{version}\""
    );
    assert!(has(&warnings, &says), "{warnings:?}");
    assert!(has(&warnings, "no REINDEX is needed"), "{warnings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_in_the_present_database_is_named_before_the_swap() {
    let scene = shop().await;
    let server = &scene.postgres;
    let set = scene.take(None).await.unwrap();
    let client = server.superuser("shop").await;
    client
        .batch_execute("set application_name = 'PgBouncer'")
        .await
        .unwrap();
    let mut restore = Restore::new(&scene, server, &set, RestoreTarget::Replace);
    let report = looked(&mut restore).await;
    let says = "a pooler has sessions in database \"shop\" (\"PgBouncer\")";
    assert!(has(&report.warnings, says), "{:?}", report.warnings);
    drop(client);
    until("the pooler is gone", async || {
        let left = "select count(*) from pg_stat_activity where datname = 'shop'";
        ask(server, "postgres", left).await == "0"
    })
    .await;
    let report = looked(&mut restore).await;
    assert!(!has(&report.warnings, "pooler"), "{:?}", report.warnings);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_pg_hba_does_not_let_it_into_is_seen_before_anything_is_made() {
    let scene = shop().await;
    let server = &scene.postgres;
    let set = scene.take(None).await.unwrap();
    let restore = Restore::new(&scene, server, &set, RestoreTarget::Replace);
    let name = restored_name("shop", UID);
    let file = server.file("data/pg_hba.conf");
    let before = std::fs::read_to_string(&file).unwrap();
    let reload = async |text: &str| {
        std::fs::write(&file, text).unwrap();
        server.give_to_postgres();
        server.execute("postgres", "select pg_reload_conf()").await;
    };
    reload(&format!("host {name} all 127.0.0.1/32 reject\n{before}")).await;
    let message = until_refused(server, &restore).await;
    let says = format!("pg_hba.conf does not let role \"postgres\" into a database \"{name}\"");
    assert!(message.contains(&says), "{message}");
    reload(&before).await;
    until("it is let in", async || restore.run().await.is_ok()).await;
}

/// The file is in force a moment after it is read.
async fn until_refused(server: &TestPostgres, restore: &Restore) -> String {
    let name = restored_name("shop", UID);
    until("nobody is let in", async || {
        let tried = crate::restored_scene::connect(server.port(), &name).await;
        let error = tried.expect_err("there is no such database");
        error.code().is_some_and(|code| code.code() == "28000")
    })
    .await;
    refused(server, restore).await
}
