//! An event trigger of a login, which Postgres has from 17 on: it runs for no session of the restore. With an
//! older server there is nothing to test; `HOLDFAST_TEST_POSTGRES` names the programs of a newer one.

use holdfast::api::RestoreTarget;

use crate::backup_scene::Scene;
use crate::restored_scene::{Restore, ask, small_shop};
use crate::support::postgres::PASSWORD;

const TRIGGER: &str = "create function shut() returns event_trigger language plpgsql as $$ begin if \
    current_setting('application_name') like 'holdfast-restore%' then raise exception 'nobody gets in'; end if; end \
    $$; create event trigger at_login on login execute function shut()";

#[tokio::test(flavor = "multi_thread")]
async fn an_event_trigger_of_a_login_does_not_lock_the_restore_out() {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    let server = &scene.postgres;
    let version = ask(server, "postgres", "show server_version_num").await;
    if version.parse::<u32>().unwrap() < 170_000 {
        eprintln!("Postgres {version} has no event trigger of a login");
        return;
    }
    small_shop(server).await;
    server.execute("shop", TRIGGER).await;
    let set = scene.take(None).await.unwrap();
    for into in [RestoreTarget::Replace, RestoreTarget::Beside] {
        let uid = format!("{}c9a7e02-5f6d-4d1c-9a57-0d3b8f2b6a11", into as u8);
        let restore = Restore::new(&scene, server, &set, into).with_uid(&uid);
        let report = restore.run().await.unwrap();
        assert!(report.databases[0].is_identical, "{report:?}");
        assert!(report.databases[0].not_restored.is_empty(), "{report:?}");
        assert_eq!(report.warnings, Vec::<String>::new());
    }
    let triggers = "select evtname, evtenabled from pg_event_trigger";
    assert_eq!(ask(server, "shop", triggers).await, "at_login|O");
}
