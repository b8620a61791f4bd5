//! What doctor says of other volumes for the storage of a Postgres, from volume objects to words.
#![allow(
    clippy::unwrap_used,
    reason = "a sample that can't be built is a fault of the test"
)]

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::*;
use crate::world::{PodFact, VolumeFound};

fn volume(name: &str, path: &str, change: &Value) -> VolumeFound {
    let mut volume = json!({
        "metadata": {"name": name, "uid": name},
        "spec": {
            "nfs": {"server": "files", "path": path}, "persistentVolumeReclaimPolicy": "Delete",
        },
        "status": {"phase": "Available"},
    });
    json_patch::merge(&mut volume, change);
    VolumeFound::from(serde_json::from_value::<PersistentVolume>(volume).unwrap())
}

fn pod(name: &str, claims: &[&str], sub_path: &str) -> PodFact {
    let mounts = claims
        .iter()
        .map(|claim| json!({"name": claim, "mountPath": format!("/{claim}"), "subPath": sub_path}));
    let volumes = claims
        .iter()
        .map(|claim| json!({"name": claim, "persistentVolumeClaim": {"claimName": claim}}));
    let pod = json!({
        "metadata": {"name": name},
        "spec": {
            "nodeName": "node", "volumes": volumes.collect::<Vec<_>>(),
            "containers": [{"name": "db", "volumeMounts": mounts.collect::<Vec<_>>()}],
        },
        "status": {"phase": "Running"},
    });
    PodFact::from(&serde_json::from_value::<Pod>(pod).unwrap())
}

fn bound(namespace: &str, claim: &str) -> Value {
    json!({
        "spec": {
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"namespace": namespace, "name": claim, "uid": "u-1"},
        },
        "status": {"phase": "Bound"},
    })
}

fn twin(volume: VolumeFound, pods: Fact<Vec<PodFact>>) -> TwinFact {
    TwinFact {
        of: "pv-a".to_owned(),
        volume,
        is_own: false,
        pause: None,
        pods,
    }
}

fn judged(twin: TwinFact, more: usize) -> TwinsJudged {
    let claims = [ClaimFound {
        name: "data".to_owned(),
        volume: Some("pv-a".to_owned()),
        reclaim_policy: Some("Retain".to_owned()),
        unknown: None,
        access_modes: Vec::new(),
        storage: volume("pv-a", "/export/pg", &json!({})).storage,
    }];
    let twins = Twins {
        found: vec![twin],
        more,
    };
    judge_twins("atra", &claims, &twins, |_| vec!["pg".to_owned()])
}

#[test]
fn a_twin_is_named_by_what_it_endangers() {
    let nobody = || Fact::Known(Vec::new());
    let going = json!({
        "metadata": {"deletionTimestamp": "2026-11-02T03:04:05Z"},
        "spec": {"persistentVolumeReclaimPolicy": "Retain"},
    });
    let retained = json!({"spec": {"persistentVolumeReclaimPolicy": "Retain"}});
    let of_other_directory = || Fact::Known(vec![pod("web-0", &["copy"], "other")]);
    for (what, found, wanted) in [
        (
            "on Delete",
            twin(volume("pv-b", "/export/pg", &json!({})), nobody()),
            vec![
                "PersistentVolume pv-b is for the same storage as PersistentVolume pv-a, and its reclaim \
                 policy is Delete: deleting PersistentVolume pv-b, or its claim, would delete the files \
                 of pv-a",
            ],
        ),
        (
            "the directory above, on Delete",
            twin(volume("pv-b", "/export", &json!({})), nobody()),
            vec!["is for storage that contains that of PersistentVolume pv-a"],
        ),
        (
            "being deleted",
            twin(volume("pv-b", "/export/pg", &going), nobody()),
            vec![
                "its deletion has begun: the files of pv-a may be deleted with it; take a backup now",
            ],
        ),
        (
            "on Retain, for nobody",
            twin(volume("pv-b", "/export/pg", &retained), nobody()),
            vec![],
        ),
        (
            "bound to a claim that no pod has",
            twin(
                volume("pv-b", "/export/pg", &bound("atra", "copy")),
                nobody(),
            ),
            vec!["and PersistentVolumeClaim copy is bound to it: as soon as a pod uses that claim"],
        ),
        (
            "a pod of another namespace writes",
            twin(
                volume("pv-b", "/export/pg", &bound("shop", "copy")),
                Fact::Known(vec![pod("db-0", &["copy"], "")]),
            ),
            vec![
                "pod db-0 of namespace shop may write to it through PersistentVolumeClaim copy: two servers \
                 on the same files destroy them; stop what does not belong there: kubectl -n shop delete \
                 pod db-0",
            ],
        ),
        (
            "a pod has another directory of it",
            twin(
                volume("pv-b", "/export/pg", &bound("atra", "copy")),
                of_other_directory(),
            ),
            vec!["as soon as a pod uses that claim"],
        ),
    ] {
        let TwinsJudged {
            findings,
            not_known,
        } = judged(found, 0);
        assert_eq!(findings.len(), wanted.len(), "{what}: {findings:?}");
        for (finding, words) in findings.iter().zip(&wanted) {
            assert!(finding.contains(words), "{what}: {finding}");
        }
        assert_eq!(not_known, Vec::<String>::new(), "{what}");
    }
}

/// Two claims of one Postgres on the same storage: a pod with both is one server, two pods are two.
#[test]
fn two_own_claims_for_the_same_storage_are_found_when_two_pods_have_them() {
    let own = |pods: Vec<PodFact>| TwinFact {
        is_own: true,
        ..twin(
            volume("pv-b", "/export/pg", &bound("atra", "data-1")),
            Fact::Known(pods),
        )
    };
    let two = judged(own(vec![pod("db-1", &["data-1"], "pg")]), 0);
    assert_eq!(two.findings.len(), 1, "{two:?}");
    assert!(
        two.findings[0].contains("pod db-1 may write to it"),
        "{two:?}"
    );
    let one = judged(own(vec![pod("db-0", &["data", "data-1"], "pg")]), 0);
    assert_eq!(one, TwinsJudged::default());
    assert_eq!(judged(own(Vec::new()), 0), TwinsJudged::default());
}

#[test]
fn what_can_not_be_read_of_a_twin_is_not_known() {
    let why = "could not read the pods that may use PersistentVolume pv-b: this is not permitted";
    let unread = twin(
        volume("pv-b", "/export/pg", &bound("shop", "copy")),
        Fact::Unknown(why.to_owned()),
    );
    let judged = judged(unread, 3);
    assert_eq!(judged.findings, Vec::<String>::new());
    assert!(
        judged.not_known[0].contains("this is not permitted"),
        "{judged:?}"
    );
    assert!(
        judged.not_known[1].contains("3 more PersistentVolumes"),
        "{judged:?}"
    );
}
