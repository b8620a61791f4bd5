//! An installation without the role for repairs: the operator's token changes no admission policy and no
//! CRD, and the operator says that it restores none.

use holdfast::api::{ConditionStatus, ConditionType, reasons};

use super::role_removed::RoleRemoved;
use crate::support::{OPERATOR_USER, Server, alone, assert_tells};

#[test]
fn a_policy_is_watched_and_not_restored_without_the_role() {
    alone("repair-role", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        scene.settle().await;
        let may_change = |resource: &str| {
            let words = format!("auth can-i update {resource} --as={OPERATOR_USER}");
            scene.try_kubectl(&words)
        };
        let guards = [
            "validatingadmissionpolicies.admissionregistration.k8s.io/holdfast-operator-fence",
            "customresourcedefinitions.apiextensions.k8s.io/databaserestores.holdfast.dev",
        ];
        for resource in guards {
            assert!(may_change(resource).is_ok(), "{resource}");
        }
        let role = RoleRemoved::begin(scene, "holdfast-repair");
        for resource in guards {
            scene
                .wait("the permission to be gone", async || {
                    match may_change(resource) {
                        Ok(printed) => Err(printed),
                        Err(_) => Ok(()),
                    }
                })
                .await;
        }
        scene.kubectl("delete validatingadmissionpolicybinding holdfast-template-guard");
        let said = [
            "admission policies are watched and not restored",
            "kubectl apply --server-side -f install.yaml",
        ];
        scene
            .wait_told(
                ConditionType::Guarded,
                ConditionStatus::False,
                reasons::POLICY_MISSING,
                &said,
            )
            .await;
        assert_tells(
            &scene.refused("get validatingadmissionpolicybinding holdfast-template-guard"),
            &["not found"],
        );
        drop(role);
        scene.wait_guarded().await;
        scene.wait_green().await;
    });
}
