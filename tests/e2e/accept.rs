//! `kubectl holdfast accept`: a person says that a change is meant, after it was seen or before it
//! is made.

use holdfast::api::{CheckOutcome, DeclaredChange, names, reasons};
use k8s_openapi::jiff::{Timestamp, ToSpan};
use kube::ResourceExt;

use crate::data_lost::ask_for_a_check;
use crate::support::{
    NAME, Scene, Server, assert_ran, beside_others, holdfast, holdfast_answered, outcome,
};

#[test]
fn what_a_check_has_found_is_accepted_by_a_person_who_has_read_it() {
    beside_others("accept-check", async |scene| {
        let server = Server::new(scene);
        let start = scene.protect_plainly(&server).await;
        let good = scene.wait_judged(&start).await.name_any();
        server.sql(scene, "TRUNCATE knowledge_nodes");
        let suspected = ask_for_a_check(scene).await.name_any();
        scene.wait_reset(reasons::TABLES_EMPTIED).await;
        let namespace = scene.namespace();
        let accept = format!("accept {NAME} {suspected} -n {namespace}");

        let script = format!("kubectl holdfast accept {NAME} {suspected} --yes -n {namespace}");
        assert_ran(
            &holdfast(scene, &accept),
            4,
            &[
                "not a terminal",
                &script,
                "public.knowledge_nodes: 26,337 -> 0 rows",
            ],
        );
        let wrong = holdfast_answered(scene, &accept, "knowledge_os");
        assert_ran(
            &wrong,
            4,
            &[
                "type its name",
                "public.experts in knowledge_os: 85",
                "nothing was changed",
            ],
        );
        assert_ran(
            &holdfast(scene, &format!("accept {NAME} {good} --yes -n {namespace}")),
            3,
            &["Verified already", "Nothing was changed"],
        );
        assert_ran(
            &holdfast(
                scene,
                &format!("accept {NAME} no-such --yes -n {namespace}"),
            ),
            1,
            &["does not exist", "databasechecks"],
        );
        let late = holdfast(scene, &format!("accept {NAME} --next --yes -n {namespace}"));
        assert_ran(
            &late,
            3,
            &[
                "Nothing was declared",
                "looks reset already (TablesEmptied)",
                &suspected,
            ],
        );
        assert!(
            !scene
                .database()
                .await
                .annotations()
                .contains_key(names::ACCEPT_CHECK_ANNOTATION)
        );
        scene.wait_reset(reasons::TABLES_EMPTIED).await;

        assert_ran(
            &holdfast_answered(scene, &accept, NAME),
            0,
            &["Accepted", "kubectl holdfast status"],
        );
        scene.wait_green().await;
        assert_eq!(
            scene.status().await.baseline.expect("a baseline").check,
            suspected
        );

        let revoke = format!("accept {NAME} --revoke -n {namespace}");
        assert_ran(&holdfast(scene, &revoke), 0, &["removed", &suspected]);
        assert_ran(&holdfast(scene, &revoke), 0, &["nothing was changed"]);
        scene.settle().await;
        scene.wait_green().await;
    });
}

#[test]
fn a_change_is_declared_before_it_is_made_and_the_declaration_taken_back() {
    beside_others("accept-next", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        server.sql(
            scene,
            "CREATE TABLE legacy AS SELECT n AS id FROM generate_series(1, 500) n; CREATE TABLE \
             legacy_owners AS TABLE legacy; CREATE TABLE legacy_groups AS TABLE legacy",
        );
        let good = ask_for_a_check(scene).await;
        assert_eq!(outcome(&good), Some(CheckOutcome::Verified));
        scene.settle().await;
        let declare = format!(
            "accept {NAME} --next --duration 30m -n {}",
            scene.namespace()
        );

        let asked = Timestamp::now();
        assert_ran(
            &holdfast(scene, &declare),
            4,
            &[
                "not a terminal",
                "--next --duration 1800s --yes",
                "keeps the rows",
            ],
        );
        assert_ran(
            &holdfast(scene, &format!("{declare} --yes")),
            0,
            &["Declared, until", "--revoke"],
        );
        let declared = declared(scene).await.expect("a declaration");
        assert_eq!(declared.since, good.name_any());
        let least = asked + 30.minutes() - 1.second();
        assert!(
            (least..=Timestamp::now() + 30.minutes()).contains(&declared.until),
            "{declared}"
        );

        assert_ran(
            &holdfast(
                scene,
                &format!("accept {NAME} --revoke -n {}", scene.namespace()),
            ),
            0,
            &["removed", &declared.to_string()],
        );
        assert_eq!(self::declared(scene).await, None);

        assert_ran(
            &holdfast_answered(scene, &declare, NAME),
            0,
            &["Declared, until"],
        );
        server.sql(scene, "DROP TABLE legacy, legacy_owners, legacy_groups");
        assert_eq!(
            outcome(&ask_for_a_check(scene).await),
            Some(CheckOutcome::Verified),
            "it was declared"
        );
        scene.wait_green().await;
    });
}

async fn declared(scene: &Scene) -> Option<DeclaredChange> {
    let database = scene.database().await;
    let text = database
        .annotations()
        .get(names::ACCEPT_NEXT_CHANGE_ANNOTATION)?;
    Some(
        text.parse()
            .expect("a declaration that the operator can read"),
    )
}
