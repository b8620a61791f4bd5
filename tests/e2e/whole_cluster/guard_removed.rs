//! Somebody has taken the admission policy away: it is said, and finalizers and Retain hold alone.

use std::path::Path;

use holdfast::api::{ConditionStatus, ConditionType, names, reasons};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;

use crate::deletion_refused::assert_everything_is_refused;
use crate::support::{
    EXPERTS, NODES, Scene, Server, alone, assert_tells, build_claim, reclaim_policy, reinstall, volume_handle, volume_of,
};

/// The binding without which nothing is refused.
const BINDING: &str = "validatingadmissionpolicybinding holdfast-deletion-guard";

#[test]
fn a_claim_that_is_deleted_then_is_held_and_loses_nothing() {
    alone("guard-removed", async |scene| {
        let server = Server::new(scene);
        let start = scene.protect_filled(&server).await;
        let removed = BindingRemoved::begin(scene).await;
        let said = scene.wait_condition(ConditionType::Guarded, ConditionStatus::False, reasons::POLICY_MISSING).await;
        assert_tells(&said.message, &["ValidatingAdmissionPolicyBinding holdfast-deletion-guard does not exist", "kubectl apply"]);

        scene.kubectl("delete pvc knowledge-data --wait=false");
        let said = scene.wait_condition(ConditionType::Guarded, ConditionStatus::False, reasons::CLAIM_TERMINATING).await;
        assert_tells(
            &said.message,
            &["knowledge-data was deleted without confirmation", "do not stop it", "create job --from=cronjob/knowledge-backup"],
        );
        scene.wait_condition(ConditionType::Ready, ConditionStatus::False, reasons::NOT_READY).await;
        removed.end().await;

        scene.settle().await;
        scene.assert_condition(ConditionType::Guarded, ConditionStatus::False, reasons::CLAIM_TERMINATING).await;
        let claim = scene.get::<PersistentVolumeClaim>("knowledge-data").await;
        assert!(claim.metadata.deletion_timestamp.is_some());
        assert!(claim.finalizers().iter().any(|finalizer| finalizer == names::KEEP_FINALIZER), "{:?}", claim.finalizers());
        let volume = volume_of(scene, "knowledge-data").await;
        assert_eq!(reclaim_policy(&volume), "Retain");
        assert!(Path::new(&volume_handle(&volume)).join("pgdata/PG_VERSION").is_file());
        assert_eq!(server.wait_ready(scene, None).await, start, "the pod runs on");
        assert_eq!(server.count(scene), (u64::from(EXPERTS), u64::from(NODES)));
    });
}

/// Shows that the tests of refused deletions can fail: without the binding an unmarked and a marked claim are deleted alike.
#[test]
fn nothing_is_refused_without_the_policy() {
    alone("guard-mutant", async |scene| {
        let server = Server::new(scene);
        scene.protect_filled(&server).await;
        let removed = BindingRemoved::begin(scene).await;
        for target in
            ["pvc knowledge-data", "protdb knowledge", &format!("statefulset {}", server.name), &format!("namespace {}", scene.namespace())]
        {
            scene.kubectl(&format!("delete {target} --wait=false --dry-run=server"));
        }
        removed.end().await;
        assert_everything_is_refused(scene, &server).await;
        scene.settle().await;
        scene.wait_green().await;
    });
}

/// The binding of the deletion guard taken away; put back at the latest when this is dropped.
struct BindingRemoved<'a> {
    scene: &'a Scene,
    ended: bool,
}

impl<'a> BindingRemoved<'a> {
    /// Takes the binding away and waits until the API server does without it.
    async fn begin(scene: &'a Scene) -> Self {
        let removed = Self { scene, ended: false };
        scene.kubectl(&format!("delete {BINDING}"));
        scene.wait_kubectl("delete pvc knowledge-data --wait=false --dry-run=server").await;
        removed
    }

    /// Puts it back and waits until the API server refuses again.
    async fn end(mut self) {
        self.put_back();
        self.ended = true;
        let scene = self.scene;
        scene.apply(&[build_claim(scene.namespace(), "bait")]);
        scene.kubectl(&format!("label pvc bait {}=true", names::PROTECTED_LABEL));
        scene
            .wait("deletions to be refused again", async || match scene.try_kubectl("delete pvc bait --wait=false --dry-run=server") {
                Ok(printed) => Err(printed),
                Err(complaint) if complaint.contains("Holdfast refuses to delete") => Ok(()),
                Err(other) => Err(other),
            })
            .await;
    }

    fn put_back(&self) {
        reinstall(self.scene.testbed);
    }
}

impl Drop for BindingRemoved<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.put_back();
        }
    }
}
