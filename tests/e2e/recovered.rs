//! What is gone all the same comes back by one command, `kubectl holdfast recover`: claims,
//! volumes, the namespace, with the data in them.

use holdfast::api::{ConditionStatus, ConditionType, reasons};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;
use serde_json::Value;

use crate::support::{
    ALL_ROWS, NAME, Runbook, Server, assert_kept, assert_ran, assert_tells, beside_others,
    build_claim, confirm_deletion, holdfast, holdfast_answered, lose_claim, volume_of,
};

#[test]
fn a_claim_that_is_terminating_comes_back_on_its_volume() {
    beside_others("recover-going", async |scene| {
        let server = Server::new(scene);
        let start = scene.protect_plainly(&server).await;
        scene.settle().await;
        let claim = server.claim();
        let volume = volume_of(scene, &claim).await.name_any();
        let recover = format!("recover {NAME} -n {}", scene.namespace());
        assert_ran(
            &holdfast(scene, &recover),
            0,
            &["where it belongs", "nothing to bring back"],
        );

        // Its pod holds it: the claim is there for as long as the pod is.
        confirm_deletion(scene, "pvc", &claim);
        scene.kubectl(&format!("delete pvc {claim} --wait=false"));
        assert_ran(
            &holdfast(scene, &recover),
            4,
            &[
                "Terminating",
                "scale StatefulSet",
                "not a terminal",
                "--yes",
                "nothing was changed",
            ],
        );
        assert_ran(
            &holdfast(scene, &format!("{recover} --dry-run")),
            0,
            &["What will be done", &volume],
        );
        assert_eq!(server.count(scene), ALL_ROWS, "the pod was left alone");

        let recovered = holdfast_answered(scene, &recover, NAME);
        assert_ran(
            &recovered,
            0,
            &[
                &format!("Claim {claim} is Bound to volume {volume} again"),
                "back to 1",
                "kubectl holdfast status",
            ],
        );
        let back = server.wait_ready(scene, Some(&start)).await;
        assert_eq!(server.count(scene), ALL_ROWS);
        scene.assert_checked_once(&back).await;
        scene.wait_guarded().await;
        assert_kept(scene, &volume).await;
    });
}

#[test]
fn the_right_volume_comes_back_in_place_of_a_fresh_one_which_is_kept() {
    beside_others("recover-fresh", async |scene| {
        let server = Server::seventeen(scene);
        let start = scene.protect_filled(&server).await;
        scene.settle().await;
        let claim = server.claim();
        let right = volume_of(scene, &claim).await.name_any();
        lose_claim(scene, &server);
        // The StatefulSet makes a fresh claim, Postgres runs initdb, the application seeds itself.
        server.scale(scene, 1);
        let fresh = server.wait_ready(scene, Some(&start)).await;
        scene.wait_reset(reasons::VOLUME_REPLACED).await;
        let wrong = volume_of(scene, &claim).await.name_any();
        assert_eq!(server.count(scene), (1, 27));

        let runbook = Runbook::open(scene, "docs/runbooks/volume-removed.md");
        assert_ran(
            &runbook.run("kubectl holdfast explain NAME -n NAMESPACE"),
            3,
            &["VolumeReplaced", "kubectl holdfast recover"],
        );
        assert_ran(
            &runbook.run("kubectl holdfast recover NAME -n NAMESPACE --dry-run"),
            0,
            &["What will be done", &right],
        );
        assert_eq!(server.count(scene), (1, 27), "nothing was changed");
        assert_ran(
            &runbook.run_answered("kubectl holdfast recover NAME -n NAMESPACE", NAME),
            0,
            &["The data was unavailable for"],
        );
        let back = server.wait_ready(scene, Some(&fresh)).await;
        assert_eq!(volume_of(scene, &claim).await.name_any(), right);
        assert_eq!(server.count(scene), ALL_ROWS);
        scene.assert_checked_once(&back).await;
        scene.wait_green().await;
        assert_ran(
            &runbook.run("kubectl holdfast status NAME -n NAMESPACE"),
            0,
            &["DataVerified"],
        );
        assert_kept(scene, &wrong).await;
        assert_kept(scene, &right).await;
    });
}

