//! Names of any kind, and several restores of one database: none meets another.

use holdfast::agent::{kept_name, restored_name};
use holdfast::api::RestoreTarget;
use holdfast::postgres::quote_identifier;

use crate::backup_scene::Scene;
use crate::restored_scene::{OTHER_UID, Restore, UID, ask};
use crate::support::postgres::PASSWORD;

#[tokio::test(flavor = "multi_thread")]
async fn any_name_is_restored_twice_and_both_are_kept() {
    let names = [
        "a".repeat(63),
        "quotes \"and' \\ $$; drop database x --".to_owned(),
        "line\nbreak=1".to_owned(),
        format!("{}x", "\u{fc}".repeat(31)),
    ];
    for name in &names {
        let scene = Scene::new(&[name.as_str()], "postgres", PASSWORD);
        let server = &scene.postgres;
        let quoted = quote_identifier(name);
        server
            .execute("postgres", &format!("create database {quoted}"))
            .await;
        server
            .execute(name, "create table t (id int); insert into t values (1)")
            .await;
        let set = scene.take(None).await.unwrap();
        for (number, uid) in [UID, OTHER_UID].into_iter().enumerate() {
            server
                .execute(name, &format!("truncate t; create table since_{number} ()"))
                .await;
            let restore = Restore::new(&scene, server, &set, RestoreTarget::Replace).with_uid(uid);
            let report = restore
                .run()
                .await
                .unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
            assert!(report.databases[0].is_identical, "{name}");
            let kept = kept_name(name, uid);
            let since = format!("select count(*) from pg_class where relname = 'since_{number}'");
            assert_eq!(ask(server, &kept, &since).await, "1", "{name}");
            assert_eq!(ask(server, name, &since).await, "0", "{name}");
            assert_eq!(
                ask(server, name, "select count(*) from t").await,
                "1",
                "{name}"
            );
            let full = "select shobj_description(oid, 'pg_database') from pg_database where datname = \
                current_database()";
            assert!(
                ask(server, &kept, full).await.contains(name.as_str()),
                "{name}"
            );
            assert_ne!(restored_name(name, uid), kept);
        }
        let count = "select count(*) from pg_database where oid >= 16384";
        assert_eq!(ask(server, "postgres", count).await, "3", "{name}");
    }
}
