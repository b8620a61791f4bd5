//! A restore that replaces, and one beside: what was lost is there again, byte for byte, and what was
//! found is kept.

use holdfast::agent::{kept_name, restored_name};
use holdfast::api::{RestorePhase, RestoreTarget};

use crate::backup_scene::Scene;
use crate::restored_scene::{
    OTHER_UID, Restore, UID, Watch, ask, command_after, databases, odd_scene, plain_dump,
    properties, psql, small_shop,
};
use crate::support::postgres::PASSWORD;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_lost_is_there_again_and_what_was_left_is_kept() {
    let scene = odd_scene().await;
    let server = &scene.postgres;
    let set = scene.take(None).await.unwrap();
    let before = (plain_dump(server, "shop"), properties(server, "shop").await);
    let oid = ask(
        server,
        "template1",
        "select oid from pg_database where datname = 'shop'",
    )
    .await;
    server
        .execute(
            "shop",
            "truncate app.orders cascade; drop table app.parts; create table public.since (id int)",
        )
        .await;

    let restore = Restore::new(&scene, server, &set, RestoreTarget::Replace);
    let watch = Watch::quietly();
    let report = restore.watched(&watch).await.unwrap();
    assert_eq!(report.phase, Some(RestorePhase::Done));
    let restored = &report.databases[0];
    assert!(restored.is_identical, "{report:?}");
    assert_eq!(restored.rows, restored.expected_rows);
    assert_eq!(
        restored.kept_oid.map(|oid| oid.to_string()),
        Some(oid.clone())
    );
    assert!(report.outage_milliseconds.unwrap() < 2_000, "{report:?}");
    assert_eq!(report.restored_bytes, report.total_bytes);
    assert!(
        report
            .tables
            .iter()
            .any(|table| table.name == "app.orders" && table.rows == 2_000)
    );
    assert_eq!(report.warnings, Vec::<String>::new());
    let phases: Vec<_> = watch
        .reports
        .lock()
        .unwrap()
        .iter()
        .filter_map(|one| one.phase)
        .collect();
    for phase in [
        RestorePhase::Hashing,
        RestorePhase::Verifying,
        RestorePhase::Swapping,
    ] {
        assert!(phases.contains(&phase), "{phase:?}");
    }

    let after = (plain_dump(server, "shop"), properties(server, "shop").await);
    assert_eq!(after, before);
    let invalid = "select count(*) from pg_index where not indisvalid or not indisready";
    assert_eq!(ask(server, "shop", invalid).await, "0");
    assert_eq!(
        ask(server, "shop", "select nextval('app.numbers')").await,
        "42"
    );
    let analyzed = "select reltuples from pg_class where oid = 'app.orders'::regclass";
    assert_eq!(ask(server, "shop", analyzed).await, "2000");

    let kept = kept_name("shop", UID);
    assert_eq!(restored.kept_as.as_deref(), Some(kept.as_str()));
    assert_eq!(
        ask(server, &kept, "select count(*) from public.since").await,
        "0"
    );
    let comment = "select oid, datallowconn, shobj_description(oid, 'pg_database') from pg_database where \
        datname like '%before%'";
    assert_eq!(
        ask(server, "template1", comment).await,
        format!("{oid}|t|holdfast restore {UID} kept of shop\nthe shop's \"own\" words")
    );

    // The same agent again, as after an eviction: nothing is left to do.
    let again = restore.run().await.unwrap();
    assert_eq!(again.databases[0].kept_as, restored.kept_as);
    assert_eq!(again.databases[0].oid, restored.oid);
    assert!(again.databases[0].is_identical);

    // The commands that the message ends with.
    let message = report.message.unwrap();
    psql(server, "template1", command_after(&message, "To swap back"));
    assert_eq!(
        ask(server, "shop", "select count(*) from public.since").await,
        "0"
    );
    let again = Restore::new(&scene, server, &set, RestoreTarget::Replace).with_uid(OTHER_UID);
    let report = again.run().await.unwrap();
    assert_eq!(plain_dump(server, "shop"), before.0);
    let message = report.message.unwrap();
    let drop = command_after(&message, "to drop what is kept");
    let kept = kept_name("shop", OTHER_UID);
    assert!(databases(server).await.contains(&kept));
    psql(server, "template1", &format!("{drop}\n"));
    assert!(!databases(server).await.contains(&kept));
    assert_eq!(plain_dump(server, "shop"), before.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_the_present_database_stays_untouched() {
    let scene = odd_scene().await;
    let server = &scene.postgres;
    let set = scene.take(None).await.unwrap();
    let before = plain_dump(server, "shop");
    server.execute("shop", "truncate app.orders cascade").await;
    let present = (
        plain_dump(server, "shop"),
        properties(server, "shop").await,
        databases(server).await,
    );

    let restore = Restore::new(&scene, server, &set, RestoreTarget::Beside);
    let report = restore.run().await.unwrap();
    let name = restored_name("shop", UID);
    assert_eq!(report.databases[0].restored_as, name);
    assert!(report.databases[0].is_identical && report.outage_milliseconds.is_none());
    assert_eq!(plain_dump(server, &name), before);
    let now = databases(server).await;
    let others: Vec<&str> = now
        .lines()
        .filter(|line| !line.starts_with(&name))
        .collect();
    assert_eq!(
        (
            plain_dump(server, "shop"),
            properties(server, "shop").await,
            others.join("\n")
        ),
        present
    );
    // Nobody else gets in.
    let public = format!("select has_database_privilege('stranger', '{name}', 'connect')");
    assert_eq!(ask(server, "template1", &public).await, "f");
    assert!(restore.run().await.unwrap().databases[0].is_identical);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_gone_is_there_again_as_the_manifest_says() {
    let scene = odd_scene().await;
    let server = &scene.postgres;
    let set = scene.take(None).await.unwrap();
    let before = (plain_dump(server, "shop"), properties(server, "shop").await);
    server.execute("postgres", "drop database shop").await;
    let restore = Restore::new(&scene, server, &set, RestoreTarget::Replace);
    let report = restore.run().await.unwrap();
    assert_eq!(plain_dump(server, "shop"), before.0);
    let secret = "{TimeZone=Asia/Tokyo";
    assert!(before.1.contains(secret), "{}", before.1);
    // What may be secret is in no set, and the comment says where it comes from.
    let as_described = before.1.replace(",\"app.secret=do not tell\"", "").replace(
        "|the shop",
        &format!("|holdfast restore {UID} done of shop\nthe shop"),
    );
    assert_eq!(properties(server, "shop").await, as_described);
    assert!(
        report
            .warnings
            .iter()
            .any(|warning| warning.contains("app.secret")),
        "{:?}",
        report.warnings
    );
    assert!(report.databases[0].kept_as.is_none());
    let again = restore.run().await.unwrap();
    assert_eq!(
        again.databases[0].oid, report.databases[0].oid,
        "it is not restored again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_databases_of_a_set_are_replaced_at_once_even_the_one_to_work_from() {
    let scene = Scene::new(&["postgres", "further"], "postgres", PASSWORD);
    let server = &scene.postgres;
    server.execute("postgres", "create database further").await;
    for database in ["postgres", "further"] {
        server
            .execute(
                database,
                "create table t (id int); insert into t values (1), (2)",
            )
            .await;
    }
    let set = scene.take(None).await.unwrap();
    for database in ["postgres", "further"] {
        server.execute(database, "drop table t").await;
    }
    let restore = Restore::new(&scene, server, &set, RestoreTarget::Replace);
    let report = restore.run().await.unwrap();
    for database in ["postgres", "further"] {
        assert_eq!(ask(server, database, "select count(*) from t").await, "2");
        let kept = kept_name(database, UID);
        assert_eq!(
            ask(
                server,
                &kept,
                "select count(*) from pg_class where relname = 't'"
            )
            .await,
            "0"
        );
    }
    assert!(
        report
            .databases
            .iter()
            .all(|one| one.is_identical && one.kept_as.is_some())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_is_no_superuser_restores_what_it_can() {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    let server = &scene.postgres;
    server
        .execute(
            "postgres",
            "create role keeper; create role restorer login createdb password 'secret'; grant keeper to \
             restorer; grant pg_signal_backend to restorer",
        )
        .await;
    small_shop(server).await;
    server
        .execute(
            "shop",
            "alter database shop owner to keeper; alter table which owner to keeper; alter table orders \
             owner to keeper; alter database shop set work_mem = '5MB'",
        )
        .await;
    let set = scene.take(None).await.unwrap();
    let before = properties(server, "shop").await;
    server.execute("shop", "truncate orders").await;
    let into = RestoreTarget::Replace;
    let restore = Restore::as_role(&scene, server, &set, into, "restorer", "secret");
    let report = restore.run().await.unwrap();
    assert!(report.databases[0].is_identical, "{report:?}");
    assert_eq!(properties(server, "shop").await, before);
    let owner = "select relowner::regrole from pg_class where relname = 'orders'";
    assert_eq!(ask(server, "shop", owner).await, "keeper");
    let mut warnings = report.warnings.iter();
    assert!(
        warnings.any(|warning| warning.contains("no superuser")),
        "{:?}",
        report.warnings
    );
}