#[test]
fn a_pod_template_that_names_another_claim_is_put_right() {
    beside_others("recover-mount", async |scene| {
        let server = Server::new(scene);
        let start = scene.protect_filled(&server).await;
        scene.apply(&[build_claim(scene.namespace(), "other-data")]);
        let switched = server.mount(scene, "other-data", &start).await;
        scene.wait_reset(reasons::VOLUME_REPLACED).await;

        let runbook = Runbook::open(scene, "docs/runbooks/volume-switched.md");
        assert_ran(
            &runbook.run("kubectl holdfast explain NAME -n NAMESPACE"),
            3,
            &["claim other-data", "claim knowledge-data"],
        );
        assert_ran(
            &runbook.run("kubectl holdfast recover NAME -n NAMESPACE --dry-run"),
            0,
            &["What will be done", "mount claim knowledge-data"],
        );
        let recovered = runbook.run_answered("kubectl holdfast recover NAME -n NAMESPACE", NAME);
        assert_ran(
            &recovered,
            0,
            &[
                "mounts other-data",
                "mount claim knowledge-data in StatefulSet",
                "The data was unavailable for",
                "Git",
            ],
        );
        let back = server.wait_ready(scene, Some(&switched)).await;
        assert_eq!(server.count(scene), ALL_ROWS);
        scene.assert_checked_once(&back).await;
        scene.wait_green().await;
        assert_ran(
            &runbook.run("kubectl holdfast status NAME -n NAMESPACE"),
            0,
            &["DataVerified"],
        );
        assert!(
            scene
                .api::<PersistentVolumeClaim>()
                .get_opt("other-data")
                .await
                .expect("an answer")
                .is_some(),
            "the other one is kept"
        );
    });
}

#[test]
fn a_volume_object_comes_back_and_its_claim_leaves_lost() {
    beside_others("recover-lost", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        scene.settle().await;
        let (claim, name) = (
            server.claim(),
            volume_of(scene, &server.claim()).await.name_any(),
        );
        confirm_deletion(scene, "pv", &name);
        scene.kubectl(&format!("delete pv {name} --wait=false"));
        let refused = holdfast(
            scene,
            &format!("recover {NAME} -n {} --volume {name}", scene.namespace()),
        );
        assert_tells(&refused.printed, &["where it belongs"]);
        scene
            .try_kubectl(&format!(
                "patch pv {name} --type=merge -p {{\"metadata\":{{\"finalizers\":null}}}}"
            ))
            .ok();
        scene
            .wait_condition(
                ConditionType::Guarded,
                ConditionStatus::False,
                reasons::CLAIM_LOST,
            )
            .await;

        let recovered = holdfast(
            scene,
            &format!("recover {NAME} -n {} -o json", scene.namespace()),
        );
        assert_eq!(recovered.code, Some(0), "{}", recovered.printed);
        let report: Value = serde_json::from_str(&recovered.printed).expect("JSON");
        assert_eq!(report["done"], true, "{report}");
        assert!(
            report["boundAfterSeconds"]
                .as_f64()
                .is_some_and(|seconds| seconds > 0.0),
            "{report}"
        );
        assert_tells(
            &report["steps"].to_string(),
            &[&format!("recreate PersistentVolume {name}")],
        );
        let bound: PersistentVolumeClaim = scene.get(&claim).await;
        let phase = bound.status.and_then(|status| status.phase);
        assert_eq!(phase.as_deref(), Some("Bound"));
        assert_eq!(server.count(scene), ALL_ROWS, "the pod ran all the time");
        scene.wait_guarded().await;
        assert_kept(scene, &name).await;
    });
}

/// Everything confirmed and deleted, the namespace included; what is left are volumes on Retain and
/// the ledger.
#[test]
fn a_namespace_that_is_gone_comes_back_with_its_database() {
    beside_others("recover-gone", async |scene| {
        let server = Server::new(scene);
        let start = scene.protect_filled(&server).await;
        scene.settle().await;
        let (namespace, claim) = (scene.namespace(), server.claim());
        let volume = volume_of(scene, &claim).await.name_any();
        let database = scene.kubectl(&format!("get protdb {NAME} -o jsonpath={{.spec}}"));
        confirm_deletion(scene, "protdb", NAME);
        scene.kubectl(&format!("delete protdb {NAME} --timeout=300s"));
        scene.kubectl(&format!("delete namespace {namespace} --timeout=300s"));
        assert_tells(
            &holdfast(scene, &format!("status -n {namespace}")).printed,
            &["There is no ProtectedDatabase"],
        );

        let recovered = holdfast(scene, &format!("recover {NAME} -n {namespace}"));
        let told = [
            "recreate Namespace",
            "recreate ProtectedDatabase",
            "the workload does not exist",
            "The data was unavailable for",
        ];
        assert_ran(&recovered, 0, &told);
        assert_tells(
            &recovered.printed,
            &[&format!("Claim {claim} is Bound to volume {volume} again")],
        );
        assert_eq!(
            scene.kubectl(&format!("get protdb {NAME} -o jsonpath={{.spec}}")),
            database
        );
        assert_eq!(
            scene.kubectl(&format!(
                "get namespace {namespace} -o \
                jsonpath={{.metadata.labels.pod-security\\.kubernetes\\.io/enforce}}"
            )),
            "restricted"
        );

        // What is kept in Git is applied again; the data is not seeded anew, and it is known from
        // before.
        scene.apply(&server.build_manifests());
        server.wait_ready(scene, Some(&start)).await;
        assert_eq!(server.count(scene), ALL_ROWS);
        scene
            .wait_condition(
                ConditionType::DataVerified,
                ConditionStatus::True,
                reasons::VERIFIED,
            )
            .await;
        scene.wait_guarded().await;
        assert_kept(scene, &volume).await;
    });
}

