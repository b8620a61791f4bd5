//! A set that is restored into another server than it was taken of: roles, and how values look.

use holdfast::agent::{Interrupt, SetOrder, take_set};
use holdfast::api::RestoreTarget;

use crate::backup_scene::{FOLDER, Scene};
use crate::restored_scene::{
    ODD_DATABASE, ODD_ROLES, Restore, UID, ask, odd_scene, plain_dump, roles,
};
use crate::support::postgres::{PASSWORD, TestPostgres};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_server_gets_the_roles_that_are_missing_and_keeps_those_that_it_has() {
    let scene = odd_scene().await;
    let set = scene.take(None).await.unwrap();
    // Values look different there by default.
    let mut other = TestPostgres::prepare("timezone = 'America/New_York'\nbytea_output = 'escape'");
    other.launch();
    other
        .execute(
            "postgres",
            "create role reader superuser login password 'of this server' valid until '2030-01-01'; alter \
             role reader set work_mem = '7MB'",
        )
        .await;
    let before = roles(&other).await;
    let restore = Restore::new(&scene, &other, &set, RestoreTarget::Replace);
    let report = restore.run().await.unwrap();
    assert!(report.databases[0].is_identical, "{report:?}");
    assert_eq!(
        plain_dump(&other, "shop"),
        plain_dump(&scene.postgres, "shop")
    );

    let after = roles(&other).await;
    for role in &before {
        assert!(after.contains(role), "{role} is unchanged");
    }
    let made = "select rolname, rolcanlogin, rolpassword, shobj_description(oid, 'pg_authid') from \
        pg_authid where oid >= 16384 and rolname <> 'reader'";
    assert_eq!(
        ask(&other, "postgres", made).await,
        format!(
            "keeper|f|-|holdfast restore {UID}: created without login, because a backup names it"
        )
    );
    assert_eq!(after.len(), before.len() + 1, "no other role is created");
    let named = report
        .warnings
        .iter()
        .find(|warning| warning.contains("created without login"));
    assert!(
        named.is_some_and(|warning| warning.contains("\"keeper\"")),
        "{:?}",
        report.warnings
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_that_were_created_for_a_restore_that_failed_are_gone_again() {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    scene.postgres.execute("postgres", ODD_ROLES).await;
    scene.postgres.execute("postgres", ODD_DATABASE).await;
    scene
        .postgres
        .execute(
            "shop",
            "create table t (id int); alter table t owner to keeper; insert into t values (1)",
        )
        .await;
    let set = scene.take(None).await.unwrap();
    let other = TestPostgres::start();
    let before = roles(&other).await;
    let restore = Restore::new(&scene, &other, &set, RestoreTarget::Replace);
    let name = holdfast::agent::restored_name("shop", UID);
    let watch = crate::restored_scene::Watch::running(
        &other,
        holdfast::agent::RestoreStep::Restored,
        &name,
        "delete from t",
    );
    restore.watched(&watch).await.unwrap_err();
    assert_eq!(roles(&other).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn how_values_look_is_what_the_manifest_says_whatever_is_set_while_a_set_is_taken() {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    let server = &scene.postgres;
    server.execute("postgres", "create database shop").await;
    server
        .execute(
            "shop",
            "alter database shop set timezone = 'Asia/Tokyo'; create table t as select now() + n * interval '1 \
             hour' as at, decode(md5(n::text), 'hex') as raw from generate_series(1, 100) n",
        )
        .await;
    // Somebody changes the settings right before the dump connects.
    let [psql, pg_dump] = ["psql", "pg_dump"].map(|name| {
        let program = TestPostgres::program(name);
        program.get_program().to_str().unwrap().to_owned()
    });
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("pg_dump");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] || PGOPTIONS= {psql} -q -c \"alter database shop set timezone = \
         'America/New_York'\" -c \"alter database shop set bytea_output = 'escape'\" shop || exit 9\nexec \
         {pg_dump} \"$@\"\n"
    );
    std::fs::write(&program, script).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, executable).unwrap();
    let order = SetOrder {
        dump_program: Some(program),
        ..scene.order()
    };
    let interrupt = Interrupt::by_hand().1;
    let set = Box::pin(take_set(&order, &scene.says(), &interrupt)).await;
    let set = set.unwrap();
    assert_eq!(
        ask(server, "shop", "show timezone").await,
        "America/New_York"
    );
    let formats = &set.manifest.databases[0]
        .description
        .as_ref()
        .unwrap()
        .formats;
    assert_eq!(formats["TimeZone"], "Asia/Tokyo");
    assert_eq!(formats["bytea_output"], "hex");
    let dump = scene.bucket.read(&format!("{FOLDER}/dump.pgc.zst"));
    let dump = zstd::decode_all(dump.as_slice()).unwrap();
    let has = |text: &[u8]| memchr::memmem::find(&dump, text).is_some();
    assert!(has(b"+09\t\\\\x"), "as Tokyo has it, in hex");
    let restore = Restore::new(&scene, server, &set, RestoreTarget::Replace);
    let report = restore.run().await.unwrap();
    assert!(report.databases[0].is_identical, "{report:?}");
}
