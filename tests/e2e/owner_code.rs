//! The owner of a table puts code where the server runs it while it plans a statement. It is not run,
//! the table is counted, and a superuser role is said on the ProtectedDatabase.

use holdfast::api::{CheckOutcome, ConditionType, CountKind, reasons};

use crate::data_lost::ask_for_a_check;
use crate::support::{Scene, Server, assert_tells, with_either};

/// The owner's tables, as a role of its own.
const TRAP: &str = "CREATE ROLE tenant; GRANT CREATE ON SCHEMA public TO tenant; SET ROLE tenant; \
    CREATE FUNCTION public.code(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $code$BEGIN RAISE LOG \
    'code ran as %', current_user; RETURN 1; END$code$; CREATE TABLE public.trap AS SELECT 1 AS id; \
    CREATE INDEX ON public.trap (id) WHERE public.code(1) = 1";

#[test]
fn code_of_a_tables_owner_is_not_run_by_the_granted_role() {
    with_either("owner-code", async |scene, server| {
        assert_not_run(scene, server, "holdfast").await;
    });
}

#[test]
fn code_of_a_tables_owner_is_not_run_by_a_superuser_which_is_said() {
    with_either("owner-code-superuser", async |scene, server| {
        let server = &server.as_superuser();
        // The owner's own statements run it as the owner; the superuser has another name.
        assert_not_run(scene, server, "postgres").await;
        let verified = scene.condition(ConditionType::DataVerified).await;
        assert_tells(&verified.message, &["superuser", "grant-sql knowledge"]);
    });
}

async fn assert_not_run(scene: &Scene, server: &Server, role: &str) {
    scene.protect_filled(server).await;
    server.sql(scene, TRAP);
    let check = ask_for_a_check(scene).await;
    let status = check.status.expect("a status");
    let verdict = status.verdict.expect("a verdict");
    assert_eq!(
        (verdict.outcome, verdict.reason.as_str()),
        (CheckOutcome::Verified, reasons::VERIFIED),
        "{}",
        verdict.message
    );
    let evidence = status.evidence.expect("evidence");
    let trap = evidence
        .tables
        .iter()
        .find(|table| table.name == "public.trap");
    let trap = trap.expect("the table");
    assert_eq!((trap.rows, trap.count), (1, CountKind::Exact));
    let log = scene.kubectl(&format!("logs {} --container=postgres", server.pod()));
    assert!(log.contains("code ran as tenant"), "{log}");
    assert!(!log.contains(&format!("code ran as {role}")), "{log}");
}
