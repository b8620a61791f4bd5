//! A workload that is not there, is there twice, or belongs to another ProtectedDatabase already.

use holdfast::api::{
    ConditionStatus, ConditionType, DatabaseCheck, ProtectedDatabase, WorkloadKind, find_condition,
    names, reasons,
};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;
use kube::api::PostParams;
use serde_json::{Value, json};

use super::calm::Calm;
use crate::support::{
    NAME, Scene, Server, assert_tells, beside_others, build_plain_database, confirm_deletion,
};

const FALSE: ConditionStatus = ConditionStatus::False;
const TRUE: ConditionStatus = ConditionStatus::True;

#[test]
fn a_workload_that_is_missing_ambiguous_or_has_no_such_container_is_named_and_recovers_by_itself() {
    beside_others("bad-workload", async |scene| {
        let calm = Calm::before(scene).await;
        let server = Server::new(scene);
        let mut database = build_plain_database(scene, &server);
        database.spec.workload.kind = None;
        scene.protect(&database).await;
        let said = scene
            .wait_condition(ConditionType::Stalled, TRUE, reasons::WORKLOAD_NOT_FOUND)
            .await;
        assert_tells(
            &said.message,
            &[
                "spec.workload.name",
                "knowledge-postgres",
                "Create it, or correct the name",
                "get statefulsets,deployments",
            ],
        );
        scene
            .assert_condition(
                ConditionType::DataVerified,
                ConditionStatus::Unknown,
                reasons::WORKLOAD_NOT_FOUND,
            )
            .await;
        scene
            .assert_condition(ConditionType::Guarded, FALSE, reasons::WORKLOAD_NOT_FOUND)
            .await;
        calm.assert_kept(scene).await;

        // Created later, nothing else done.
        let start = server.start_filled(scene).await;
        scene.wait_verified().await;
        scene.wait_guarded().await;

        scene.apply(&[build_deployment(scene, &server.name)]);
        let said = scene
            .wait_condition(ConditionType::Stalled, TRUE, reasons::WORKLOAD_AMBIGUOUS)
            .await;
        assert_tells(
            &said.message,
            &[
                "spec.workload.kind",
                "both a StatefulSet and a Deployment knowledge-postgres",
                "set spec.workload.kind",
            ],
        );
        scene.change(json!({"spec": {"workload": {"kind": WorkloadKind::StatefulSet, "container": "wrong"}}})).await;
        let said = scene
            .wait_condition(ConditionType::Stalled, TRUE, reasons::CONTAINER_NOT_FOUND)
            .await;
        assert_tells(
            &said.message,
            &[
                "spec.workload.container",
                "no container wrong",
                "it has postgres",
                "Name the one",
            ],
        );
        scene
            .assert_condition(
                ConditionType::DataVerified,
                ConditionStatus::Unknown,
                reasons::CONTAINER_NOT_FOUND,
            )
            .await;
        calm.assert_kept(scene).await;

        scene
            .change(json!({"spec": {"workload": {"container": null}}}))
            .await;
        scene.wait_green().await;
        // The first one may have come before the role of the checks was there.
        let answered = |checks: Vec<DatabaseCheck>| {
            checks
                .iter()
                .filter(|check| check.evidence().is_some())
                .count()
        };
        assert_eq!(
            answered(scene.checks_of(&start).await),
            1,
            "one start, one check, whatever was wrong in between"
        );
        assert_eq!(
            answered(scene.checks_but_of_backups().await),
            2,
            "and one more for the spec that was corrected"
        );
        calm.assert_kept(scene).await;
    });
}

#[test]
fn a_claim_in_use_by_two_databases_stays_with_the_first() {
    beside_others("bad-shared", async |scene| {
        let calm = Calm::before(scene).await;
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        let marked: PersistentVolumeClaim = scene.get(&server.claim()).await;

        let mut rival = build_plain_database(scene, &server);
        rival.metadata.name = Some("rival".to_owned());
        create(scene, &rival).await;
        let said = wait_stalled(scene, "rival", reasons::WORKLOAD_AMBIGUOUS).await;
        assert_tells(
            &said,
            &[
                "spec.workload",
                &format!("{}/{NAME}", scene.namespace()),
                "a workload can belong to only one",
            ],
        );

        scene.apply(&[build_deployment(scene, "elsewhere")]);
        let mut sharing = build_plain_database(scene, &server);
        sharing.metadata.name = Some("sharing".to_owned());
        sharing.spec.workload.kind = Some(WorkloadKind::Deployment);
        "elsewhere".clone_into(&mut sharing.spec.workload.name);
        sharing.spec.extra_claims = vec![server.claim()];
        create(scene, &sharing).await;
        let said = wait_stalled(scene, "sharing", reasons::CLAIM_SHARED).await;
        assert_tells(
            &said,
            &[
                &server.claim(),
                &format!("{}/{NAME}", scene.namespace()),
                "spec.extraClaims",
                "a claim can belong to only one",
            ],
        );
        calm.assert_kept(scene).await;

        // They are released on purpose, and take nothing of the first along.
        for name in ["rival", "sharing"] {
            confirm_deletion(scene, "protdb", name);
            scene.kubectl(&format!("delete protdb {name} --timeout=60s"));
        }
        let now: PersistentVolumeClaim = scene.get(&server.claim()).await;
        assert_eq!(
            now.metadata.annotations, marked.metadata.annotations,
            "the marks of the first are left as they are"
        );
        assert_eq!(now.metadata.labels, marked.metadata.labels);
        assert_eq!(now.metadata.finalizers, marked.metadata.finalizers);
        assert_eq!(
            now.annotations()[names::PROTECTED_BY_ANNOTATION],
            format!("{}/{NAME}", scene.namespace())
        );
        scene
            .assert_condition(ConditionType::Guarded, TRUE, reasons::GUARDED)
            .await;
        scene
            .assert_condition(ConditionType::DataVerified, TRUE, reasons::VERIFIED)
            .await;
        assert_eq!(
            scene.checks_but_of_backups().await.len(),
            1,
            "the others check nothing"
        );
    });
}

async fn create(scene: &Scene, database: &ProtectedDatabase) {
    scene
        .api()
        .create(&PostParams::default(), database)
        .await
        .expect("the ProtectedDatabase to be accepted");
}

async fn wait_stalled(scene: &Scene, name: &str, reason: &str) -> String {
    scene
        .wait(&format!("{name} to be stalled ({reason})"), async || {
            let database: ProtectedDatabase = scene.get(name).await;
            let conditions = database.status.unwrap_or_default().conditions;
            let guarded =
                find_condition(&conditions, ConditionType::Guarded).ok_or("no condition yet")?;
            let stalled =
                find_condition(&conditions, ConditionType::Stalled).ok_or("no condition yet")?;
            let is_so =
                stalled.status == "True" && stalled.reason == reason && guarded.status == "False";
            if is_so {
                Ok(stalled.message.clone())
            } else {
                Err(format!("{stalled:?} {guarded:?}"))
            }
        })
        .await
}

/// A Deployment without pods and claims.
fn build_deployment(scene: &Scene, name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": scene.namespace()},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": format!("{name}-deployment")}},
            "template": {"metadata": {"labels": {"app": format!("{name}-deployment")}},
                "spec": {"containers": [{"name": "postgres", "image": testbed::POSTGRES_15_IMAGE}]}}}})
}