/// A confirmed deletion of the namespace takes the pods, and then hangs: what is guarded in it is
/// refused.
#[test]
fn a_namespace_that_is_stuck_terminating_comes_back() {
    beside_others("recover-stuck", async |scene| {
        let server = Server::new(scene);
        let start = scene.protect_plainly(&server).await;
        scene.settle().await;
        let (namespace, claim) = (scene.namespace(), server.claim());
        let volume = volume_of(scene, &claim).await.name_any();
        let before = scene.get::<PersistentVolumeClaim>(&claim).await.uid();
        confirm_deletion(scene, "namespace", namespace);
        scene.kubectl(&format!("delete namespace {namespace} --wait=false"));
        let said = scene
            .wait_condition(
                ConditionType::Guarded,
                ConditionStatus::False,
                reasons::NAMESPACE_TERMINATING,
            )
            .await;
        assert_tells(
            &said.message,
            &[&format!("kubectl holdfast recover {NAME} -n {namespace}")],
        );
        scene
            .wait("the pods of the namespace to be gone", async || match scene
                .try_kubectl("get pods -o name")
            {
                Ok(pods) if pods.is_empty() => Ok(()),
                other => Err(format!("{other:?}")),
            })
            .await;

        let recovered = holdfast(scene, &format!("recover {NAME} -n {namespace} --yes"));
        assert_ran(
            &recovered,
            0,
            &[
                "Terminating",
                "end the deletion of Namespace",
                "recreate Namespace",
            ],
        );
        let after = scene.get::<PersistentVolumeClaim>(&claim).await;
        assert_eq!(
            (after.uid(), after.metadata.deletion_timestamp),
            (before, None),
            "the claim was there all the time"
        );
        scene.apply(&server.build_manifests());
        server.wait_ready(scene, Some(&start)).await;
        assert_eq!(server.count(scene), ALL_ROWS);
        scene
            .wait_condition(
                ConditionType::DataVerified,
                ConditionStatus::True,
                reasons::VERIFIED,
            )
            .await;
        scene.wait_guarded().await;
        assert_kept(scene, &volume).await;
    });
}

#[test]
fn recover_says_what_it_does_not_know() {
    beside_others("recover-unknown", async |scene| {
        let namespace = scene.namespace();
        let unknown = holdfast(scene, &format!("recover no-such -n {namespace}"));
        assert_ran(
            &unknown,
            3,
            &["nothing is remembered", "kubectl get dbledger"],
        );
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        scene.settle().await;
        let no_volume = holdfast(
            scene,
            &format!("recover {NAME} -n {namespace} --volume no-such"),
        );
        assert_ran(
            &no_volume,
            3,
            &["PersistentVolume no-such does not exist", "kubectl get pv"],
        );

        // The wrong one of two workloads of a name must not be scaled down.
        scene.kubectl(&format!(
            "create deployment {} --image=localhost/bystander --replicas=0",
            server.name
        ));
        scene
            .change(serde_json::json!({"spec": {"workload": {"kind": null}}}))
            .await;
        let which = holdfast(scene, &format!("recover {NAME} -n {namespace}"));
        assert_ran(
            &which,
            3,
            &["both a StatefulSet and a Deployment", "spec.workload.kind"],
        );
        let (_, command) = which
            .printed
            .trim()
            .split_once("Set it: kubectl ")
            .expect("a command");
        scene.kubectl(
            &command
                .replace('\'', "")
                .replace(&format!("-n {namespace} "), ""),
        );
        assert_ran(
            &holdfast(scene, &format!("recover {NAME} -n {namespace}")),
            0,
            &["nothing to bring back"],
        );

        // A volume in use elsewhere is left there.
        let elsewhere = scene.another("recover-elsewhere");
        elsewhere.apply(&Server::new(&elsewhere).build_manifests());
        Server::new(&elsewhere).wait_ready(&elsewhere, None).await;
        let used = volume_of(&elsewhere, "knowledge-data").await.name_any();
        let refused = holdfast(
            scene,
            &format!("recover {NAME} -n {namespace} --volume {used}"),
        );
        assert_ran(
            &refused,
            3,
            &["did not belong to a claim of namespace", namespace],
        );
        assert_eq!(
            volume_of(&elsewhere, "knowledge-data").await.name_any(),
            used
        );
    });
}
