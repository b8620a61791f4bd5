//! The check itself is hindered: its pod is evicted, killed for its memory, or gets stuck. That is
//! bounded, said, and never taken for a reset.

use holdfast::api::{CheckOutcome, CheckTrigger, DatabaseCheck, DatabaseCheckSpec, names, reasons};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{EvictParams, ListParams, PostParams};

use crate::bad_input::calm::assert_never_reset;
use crate::support::{
    NAME, Scene, Server, Start, assert_tells, beside_others, cut_network, mend_network, outcome,
    signal_container,
};

#[test]
fn a_check_whose_pod_is_evicted_says_so_and_is_tried_again() {
    beside_others("evicted", async |scene| {
        let hindered = Hindered::begin(scene).await;
        scene
            .api::<Pod>()
            .evict(&hindered.pod.name_any(), &EvictParams::default())
            .await
            .expect("an eviction");
        hindered
            .assert_said(scene, &["was stopped", "It is tried again"])
            .await;
    });
}

#[test]
fn a_check_that_is_killed_for_its_memory_says_so_and_is_tried_again() {
    beside_others("out-of-memory", async |scene| {
        let hindered = Hindered::begin(scene).await;
        // What the kernel does then: a signal from outside, without a word.
        signal_container(&hindered.container, "-KILL");
        hindered
            .assert_said(
                scene,
                &["ended without a report", "describe job", "logs job/"],
            )
            .await;
    });
}

#[test]
fn a_check_that_is_stuck_is_ended_and_says_so() {
    beside_others("stuck", async |scene| {
        let hindered = Hindered::begin(scene).await;
        signal_container(&hindered.container, "-STOP");
        hindered
            .assert_said(scene, &["ended without a report", "DeadlineExceeded"])
            .await;
    });
}

/// A check that a person asked for, whose agent waits for a server that does not answer.
struct Hindered {
    start: Start,
    check: String,
    pod: Pod,
    container: String,
}

impl Hindered {
    async fn begin(scene: &Scene) -> Self {
        let server = Server::new(scene);
        let start = scene.protect_plainly_within(&server, "20s").await;
        cut_network(&start);
        let spec = DatabaseCheckSpec {
            database: NAME.to_owned(),
            trigger: CheckTrigger::Manual,
            target: None,
        };
        let check = DatabaseCheck::new("hindered", spec);
        scene
            .api::<DatabaseCheck>()
            .create(&PostParams::default(), &check)
            .await
            .expect("a check");
        let pods = scene.api::<Pod>();
        let of_check = ListParams::default().labels(&format!(
            "{}=check,batch.kubernetes.io/job-name=hindered",
            names::TASK_LABEL
        ));
        let (pod, container) = scene
            .wait("the check's agent to run", async || {
                let pods = pods
                    .list(&of_check)
                    .await
                    .map_err(|error| error.to_string())?;
                let pod = pods.items.into_iter().next().ok_or("no pod")?;
                let agent = pod
                    .status
                    .iter()
                    .flat_map(|status| status.container_statuses.iter().flatten())
                    .find(|one| one.name == "agent");
                let running = agent.filter(|agent| {
                    agent
                        .state
                        .as_ref()
                        .is_some_and(|state| state.running.is_some())
                });
                let id = running
                    .and_then(|agent| agent.container_id.clone())
                    .ok_or_else(|| format!("{:?}", pod.status))?;
                Ok((pod, id))
            })
            .await;
        Self {
            start,
            check: "hindered".to_owned(),
            pod,
            container,
        }
    }

    /// Waits for the verdict, mends the network, and asserts that the next check is as if nothing
    /// had been.
    async fn assert_said(&self, scene: &Scene, tells: &[&str]) {
        let check = scene.wait_judged_check(&self.check).await;
        let verdict = check
            .status
            .and_then(|status| status.verdict)
            .expect("a verdict");
        assert_eq!(
            (verdict.outcome, verdict.reason.as_str()),
            (CheckOutcome::Unverifiable, reasons::JOB_FAILED),
            "{}",
            verdict.message
        );
        assert_tells(&verdict.message, tells);
        mend_network(&self.start);
        // Nobody asks: a start that could not be verified is looked at again.
        scene
            .wait(
                "another check of the start to verify the data",
                async || {
                    let checks = scene.checks().await;
                    let after = checks
                        .iter()
                        .rev()
                        .take_while(|check| check.name_any() != self.check);
                    let newest = after
                        .max_by_key(|check| check.creation_timestamp().map(|time| time.0))
                        .ok_or("none since")?;
                    if outcome(newest) == Some(CheckOutcome::Verified) {
                        Ok(())
                    } else {
                        Err(format!("{:?}", newest.status))
                    }
                },
            )
            .await;
        scene.wait_verified().await;
        assert_never_reset(scene).await;
    }
}
