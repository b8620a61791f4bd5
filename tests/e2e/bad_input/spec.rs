//! What the API server's schema can't judge and the operator must: dates that never come, time
//! zones, ranges, claims that are not there.

use holdfast::api::{ConditionStatus, ConditionType, reasons};
use k8s_openapi::api::batch::v1::CronJob;
use serde_json::{Value, json};

use super::calm::Calm;
use crate::support::{Scene, Server, assert_tells, beside_others, build_claim, build_database};

/// The mistake, the field that the message names, and what else it says.
fn mistakes() -> Vec<(Value, &'static str, &'static str)> {
    let backup = |field: &str, value: &str| json!({"backup": {field: value}});
    let verification = |field: &str, value: &str| json!({"verification": {field: value}});
    vec![
        (
            backup("schedule", "0 0 31 2 *"),
            "spec.backup.schedule",
            "never fires",
        ),
        (
            backup("schedule", "0 25 * * *"),
            "spec.backup.schedule",
            "is not a cron line",
        ),
        (
            backup("timeZone", "Mars/Base"),
            "spec.backup.timeZone",
            "is not in the IANA database",
        ),
        (
            backup("timeZone", "europe/berlin"),
            "spec.backup.timeZone",
            "is not in the IANA database",
        ),
        (
            backup("deadline", "8d"),
            "spec.backup.deadline",
            "out of range; give between 1s and 7d",
        ),
        (
            backup("deadline", "0s"),
            "spec.backup.deadline",
            "out of range; give between 1s and 7d",
        ),
        (
            verification("schedule", "0 0 31 2 *"),
            "spec.verification.schedule",
            "never fires",
        ),
        (
            verification("schedule", "* * * * 9"),
            "spec.verification.schedule",
            "is not a cron line",
        ),
    ]
}

#[test]
fn a_spec_that_can_never_work_stalls_with_the_field_and_starts_nothing() {
    beside_others("bad-spec", async |scene| {
        let calm = Calm::before(scene).await;
        let server = Server::new(scene);
        let mut manifests = server.build_manifests();
        manifests
            .iter_mut()
            .filter(|one| one["kind"] == "StatefulSet")
            .for_each(|set| set["spec"]["replicas"] = json!(0));
        scene.apply(&manifests);
        let right = build_database(scene, &server);
        let mut wrong = right.clone();
        wrong
            .spec
            .backup
            .iter_mut()
            .for_each(|backup| "0 0 30 2 *".clone_into(&mut backup.schedule));
        scene.protect(&wrong).await;
        assert_says(
            scene,
            ConditionType::BackupFresh,
            "spec.backup.schedule",
            "never fires",
        )
        .await;
        assert!(
            scene.list::<CronJob>().await.is_empty(),
            "no CronJob is made of a line that never fires"
        );

        let right = json!({"spec": right.spec});
        for (patch, field, says) in mistakes() {
            scene.change(right.clone()).await;
            scene
                .change(json!({"spec": {"verification": {"schedule": null}}}))
                .await;
            scene
                .wait_condition(
                    ConditionType::Stalled,
                    ConditionStatus::False,
                    reasons::SETTLED,
                )
                .await;
            scene.change(json!({"spec": patch})).await;
            // A schedule that can't be used holds nothing but itself.
            let condition = if field.starts_with("spec.backup") {
                ConditionType::BackupFresh
            } else {
                ConditionType::Stalled
            };
            assert_says(scene, condition, field, says).await;
        }
        calm.assert_kept(scene).await;
        assert!(
            scene.agent_jobs("check").await.is_empty()
                && scene.agent_jobs("backup").await.is_empty()
        );

        scene.change(right).await;
        scene
            .change(
                json!({"spec": {"verification": {"schedule": null}, "extraClaims": ["uploads"]}}),
            )
            .await;
        let said = scene
            .wait_condition(
                ConditionType::Guarded,
                ConditionStatus::False,
                reasons::CLAIM_NOT_FOUND,
            )
            .await;
        assert_tells(
            &said.message,
            &[
                "spec.extraClaims",
                "uploads",
                "does not exist",
                "kubectl holdfast recover",
                "create it, or name one that exists",
                "get pvc",
            ],
        );
        calm.assert_kept(scene).await;
        scene.apply(&[build_claim(scene.namespace(), "uploads")]);
        scene
            .wait_condition(
                ConditionType::Guarded,
                ConditionStatus::False,
                reasons::CLAIM_NOT_BOUND,
            )
            .await;
        let claim: k8s_openapi::api::core::v1::PersistentVolumeClaim = scene.get("uploads").await;
        assert!(
            claim
                .metadata
                .finalizers
                .iter()
                .flatten()
                .any(|one| one == holdfast::api::names::KEEP_FINALIZER),
            "it is guarded as it comes"
        );
    });
}

async fn assert_says(scene: &Scene, condition: ConditionType, field: &str, says: &str) {
    scene
        .wait(
            &format!("{} and Stalled to tell of {field}", condition.as_str()),
            async || {
                let status = scene.status().await;
                let find = |condition| {
                    holdfast::api::find_condition(&status.conditions, condition)
                        .ok_or("no condition yet")
                };
                let (said, stalled) = (find(condition)?, find(ConditionType::Stalled)?);
                let tells = |message: &str| message.starts_with(field) && message.contains(says);
                let is_so = (condition == ConditionType::Stalled || said.status != "True")
                    && said.reason == reasons::INVALID_SPEC
                    && tells(&said.message);
                let stalls = stalled.status == "True"
                    && stalled.reason == reasons::INVALID_SPEC
                    && tells(&stalled.message);
                if is_so && stalls {
                    Ok(())
                } else {
                    Err(format!("{said:?} {stalled:?}"))
                }
            },
        )
        .await;
}
