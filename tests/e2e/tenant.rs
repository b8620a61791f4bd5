//! A tenant with all rights in a namespace of its own, and none elsewhere: what it writes there
//! gives it no hold on the data of others.

use holdfast::api::{ConditionStatus, ConditionType, WorkloadKind, names, reasons};
use k8s_openapi::api::core::v1::PersistentVolume;
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::support::{
    NAME, Scene, Server, beside_others, build_claim, build_plain_database, confirm_change,
    reclaim_policy, volume_of,
};

/// Kubernetes lets anybody write any volume's name into a claim. The volume says whose it is.
/// A DatabaseRestore stops a workload and replaces its claims with the operator's permissions.
#[test]
fn edit_creates_no_restore_and_admin_does() {
    beside_others("tenant-edit", async |scene| {
        for role in ["edit", "admin"] {
            scene.kubectl(&format!(
                "create rolebinding {role} --clusterrole={role} --user={role}er"
            ));
            let ask = format!("auth can-i create databaserestores.holdfast.dev --as={role}er");
            let expected = if role == "admin" { "yes" } else { "no" };
            scene
                .wait("the role to count", async || {
                    let may = match scene.try_kubectl(&ask) {
                        Ok(printed) => printed,
                        Err(complaint) => complaint,
                    };
                    let edits = scene.try_kubectl(&format!(
                        "auth can-i create protecteddatabases.holdfast.dev --as={role}er"
                    ));
                    if edits.is_ok() && may.contains(expected) {
                        Ok(())
                    } else {
                        Err(format!("{may} {edits:?}"))
                    }
                })
                .await;
        }
    });
}

#[test]
fn a_claim_that_only_names_a_volume_gives_no_hold_on_it() {
    beside_others("tenant-victim", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        let guarded = volume_of(scene, &server.claim()).await.name_any();
        let unguarded = format!("{}-unguarded", scene.namespace());
        let _gone = Unguarded::create(scene, &unguarded);
        let before = look(scene, &guarded).await;

        let tenant = scene.another("tenant");
        let claim = |name: &str, volume: &str| {
            let mut claim = build_claim(tenant.namespace(), name);
            claim["spec"]["volumeName"] = json!(volume);
            claim["spec"]["storageClassName"] =
                json!(if volume == guarded { "local-path" } else { "" });
            claim
        };
        tenant.apply(&[
            claim("takes-guarded", &guarded),
            claim("takes-unguarded", &unguarded),
            build_deployment(&tenant),
        ]);
        let mut database = build_plain_database(&tenant, &server);
        database.spec.workload.kind = Some(WorkloadKind::Deployment);
        "elsewhere".clone_into(&mut database.spec.workload.name);
        database.spec.extra_claims = vec!["takes-guarded".to_owned(), "takes-unguarded".to_owned()];
        tenant.protect(&database).await;
        tenant
            .wait_condition(
                ConditionType::Guarded,
                ConditionStatus::False,
                reasons::CLAIM_NOT_BOUND,
            )
            .await;
        tenant.settle().await;
        tenant
            .assert_condition(
                ConditionType::Guarded,
                ConditionStatus::False,
                reasons::CLAIM_NOT_BOUND,
            )
            .await;
        let other = look(scene, &unguarded).await;
        assert_eq!(
            reclaim_policy(&other),
            "Delete",
            "it is not the tenant's to keep"
        );
        assert!(
            !other.labels().contains_key(names::PROTECTED_LABEL),
            "{:?}",
            other.metadata
        );
        assert!(
            !other
                .finalizers()
                .iter()
                .any(|finalizer| finalizer == names::KEEP_FINALIZER),
            "{:?}",
            other.metadata
        );

        confirm_change(&tenant, "protdb", NAME);
        tenant
            .change(json!({"spec": {"guard": {"deletion": "Off"}}}))
            .await;
        tenant
            .wait_condition(
                ConditionType::Guarded,
                ConditionStatus::False,
                reasons::GUARD_OFF,
            )
            .await;
        tenant.settle().await;
        assert_eq!(
            look(scene, &guarded).await.metadata,
            before.metadata,
            "nothing of it was written"
        );
        scene.settle().await;
        scene.wait_green().await;
    });
}

/// A volume that is reserved for a claim of the victim, which nobody guards; deleted when this is
/// dropped.
struct Unguarded<'a> {
    scene: &'a Scene,
    name: &'a str,
}

impl<'a> Unguarded<'a> {
    fn create(scene: &'a Scene, name: &'a str) -> Self {
        scene.apply(&[json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": "", "hostPath": {"path": format!("/var/empty/{name}")},
            "claimRef": {"namespace": scene.namespace(), "name": "not-there-yet"}}})]);
        Self { scene, name }
    }
}

impl Drop for Unguarded<'_> {
    fn drop(&mut self) {
        let deleted = self
            .scene
            .try_kubectl(&format!("delete pv {} --wait=false", self.name));
        if let Err(error) = deleted {
            eprintln!("{error}");
        }
    }
}

async fn look(scene: &Scene, volume: &str) -> PersistentVolume {
    Api::all(scene.client.clone())
        .get(volume)
        .await
        .expect("the volume")
}

/// A Deployment without pods.
fn build_deployment(tenant: &Scene) -> serde_json::Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "elsewhere", "namespace": tenant.namespace()},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "elsewhere"}},
            "template": {"metadata": {"labels": {"app": "elsewhere"}},
                "spec": {"containers": [{"name": "postgres", "image": testbed::POSTGRES_15_IMAGE}]}}}})
}
