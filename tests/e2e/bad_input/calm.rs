//! What no bad input may do: crash the operator, keep it busy, raise a reset, or show a secret.

use std::collections::BTreeMap;

use holdfast::api::{CheckOutcome, ConditionStatus, ConditionType, find_condition};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt};
use serde_json::Value;

use crate::support::{OPERATOR_NAMESPACE, Scene, outcome};

/// How often the operator may do or say the same before that is a loop: one at the pace of its passes
/// does so several times a second, and a test makes up to 16 changes that are noted in the ledger. That
/// no plan is without rest is shown in memory (`scenarios/properties.rs`).
const MOST_REPEATS: usize = 30;

/// The operator as it was before the mistake.
pub struct Calm {
    restarts: Vec<(String, i32)>,
    since: Timestamp,
}

impl Calm {
    /// Remembers the operator's pods.
    pub async fn before(scene: &Scene) -> Self {
        Self {
            restarts: restarts(scene).await,
            since: Timestamp::now(),
        }
    }

    /// Asserts that the operator lives on, does nothing over and over, and has never seen a reset.
    pub async fn assert_kept(&self, scene: &Scene) {
        self.assert_no_loop(scene);
        assert_eq!(
            restarts(scene).await,
            self.restarts,
            "the operator must not crash"
        );
        assert_never_reset(scene).await;
    }

    /// Asserts that the operator has not done the same over and over.
    fn assert_no_loop(&self, scene: &Scene) {
        let log = operator_log(scene, &format!("--since-time={}", self.since));
        let mut repeats = BTreeMap::new();
        for line in log.lines() {
            let line: Value = serde_json::from_str(line).unwrap_or_default();
            if line["namespace"] == scene.namespace() {
                let said = format!("{}: {}", line["message"], line["step"]);
                *repeats.entry(said).or_insert(0_usize) += 1;
            }
        }
        assert!(!repeats.is_empty(), "the operator has done something");
        repeats.retain(|_, count| *count > MOST_REPEATS);
        assert!(repeats.is_empty(), "over and over: {repeats:#?}");
    }
}

async fn restarts(scene: &Scene) -> Vec<(String, i32)> {
    let pods: Api<Pod> = Api::namespaced(scene.client.clone(), OPERATOR_NAMESPACE);
    let pods = pods
        .list(&kube::api::ListParams::default())
        .await
        .expect("the operator's pods");
    let count = |pod: &Pod| {
        pod.status
            .iter()
            .flat_map(|status| status.container_statuses.iter().flatten())
            .map(|one| one.restart_count)
            .sum()
    };
    pods.iter()
        .map(|pod| (pod.name_any(), count(pod)))
        .collect()
}

/// The operator's log, all of it or a part.
fn operator_log(scene: &Scene, part: &str) -> String {
    scene
        .testbed
        .kubectl(&[
            "-n",
            OPERATOR_NAMESPACE,
            "logs",
            "deployment/holdfast",
            part,
        ])
        .expect("the operator's log")
}

/// Waits until a condition has a reason and tells a person all of this; between two mistakes it may
/// say something else for a moment.
pub async fn wait_said(scene: &Scene, condition: ConditionType, reason: &str, tells: &[&str]) {
    scene
        .wait(
            &format!("{} to say {reason} and {tells:?}", condition.as_str()),
            async || {
                let status = scene.status().await;
                let said =
                    find_condition(&status.conditions, condition).ok_or("no such condition")?;
                let is_so =
                    said.reason == reason && tells.iter().all(|part| said.message.contains(part));
                if is_so {
                    Ok(())
                } else {
                    Err(format!(
                        "{} ({}): {}",
                        said.status, said.reason, said.message
                    ))
                }
            },
        )
        .await;
}

/// Asserts that nothing was ever taken for a reset: no condition, no check, no event.
pub async fn assert_never_reset(scene: &Scene) {
    for database in scene.list::<holdfast::api::ProtectedDatabase>().await {
        let status = database.status.unwrap_or_default();
        let reset = find_condition(&status.conditions, ConditionType::DataReset)
            .expect("a condition DataReset");
        assert_ne!(
            reset.status,
            ConditionStatus::True.as_str(),
            "{}",
            reset.message
        );
    }
    for check in scene.checks().await {
        assert_ne!(
            outcome(&check),
            Some(CheckOutcome::Suspected),
            "{:?}",
            check.status
        );
    }
    let events = scene.kubectl("get events -o jsonpath={.items[*].message}");
    assert!(!events.contains("DataReset is True"), "{events}");
}

/// Asserts that none of these values is anywhere but in Secrets: not in objects, not in the logs of
/// agents or of the operator.
pub async fn assert_no_secret_shown(scene: &Scene, secrets: &[&str]) {
    let kinds = "protdb,dbcheck,dbbackup,cronjobs,jobs,pods,events,configmaps,serviceaccounts,rolebindings,statefulsets,pvc";
    let mut places = vec![(
        kinds.to_owned(),
        scene.kubectl(&format!("get {kinds} -o yaml")),
    )];
    for pod in scene.list::<Pod>().await {
        let name = pod.name_any();
        // A pod that never started has no log.
        let log = scene
            .try_kubectl(&format!("logs {name} --all-containers"))
            .unwrap_or_default();
        places.push((format!("the log of {name}"), log));
    }
    let log = operator_log(scene, "--tail=-1");
    places.push(("the operator's log".to_owned(), log));
    let logs = places
        .iter()
        .filter(|(place, text)| place.starts_with("the log of") && !text.is_empty())
        .count();
    assert!(logs >= 2, "there must be logs to look at");
    for (place, text) in &places {
        for secret in secrets {
            assert!(
                !text.contains(secret),
                "{place} shows a secret that begins with {:?}",
                &secret[..4]
            );
            let encoded = k8s_openapi::ByteString(secret.as_bytes().to_vec());
            let encoded = serde_json::to_string(&encoded).expect("base64");
            assert!(
                !text.contains(encoded.trim_matches('"')),
                "{place} shows a secret in base64"
            );
        }
    }
}
