//! The operator does not run: deletions are refused all the same, and what it missed is caught up
//! with when it returns.

use holdfast::api::{names, reasons};
use kube::ResourceExt;

use crate::agents_fenced::{intrusions, steal_token};
use crate::change_refused::try_every_change;
use crate::data_lost::ask_for_a_check;
use crate::deletion_refused::assert_definitions_are_refused;
use crate::gitops::prune_folder;
use crate::support::{NAME, OPERATOR_NAMESPACE, Scene, Server, alone, assert_tells, build_claim};
use crate::ways::try_every_way;

#[test]
fn no_way_loses_a_byte_without_the_operator() {
    alone("down-refuse", async |scene| {
        let server = Server::seventeen(scene);
        let start = scene.protect_plainly(&server).await;
        scene.settle().await;
        let down = OperatorDown::begin(scene).await;
        Box::pin(try_every_way(scene, &server, &start)).await;
        prune_folder(scene).await;
        down.end().await;
        scene.settle().await;
        scene.wait_green().await;
    });
}

#[test]
fn nothing_that_guards_can_be_taken_off_without_the_operator() {
    alone("down-change", async |scene| {
        let server = Server::new(scene);
        let start = scene.protect_plainly(&server).await;
        let own = scene.checks().await[0].name_any();
        let other = ask_for_a_check(scene).await.name_any();
        let agent = steal_token(scene, &own).await;
        scene.settle().await;
        let down = OperatorDown::begin(scene).await;
        try_every_change(scene, &server, &start).await;
        assert_definitions_are_refused(scene);
        let ledger = names::ledger(scene.namespace(), NAME);
        assert_tells(
            &scene.refused(&format!("delete dbledger {ledger}")),
            &["Holdfast refuses to delete DatabaseLedger"],
        );
        for intrusion in intrusions(scene, &agent, &own, &other).await {
            assert_tells(
                &intrusion.answer.expect_err(intrusion.fenced),
                &[intrusion.fenced],
            );
        }
        down.end().await;
        scene.settle().await;
        scene.wait_green().await;
    });
}

#[test]
fn a_loss_that_nobody_was_there_to_see_is_told_when_the_operator_returns() {
    alone("down-lost", async |scene| {
        let server = Server::new(scene);
        let start = scene.protect_plainly(&server).await;
        let down = OperatorDown::begin(scene).await;
        scene.apply(&[build_claim(scene.namespace(), "other-data")]);
        let switched = server.mount(scene, "other-data", &start).await;
        server.restart_pod(scene, &switched).await;
        down.end().await;
        let message = scene.wait_reset(reasons::VOLUME_REPLACED).await;
        assert_tells(
            &message,
            &["knowledge-data", "other-data", "refused the login"],
        );
    });
}

/// The operator scaled to 0; scaled up again at the latest when this is dropped.
pub struct OperatorDown<'a> {
    scene: &'a Scene,
    ended: bool,
}

impl<'a> OperatorDown<'a> {
    /// Scales the operator to 0 and waits until its pod is gone.
    pub async fn begin(scene: &'a Scene) -> Self {
        let down = Self {
            scene,
            ended: false,
        };
        down.scale(0);
        let words = ["-n", OPERATOR_NAMESPACE, "get", "pods", "-o", "name"];
        scene
            .wait("the operator's pod to go", async || {
                match scene.testbed.kubectl(&words) {
                    Ok(pods) if pods.trim().is_empty() => Ok(()),
                    Ok(pods) => Err(pods),
                    Err(error) => Err(format!("{error:#}")),
                }
            })
            .await;
        down
    }

    /// Scales it up and waits until it is available.
    pub async fn end(mut self) {
        self.scale(1);
        self.ended = true;
        let words = [
            "-n",
            OPERATOR_NAMESPACE,
            "rollout",
            "status",
            "deployment/holdfast",
            "--timeout=10s",
        ];
        self.scene
            .wait("the operator", async || {
                self.scene
                    .testbed
                    .kubectl(&words)
                    .map_err(|error| format!("{error:#}"))
            })
            .await;
    }

    fn scale(&self, replicas: u8) {
        let replicas = format!("--replicas={replicas}");
        let words = [
            "-n",
            OPERATOR_NAMESPACE,
            "scale",
            "deployment/holdfast",
            &replicas,
        ];
        self.scene
            .testbed
            .kubectl(&words)
            .expect("the operator to be scaled");
    }
}

impl Drop for OperatorDown<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.scale(1);
        }
    }
}
