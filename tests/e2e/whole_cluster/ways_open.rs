//! The same ways with their guard removed: what `ways`, `deletion_refused`, `change_refused` and
//! `agents_fenced` see refused, happens. So each of those tests can fail. The layers below hold all
//! the same: the finalizer keeps the claim, Retain keeps the files.

use std::path::Path;

use holdfast::api::{ConditionStatus, ConditionType, names, reasons};
use holdfast::guard::definition_names;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams};

use super::guard_removed::{BindingsRemoved, UNMOUNT};
use super::operator_down::OperatorDown;
use crate::agents_fenced::{intrusions, steal_token};
use crate::change_refused::finalize;
use crate::chart::helm;
use crate::data_lost::ask_for_a_check;
use crate::support::{
    NAME, OPERATOR_USER, Scene, Server, alone, assert_tells, build_claim, confirmation,
    reclaim_policy, volume_handle, volume_of,
};
use crate::ways::{
    build_pruning, build_replacement, create_a_deployment, delete_an_owner, install_release,
    set_retention, wait_gone,
};

#[test]
fn every_way_is_open_without_its_guard() {
    alone("ways-open", async |scene| {
        let server = Server::seventeen(scene);
        scene.protect_plainly(&server).await;
        let own = scene.checks().await[0].name_any();
        let other = ask_for_a_check(scene).await.name_any();
        let agent = steal_token(scene, &own).await;
        scene.settle().await;
        let down = OperatorDown::begin(scene).await;
        let removed = BindingsRemoved::begin(scene, &server).await;

        create_a_deployment(scene);
        for words in trials(scene, &server).await {
            scene.kubectl(&format!("{words} --dry-run=server"));
        }
        finalize(scene, "?dryRun=All").expect("a namespace finalized on trial");
        let collection = DeleteParams {
            dry_run: true,
            ..DeleteParams::default()
        };
        scene
            .api::<PersistentVolumeClaim>()
            .delete_collection(&collection, &ListParams::default())
            .await
            .expect("a collection");
        scene
            .wait("the agents' fence to be gone", async || {
                let tried = intrusions(scene, &agent, &own, &other).await;
                let fenced: Vec<String> = tried
                    .into_iter()
                    .filter_map(|intrusion| intrusion.answer.err())
                    .collect();
                if fenced.is_empty() {
                    Ok(())
                } else {
                    Err(format!("{fenced:?}"))
                }
            })
            .await;
        lose_what_is_only_labelled(scene).await;
        lose_with_the_replica(scene, &server).await;

        down.end().await;
        removed.wait_mended().await;
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
                &server.claim(),
                "was deleted without confirmation",
                "it waits for the finalizer holdfast.dev/keep",
            ],
        );
        let volume = volume_of(scene, &server.claim()).await;
        assert_eq!(reclaim_policy(&volume), "Retain");
        assert!(
            Path::new(&volume_handle(&volume))
                .join("pgdata/PG_VERSION")
                .is_file()
        );
    });
}

/// Commands that are refused with the guard; none is carried out.
async fn trials(scene: &Scene, server: &Server) -> Vec<String> {
    let (claim, set) = (server.claim(), &server.name);
    let volume = volume_of(scene, &claim).await.name_any();
    let ledger = names::ledger(scene.namespace(), NAME);
    let uid = scene
        .get::<PersistentVolumeClaim>(&claim)
        .await
        .uid()
        .expect("a UID");
    let operator = format!("--as={OPERATOR_USER}");
    let mut all = vec![
        format!("delete pvc {claim} --force --grace-period=0 --wait=false"),
        "delete pvc --all --wait=false".to_owned(),
        format!("delete pv {volume} --wait=false"),
        "delete deployment guarded --wait=false".to_owned(),
        "delete statefulsets,deployments --all --wait=false".to_owned(),
        format!("delete namespace {} --wait=false", scene.namespace()),
        format!("delete protdb {NAME} --wait=false {operator}"),
        format!("delete dbledger {ledger} --wait=false"),
        format!("label dbledger {ledger} {}-", names::PROTECTED_LABEL),
        format!("patch statefulset {set} --type=json -p {UNMOUNT}"),
        format!(
            "annotate pvc {claim} {}={} {operator}",
            names::CONFIRM_DELETION_ANNOTATION,
            confirmation(&uid)
        ),
        format!(
            "patch pv {volume} --type=merge -p \
             {{\"spec\":{{\"persistentVolumeReclaimPolicy\":\"Delete\"}}}} {operator}"
        ),
    ];
    all.extend(
        ["orphan", "foreground", "background"]
            .map(|cascade| format!("delete statefulset {set} --cascade={cascade} --wait=false")),
    );
    all.extend(
        definition_names().map(|definition| format!("delete crd {definition} --wait=false")),
    );
    all
}

/// Claims that carry the label and nothing else, so that each is gone when it is let go.
async fn lose_what_is_only_labelled(scene: &Scene) {
    let namespace = scene.namespace();
    let labelled = |name: &str| {
        scene.apply(&[build_claim(namespace, name)]);
        scene.kubectl(&format!("label pvc {name} {}=true", names::PROTECTED_LABEL));
        scene.kubectl(&format!("get pvc {name} -o jsonpath={{.metadata.uid}}"))
    };
    let before = labelled("replaced");
    let (_file, words) = build_replacement(scene, "pvc replaced");
    scene.kubectl(&words);
    assert_ne!(
        scene.kubectl("get pvc replaced -o jsonpath={.metadata.uid}"),
        before
    );

    let (_file, words) = build_pruning(scene);
    scene.kubectl(&words);
    wait_gone(scene, "pruned").await;

    let folder = install_release(scene);
    helm(
        scene,
        &format!(
            "upgrade shop {} --namespace {namespace} --set claim=false",
            folder.path().display()
        ),
    );
    wait_gone(scene, "released").await;
    helm(scene, &format!("uninstall shop --namespace {namespace}"));

    labelled("owned");
    delete_an_owner(scene, &["owned"]);
    wait_gone(scene, "owned").await;

    let first = labelled("replayed");
    scene.kubectl("delete pvc replayed --timeout=60s");
    assert_ne!(labelled("replayed"), first);
    scene.kubectl(&format!(
        "annotate pvc replayed {}={first}",
        names::CONFIRM_DELETION_ANNOTATION
    ));
    scene.kubectl("delete pvc replayed --timeout=60s");
}

/// `whenScaled: Delete`, and scaled to 0: the claim is deleted, and its finalizer holds it.
async fn lose_with_the_replica(scene: &Scene, server: &Server) {
    set_retention(scene, server, "Delete");
    server.scale(scene, 0);
    scene
        .wait("the claim to be deleted", async || {
            let claim = scene
                .api::<PersistentVolumeClaim>()
                .get(&server.claim())
                .await
                .map_err(|error| error.to_string())?;
            claim
                .metadata
                .deletion_timestamp
                .map(drop)
                .ok_or_else(|| format!("{:?}", claim.metadata.owner_references))
        })
        .await;
    let claim = scene.get::<PersistentVolumeClaim>(&server.claim()).await;
    assert!(
        claim
            .finalizers()
            .iter()
            .any(|finalizer| finalizer == names::KEEP_FINALIZER),
        "{:?}",
        claim.finalizers()
    );
}
