//! Somebody has taken the admission policies away while no operator ran: finalizers and Retain hold
//! alone, and the operator puts them back.

use std::path::Path;

use holdfast::api::{ConditionStatus, ConditionType, names, reasons};
use holdfast::guard::GUARD_POLICIES;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;

use super::operator_down::OperatorDown;
use crate::change_refused::attempts;
use crate::deletion_refused::assert_everything_is_refused;
use crate::operator_fenced;
use crate::support::{
    ALL_ROWS, Scene, Server, alone, assert_tells, reclaim_policy, reinstall, volume_handle,
    volume_of,
};

#[test]
fn a_claim_that_is_deleted_then_is_held_and_loses_nothing() {
    alone("guard-removed", async |scene| {
        let server = Server::new(scene);
        let start = scene.protect_filled(&server).await;
        let down = OperatorDown::begin(scene).await;
        let removed = BindingsRemoved::begin(scene, &server).await;
        scene.kubectl("delete pvc knowledge-data --wait=false");
        down.end().await;

        let said = scene
            .wait_condition(
                ConditionType::Guarded,
                ConditionStatus::False,
                reasons::CLAIM_TERMINATING,
            )
            .await;
        assert_tells(
            &said.message,
            &[
                "knowledge-data was deleted without confirmation",
                "do not stop it before you have a backup",
                "create job --from=cronjob/knowledge-backup",
            ],
        );
        scene
            .wait_condition(
                ConditionType::Ready,
                ConditionStatus::False,
                reasons::NOT_READY,
            )
            .await;
        removed.wait_mended().await;

        scene.settle().await;
        scene
            .assert_condition(
                ConditionType::Guarded,
                ConditionStatus::False,
                reasons::CLAIM_TERMINATING,
            )
            .await;
        let claim = scene.get::<PersistentVolumeClaim>("knowledge-data").await;
        assert!(claim.metadata.deletion_timestamp.is_some());
        assert!(
            claim
                .finalizers()
                .iter()
                .any(|finalizer| finalizer == names::KEEP_FINALIZER),
            "{:?}",
            claim.finalizers()
        );
        // The last finalizer off a terminating claim would delete it: nobody may do that
        // unconfirmed, the operator included.
        for user in ["", " --as=system:serviceaccount:holdfast-system:holdfast"] {
            let refused = scene.refused(&format!(
                "patch pvc knowledge-data --type=merge -p \
                    {{\"metadata\":{{\"finalizers\":[\"kubernetes.io/pvc-protection\"]}}}}{user}"
            ));
            assert_tells(
                &refused,
                &["refuses to remove the finalizer holdfast.dev/keep from"],
            );
        }
        let volume = volume_of(scene, "knowledge-data").await;
        assert_eq!(reclaim_policy(&volume), "Retain");
        assert!(
            Path::new(&volume_handle(&volume))
                .join("pgdata/PG_VERSION")
                .is_file()
        );
        assert_eq!(
            server.wait_ready(scene, None).await,
            start,
            "the pod runs on"
        );
        assert_eq!(server.count(scene), ALL_ROWS);
    });
}

/// Shows that the tests of refusals can fail: without the policies everything that they refuse is
/// accepted.
#[test]
fn nothing_is_refused_without_the_policies() {
    alone("guard-mutant", async |scene| {
        let server = Server::new(scene);
        scene.protect_filled(&server).await;
        let down = OperatorDown::begin(scene).await;
        let removed = BindingsRemoved::begin(scene, &server).await;
        for target in [
            "pvc knowledge-data",
            "protdb knowledge",
            &format!("statefulset {}", server.name),
            &format!("namespace {}", scene.namespace()),
        ] {
            scene.kubectl(&format!("delete {target} --wait=false --dry-run=server"));
        }
        for attempt in attempts(scene, &server).await {
            scene.kubectl(&format!("{} --dry-run=server", attempt.words));
        }
        operator_fenced::assert_answers(scene, &server, false).await;
        down.end().await;
        removed.wait_mended().await;
        assert_everything_is_refused(scene, &server).await;
        for attempt in attempts(scene, &server).await {
            assert_tells(
                &scene.refused(&format!("{} --dry-run=server", attempt.words)),
                &attempt.tells,
            );
        }
        scene.settle().await;
        scene.wait_green().await;
    });
}

/// Takes the mount of the data out of the pod template.
pub const UNMOUNT: &str =
    r#"[{"op":"remove","path":"/spec/template/spec/containers/0/volumeMounts/0"}]"#;

/// The bindings of the guard taken away while no operator runs; put back at the latest when this is
/// dropped.
pub struct BindingsRemoved<'a> {
    scene: &'a Scene,
    mended: bool,
}

impl<'a> BindingsRemoved<'a> {
    /// Takes the bindings away and waits until the API server does without them.
    pub async fn begin(scene: &'a Scene, server: &Server) -> Self {
        let removed = Self {
            scene,
            mended: false,
        };
        for policy in GUARD_POLICIES {
            scene.kubectl(&format!("delete validatingadmissionpolicybinding {policy}"));
        }
        let (claim, set) = (server.claim(), &server.name);
        scene
            .wait_kubectl(&format!("delete pvc {claim} --wait=false --dry-run=server"))
            .await;
        scene
            .wait_kubectl(&format!(
                "label pvc {claim} holdfast.dev/protected- --dry-run=server"
            ))
            .await;
        scene
            .wait_kubectl("delete crd databaserestores.holdfast.dev --wait=false --dry-run=server")
            .await;
        scene
            .wait_kubectl(&format!(
                "patch statefulset {set} --type=json -p {UNMOUNT} --dry-run=server"
            ))
            .await;
        removed
    }

    /// Waits until the operator has put them back and the API server refuses again.
    pub async fn wait_mended(mut self) {
        let scene = self.scene;
        scene
            .wait("deletions to be refused again", async || {
                match scene.try_kubectl("delete protdb knowledge --wait=false --dry-run=server") {
                    Ok(printed) => Err(printed),
                    Err(complaint) if complaint.contains("Holdfast refuses to delete") => Ok(()),
                    Err(other) => Err(other),
                }
            })
            .await;
        for policy in GUARD_POLICIES {
            scene.kubectl(&format!("get validatingadmissionpolicybinding {policy}"));
        }
        self.mended = true;
    }
}

impl Drop for BindingsRemoved<'_> {
    fn drop(&mut self) {
        if !self.mended {
            reinstall(self.scene.testbed);
        }
    }
}
