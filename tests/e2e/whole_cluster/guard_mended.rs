//! Somebody takes a policy of the guard away, or edits it, while the operator runs: it is back at once, and it is said who did it.

use holdfast::api::{ConditionStatus, ConditionType, reasons};
use holdfast::guard::GUARD_POLICIES;

use crate::deletion_refused::assert_everything_is_refused;
use crate::support::{OPERATOR_NAMESPACE, Scene, Server, alone, assert_tells};

#[test]
fn a_policy_that_is_deleted_or_edited_is_back_and_the_one_who_did_it_is_named() {
    alone("guard-mended", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        let mended = count_mended(scene);

        scene.kubectl("delete validatingadmissionpolicybinding holdfast-deletion-guard");
        scene
            .wait_event("Warning", reasons::POLICY_MISSING, "Guarded is False: ValidatingAdmissionPolicyBinding holdfast-deletion-guard")
            .await;
        scene.wait_condition(ConditionType::Guarded, ConditionStatus::True, reasons::GUARDED).await;
        assert_everything_is_refused(scene, &server).await;

        scene.kubectl(
            "patch validatingadmissionpolicy holdfast-deletion-guard --field-manager=clean-up-script --type=merge -p {\"spec\":{\"failurePolicy\":\"Ignore\"}}",
        );
        wait_told(scene, "field manager clean-up-script").await;
        scene.wait_condition(ConditionType::Guarded, ConditionStatus::True, reasons::GUARDED).await;

        for policy in GUARD_POLICIES {
            scene.kubectl(&format!("delete validatingadmissionpolicy {policy}"));
        }
        for policy in GUARD_POLICIES {
            scene.wait_kubectl(&format!("get validatingadmissionpolicy {policy}")).await;
            wait_told(scene, &format!("ValidatingAdmissionPolicy {policy} does not exist. It was put back")).await;
        }
        scene.wait_condition(ConditionType::Guarded, ConditionStatus::True, reasons::GUARDED).await;
        assert_everything_is_refused(scene, &server).await;
        assert!(count_mended(scene) > mended + 2, "the metric counts what was put back");
        scene.settle().await;
        scene.wait_green().await;
    });
}

/// Waits for an event about one of the policies, which are in no namespace.
async fn wait_told(scene: &Scene, note: &str) {
    let words = ["-n", "default", "get", "events", "--field-selector", "reason=PolicyMissing", "-o", "jsonpath={.items[*].message}"];
    scene
        .wait(&format!("an event that says {note}"), async || {
            let told = scene.testbed.kubectl(&words).map_err(|error| format!("{error:#}"))?;
            if told.contains(note) { Ok(()) } else { Err(told) }
        })
        .await;
}

/// The operator's own count, as Prometheus reads it.
fn count_mended(scene: &Scene) -> u64 {
    let pod = scene
        .testbed
        .kubectl(&["-n", OPERATOR_NAMESPACE, "get", "pods", "-o", "jsonpath={.items[0].metadata.name}"])
        .expect("the operator");
    let path = format!("/api/v1/namespaces/{OPERATOR_NAMESPACE}/pods/{pod}:8080/proxy/metrics");
    let metrics = scene.testbed.kubectl(&["get", "--raw", &path]).expect("the operator's metrics");
    assert_tells(&metrics, &["holdfast_guard_policies_mended_total"]);
    let line = metrics.lines().find_map(|line| line.strip_prefix("holdfast_guard_policies_mended_total ")).expect("a count");
    line.trim().parse().expect("a number")
}
