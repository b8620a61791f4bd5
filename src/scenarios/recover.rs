//! What is planned for every way in which claim, volume, namespace and ProtectedDatabase can be
//! amiss; golden. And that no course lets a claim go whose volume would go with it.

use std::fmt::Write as _;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::json;

use super::recovery_sample::{claim, claim_fact, observed, pod_of_twin, twin, volume, volume_fact};
use super::sample_parts::{confirm_at, from, known};
use crate::api::{ConfirmedVerb, DatabaseLedgerStatus};
use crate::decide::recover::{plan_recovery, unavailable_since};
use crate::plan::{Scope, check_recovery};
use crate::world::{
    ClaimBinding, Fact, LedgerFact, ObservedRecovery, RunningContainer, WorkloadFact, WorkloadFound,
};

/// What is seen, and its name.
type Scenario = (&'static str, ObservedRecovery);

/// The only binding.
pub fn binding(observed: &mut ObservedRecovery) -> &mut ClaimBinding {
    &mut known(&mut observed.bindings)[0]
}

fn workload(observed: &mut ObservedRecovery) -> &mut WorkloadFound {
    match known(&mut observed.world.workload) {
        WorkloadFact::Found(found) => found,
        other => panic!("the sample has no workload but {other:?}"),
    }
}

fn scenario(name: &'static str, change: impl FnOnce(&mut ObservedRecovery)) -> Scenario {
    let mut observed = observed();
    change(&mut observed);
    (name, observed)
}

/// The UID of a namespace is noted on the volume, or none.
fn note(observed: &mut ObservedRecovery, uid: Option<&str>) {
    let volume = binding(observed).volume.as_mut().expect("a volume");
    let annotations = volume.metadata.annotations.get_or_insert_default();
    let key = "holdfast.dev/namespace-uid".to_owned();
    match uid {
        Some(uid) => annotations.insert(key, uid.to_owned()),
        None => annotations.remove(&key),
    };
}

/// Something else is in the ledger.
fn remember(observed: &mut ObservedRecovery, change: impl FnOnce(&mut DatabaseLedgerStatus)) {
    let fact = known(&mut observed.world.ledger)
        .as_mut()
        .expect("a ledger");
    change(fact.ledger.status.as_mut().expect("a memory"));
}

fn deleted(metadata: &mut ObjectMeta) {
    metadata.deletion_timestamp = from(json!("2026-02-01T09:00:00Z"));
}

const GOOD_DIRECTORY: &str = "/var/lib/postgresql/data/pgdata";

/// The ledger remembers on what the data was at the last good check.
fn remember_mount(observed: &mut ObservedRecovery, sub_path: &str) {
    let fact = known(&mut observed.world.ledger).take().expect("a ledger");
    let mut ledger = fact.ledger;
    let status = ledger.status.as_mut().expect("a status");
    status.baseline = from(json!({
        "check": "knowledge-1", "time": "2026-02-01T08:00:00Z",
        "volumes": [{
            "claim": "data", "claimUid": "u-claim", "volume": "pv-1",
            "mountPath": "/var/lib/postgresql/data", "subPath": sub_path,
        }],
        "evidence": super::sample_objects::evidence(),
    }));
    *known(&mut observed.world.ledger) = Some(LedgerFact::new(ledger));
    known(&mut observed.world.pods)[0].mounts[0].claim = "data".to_owned();
}

/// The container that runs.
fn running(observed: &mut ObservedRecovery) -> &mut RunningContainer {
    &mut known(&mut observed.world.pods)[0].running[0]
}

fn reset(observed: &mut ObservedRecovery) {
    let database = known(&mut observed.database).as_mut().expect("a database");
    database.status = from(json!({"conditions": [{
        "type": "DataReset", "status": "True", "reason": "ClusterReinitialized",
        "message": "initdb has run: 28 rows are left of 26,422",
        "lastTransitionTime": "2026-02-01T09:00:00Z",
    }]}));
}

fn claim_metadata(observed: &mut ObservedRecovery) -> &mut ObjectMeta {
    let claim = binding(observed).claim.as_mut();
    let metadata = claim.and_then(|claim| claim.metadata.as_mut());
    metadata.expect("a claim")
}

#[expect(clippy::too_many_lines, reason = "a table")]
pub fn scenarios() -> Vec<Scenario> {
    let released = || Some(volume_fact(volume("pv-1", "u-claim", "Released", "Retain")));
    let without_claim = |observed: &mut ObservedRecovery| {
        binding(observed).claim = None;
        binding(observed).pods.clear();
        binding(observed).volume = released();
    };
    let on_another = |observed: &mut ObservedRecovery| {
        binding(observed).claim = Some(claim_fact(claim("u-fresh", "pv-2", "Bound")));
        binding(observed).volume = released();
        binding(observed).other_volume =
            Some(volume_fact(volume("pv-2", "u-fresh", "Bound", "Retain")));
    };
    vec![
        scenario("everything where it belongs", |_| {}),
        scenario("the claim is gone", without_claim),
        scenario(
            "the claim is gone, and a pod uses the same storage",
            |observed| {
                without_claim(observed);
                binding(observed).twins = vec![twin(Fact::Known(vec![pod_of_twin()]))];
            },
        ),
        scenario(
            "the claim is gone, and a pod of another namespace uses the same storage",
            |observed| {
                without_claim(observed);
                let mut twin = twin(Fact::Known(vec![pod_of_twin()]));
                let claim = twin.volume.claim.as_mut().expect("a claim");
                claim.namespace = Some("theirs".to_owned());
                binding(observed).twins = vec![twin];
            },
        ),
        scenario(
            "the claim is gone, and another volume for its storage is not used",
            |observed| {
                without_claim(observed);
                binding(observed).twins = vec![twin(Fact::Known(Vec::new()))];
            },
        ),
        scenario(
            "the claim is gone, and it is not known who uses the same storage",
            |observed| {
                without_claim(observed);
                let why = "could not read the pods that may use PersistentVolume pv-twin: this is not \
                    permitted";
                binding(observed).twins = vec![twin(Fact::Unknown(why.to_owned()))];
            },
        ),
        scenario(
            "the claim has just gone, and the binder has not seen it",
            |observed| {
                without_claim(observed);
                binding(observed).volume =
                    Some(volume_fact(volume("pv-1", "u-claim", "Bound", "Retain")));
            },
        ),
        scenario("the claim is gone and the volume reserved", |observed| {
            without_claim(observed);
            binding(observed).volume = Some(volume_fact(volume("pv-1", "", "Available", "Retain")));
        }),
        scenario(
            "a fresh claim waits and the volume is reserved",
            |observed| {
                without_claim(observed);
                let mut fresh = claim("u-fresh", "", "Pending");
                fresh["spec"]["volumeName"] = json!(null);
                binding(observed).claim = Some(claim_fact(fresh));
                binding(observed).volume =
                    Some(volume_fact(volume("pv-1", "", "Available", "Retain")));
            },
        ),
        scenario("a fresh claim of another size waits", |observed| {
            without_claim(observed);
            let mut fresh = claim("u-fresh", "", "Pending");
            fresh["spec"] =
                json!({"storageClassName": "fast", "resources": {"requests": {"storage": "9Gi"}}});
            binding(observed).claim = Some(claim_fact(fresh));
        }),
        scenario("the claim is Terminating, its pod runs", |observed| {
            deleted(claim_metadata(observed));
        }),
        scenario(
            "the claim is Terminating and its volume is on Delete",
            |observed| {
                deleted(claim_metadata(observed));
                binding(observed).volume =
                    Some(volume_fact(volume("pv-1", "u-claim", "Bound", "Delete")));
            },
        ),
        scenario(
            "the claim is Terminating, confirmed and without pods",
            |observed| {
                binding(observed).pods.clear();
                let metadata = claim_metadata(observed);
                deleted(metadata);
                confirm_at(metadata, ConfirmedVerb::Delete, "2026-02-01T08:59:00Z");
            },
        ),
        scenario(
            "a recovery that was interrupted has confirmed the claim",
            |observed| {
                let at = "2026-02-01T09:03:00Z";
                confirm_at(claim_metadata(observed), ConfirmedVerb::Delete, at);
            },
        ),
        scenario(
            "claim, volume, namespace and database are confirmed",
            |observed| {
                let at = "2026-02-01T09:03:00Z";
                confirm_at(claim_metadata(observed), ConfirmedVerb::Change, at);
                let volume = binding(observed).volume.as_mut().expect("a volume");
                confirm_at(&mut volume.metadata, ConfirmedVerb::Delete, at);
                confirm_at(&mut volume.metadata, ConfirmedVerb::Change, at);
                let namespace = known(&mut observed.world.namespace);
                confirm_at(
                    namespace.as_mut().expect("a namespace"),
                    ConfirmedVerb::Delete,
                    at,
                );
                let database = known(&mut observed.database).as_mut().expect("a database");
                confirm_at(&mut database.metadata, ConfirmedVerb::Change, at);
            },
        ),
        scenario(
            "a live claim in the way was confirmed too long ago",
            |observed| {
                on_another(observed);
                let at = "2026-02-01T08:45:00Z";
                confirm_at(claim_metadata(observed), ConfirmedVerb::Delete, at);
            },
        ),
        scenario("the claim is on another volume", on_another),
        scenario(
            "the claim is on another volume, which is on Delete",
            |observed| {
                on_another(observed);
                let mut other = volume("pv-2", "u-fresh", "Bound", "Delete");
                other["metadata"] =
                    json!({"name": "pv-2", "uid": "u-pv-2", "resourceVersion": "9"});
                binding(observed).other_volume = Some(volume_fact(other));
            },
        ),
        scenario(
            "the claim is on another volume, and the StatefulSet deletes its claims when scaled",
            |observed| {
                on_another(observed);
                workload(observed).deletes_claims_when_scaled = true;
            },
        ),
        scenario("the volume is gone and its claim Lost", |observed| {
            binding(observed).claim = Some(claim_fact(claim("u-claim", "pv-1", "Lost")));
            binding(observed).volume = None;
        }),
        scenario(
            "the volume was made again, and its claim is still Lost",
            |observed| {
                binding(observed).claim = Some(claim_fact(claim("u-claim", "pv-1", "Lost")));
            },
        ),
        scenario("claim and volume are gone", |observed| {
            without_claim(observed);
            binding(observed).volume = None;
        }),
        scenario(
            "claim and volume are gone, and nobody remembers the volume",
            |observed| {
                without_claim(observed);
                binding(observed).volume = None;
                binding(observed).desired.volume_manifest = None;
            },
        ),
        scenario(
            "the claim is gone, and the volume of that name is for other storage",
            |observed| {
                without_claim(observed);
                let mut other = volume("pv-1", "u-claim", "Released", "Retain");
                other["spec"]["hostPath"] = json!({"path": "/volumes/another"});
                binding(observed).volume = Some(volume_fact(other));
                binding(observed).desired.volume_manifest =
                    Some(json!({"spec": {"hostPath": {"path": "/volumes/pv-1"}}}));
            },
        ),
        scenario(
            "claim and volume are gone, and another volume is for the same storage",
            |observed| {
                without_claim(observed);
                binding(observed).volume = None;
                binding(observed).same_storage = Some("pv-9".to_owned());
            },
        ),
        scenario(
            "the claim is bound to another volume object for the same storage",
            |observed| {
                on_another(observed);
                let mut same = volume("pv-2", "u-fresh", "Bound", "Retain");
                same["spec"]["hostPath"] = json!({"path": "/volumes/pv-1/"});
                binding(observed).other_volume = Some(volume_fact(same));
                binding(observed).volume = None;
                binding(observed).desired.volume_manifest =
                    Some(json!({"spec": {"hostPath": {"path": "/volumes/pv-1"}}}));
            },
        ),
        scenario(
            "the claim is bound to a volume of the name that is for other storage",
            |observed| {
                let mut other = volume("pv-1", "u-claim", "Bound", "Retain");
                other["spec"]["hostPath"] = json!({"path": "/volumes/another"});
                binding(observed).volume = Some(volume_fact(other));
                binding(observed).desired.volume_manifest =
                    Some(json!({"spec": {"hostPath": {"path": "/volumes/pv-1"}}}));
            },
        ),
        scenario("the claim is gone and the volume Terminating", |observed| {
            without_claim(observed);
            deleted(
                &mut binding(observed)
                    .volume
                    .as_mut()
                    .expect("a volume")
                    .metadata,
            );
        }),
        scenario(
            "the claim is gone and the volume is another claim's",
            |observed| {
                without_claim(observed);
                let mut taken = volume("pv-1", "u-other", "Bound", "Retain");
                taken["spec"]["claimRef"] =
                    json!({"namespace": "shop", "name": "orders", "uid": "u-other"});
                binding(observed).volume = Some(volume_fact(taken));
                binding(observed).held_by_other = true;
            },
        ),
        scenario(
            "the volume was tied to a claim that is not there",
            |observed| {
                binding(observed).claim = Some(claim_fact(claim("u-claim", "pv-1", "Lost")));
                let mut taken = volume("pv-1", "", "Available", "Retain");
                taken["spec"]["claimRef"] = json!({"namespace": "atra", "name": "nobody"});
                binding(observed).volume = Some(volume_fact(taken));
            },
        ),
        scenario(
            "the volume was tied to a claim of the same name that is gone, and another of that \
             name is Lost",
            |observed| {
                binding(observed).claim = Some(claim_fact(claim("u-claim", "pv-1", "Lost")));
                binding(observed).volume = Some(volume_fact(volume(
                    "pv-1", "u-before", "Released", "Retain",
                )));
            },
        ),
        scenario(
            "the volume is reserved for a claim of that name, and the claim is still Lost",
            |observed| {
                binding(observed).claim = Some(claim_fact(claim("u-claim", "pv-1", "Lost")));
                binding(observed).volume =
                    Some(volume_fact(volume("pv-1", "", "Available", "Retain")));
            },
        ),
        scenario("the pod template mounts another claim", |observed| {
            workload(observed).volumes =
                from(json!([{"name": "data", "persistentVolumeClaim": {"claimName": "other"}}]));
            binding(observed).pods.clear();
        }),
        scenario(
            "the pod template of three replicas mounts another claim, and no pod is there",
            |observed| {
                workload(observed).volumes = from(
                    json!([{"name": "data", "persistentVolumeClaim": {"claimName": "other"}}]),
                );
                workload(observed).replicas = 3;
                binding(observed).pods.clear();
                observed.world.pods = Fact::Known(Vec::new());
            },
        ),
        scenario("the StatefulSet has another claim template", |observed| {
            workload(observed).volumes.clear();
            workload(observed).claim_templates = vec!["renamed".to_owned()];
        }),
        scenario(
            "the namespace is Terminating and its pods are gone",
            |observed| {
                deleted(
                    known(&mut observed.world.namespace)
                        .as_mut()
                        .expect("a namespace"),
                );
                observed.world.workload = Fact::Known(WorkloadFact::NotFound);
            },
        ),
        scenario(
            "namespace, claim and ProtectedDatabase are gone",
            |observed| {
                without_claim(observed);
                observed.world.namespace = Fact::Known(None);
                observed.world.workload = Fact::Known(WorkloadFact::NotFound);
                observed.database = Fact::Known(None);
            },
        ),
        scenario("the ProtectedDatabase is Terminating", |observed| {
            deleted(
                &mut known(&mut observed.database)
                    .as_mut()
                    .expect("a database")
                    .metadata,
            );
        }),
        scenario(
            "a recovery was interrupted after it had scaled down",
            |observed| {
                without_claim(observed);
                workload(observed).replicas = 0;
                workload(observed).metadata.annotations =
                    from(json!({"holdfast.dev/replicas-before-recovery": "3"}));
            },
        ),
        scenario(
            "a workload of three replicas on its own claims was scaled down",
            |observed| {
                workload(observed).replicas = 0;
                workload(observed).volumes.clear();
                workload(observed).claim_templates = vec!["data".to_owned()];
                workload(observed).metadata.annotations =
                    from(json!({"holdfast.dev/replicas-before-recovery": "3"}));
            },
        ),
        scenario("another database guards the claim by now", |observed| {
            on_another(observed);
            let annotations = claim_metadata(observed).annotations.get_or_insert_default();
            annotations.insert(
                "holdfast.dev/protected-by".to_owned(),
                "atra/other".to_owned(),
            );
        }),
        scenario("another database guards the volume", |observed| {
            without_claim(observed);
            let volume = binding(observed).volume.as_mut().expect("a volume");
            let annotations = volume.metadata.annotations.get_or_insert_default();
            annotations.insert(
                "holdfast.dev/protected-by".to_owned(),
                "atra/other".to_owned(),
            );
        }),
        scenario(
            "nothing says that the claim is this database's",
            |observed| {
                on_another(observed);
                claim_metadata(observed).annotations = None;
                workload(observed).volumes.clear();
            },
        ),
        scenario("spec.extraClaims names the claim", |observed| {
            on_another(observed);
            claim_metadata(observed).annotations = None;
            workload(observed).volumes.clear();
            let database = known(&mut observed.database).as_mut();
            database.expect("a database").spec.extra_claims = vec!["data".to_owned()];
        }),
        scenario(
            "the claim is gone, and nothing says that it was this database's",
            |observed| {
                without_claim(observed);
                workload(observed).volumes.clear();
                let volume = binding(observed).volume.as_mut().expect("a volume");
                volume.metadata.annotations = from(json!({"holdfast.dev/namespace-uid": "u-ns"}));
            },
        ),
        scenario("a pod of somebody else uses the claim", |observed| {
            on_another(observed);
            let mut other = binding(observed).pods[0].clone();
            "reports-0".clone_into(&mut other.name);
            "u-reports".clone_into(&mut other.uid);
            binding(observed).pods.push(other);
        }),
        scenario(
            "the pod template mounts another claim, and a pod of somebody else the right one",
            |observed| {
                workload(observed).volumes = from(
                    json!([{"name": "data", "persistentVolumeClaim": {"claimName": "other"}}]),
                );
                let pod = &mut binding(observed).pods[0];
                "debug".clone_into(&mut pod.name);
                "u-debug".clone_into(&mut pod.uid);
            },
        ),
        scenario(
            "pods use the claim of a workload that does not exist",
            |observed| {
                on_another(observed);
                observed.world.workload = Fact::Known(WorkloadFact::NotFound);
                observed.world.pods = Fact::Known(Vec::new());
            },
        ),
        scenario("a younger database names the workload too", |observed| {
            on_another(observed);
            observed.world.neighbours = Fact::Known(vec![crate::world::NeighbourFact {
                name: "other".to_owned(),
                workload: "pg".to_owned(),
                workload_kind: None,
                selector: None,
                system_identifier: None,
                same_workload: true,
                older: false,
                guards: true,
            }]);
        }),
        scenario("an older database names the workload too", |observed| {
            on_another(observed);
            observed.world.neighbours = Fact::Known(vec![crate::world::NeighbourFact {
                name: "other".to_owned(),
                workload: "pg".to_owned(),
                workload_kind: None,
                selector: None,
                system_identifier: None,
                same_workload: true,
                older: true,
                guards: false,
            }]);
        }),
        scenario(
            "the volume is of another namespace of the name",
            |observed| {
                without_claim(observed);
                note(observed, Some("u-before"));
            },
        ),
        scenario(
            "the volume is of a namespace that was accepted before",
            |observed| {
                without_claim(observed);
                note(observed, Some("u-before"));
                remember(observed, |status| {
                    status.earlier_namespace_uids = vec!["u-before".to_owned()];
                });
            },
        ),
        scenario(
            "nothing says of which namespace the volume is",
            |observed| {
                without_claim(observed);
                note(observed, None);
            },
        ),
        scenario(
            "the ledger remembers the volume, on which no namespace is noted",
            |observed| {
                without_claim(observed);
                note(observed, None);
                remember(observed, |status| {
                    status.volumes = from(json!([{
                        "claim": "data", "claimUid": "u-claim", "volume": "pv-1",
                        "claimManifest": {}, "volumeManifest": {},
                    }]));
                });
            },
        ),
        scenario(
            "the ledger is of another namespace of the name",
            |observed| {
                without_claim(observed);
                observed.world.other_namespace = Some(crate::world::OtherNamespace {
                    ledger: "atra.knowledge".to_owned(),
                    namespace: "atra".to_owned(),
                    remembered: "u-before".to_owned(),
                    present: "u-ns".to_owned(),
                });
            },
        ),
        scenario(
            "a recovery was interrupted after it had recreated the namespace",
            |observed| {
                without_claim(observed);
                observed.world.workload = Fact::Known(WorkloadFact::NotFound);
                observed.database = Fact::Known(None);
                observed.world.recreated = from(json!({
                    "name": "atra.knowledge", "uid": "u-ledger",
                    "annotations": {"holdfast.dev/recreation": "u-ledger.1"},
                }));
            },
        ),
        scenario("everything is bound and a reset stands", reset),
        scenario("the pod that runs has another data directory", |observed| {
            remember_mount(observed, "");
            running(observed).configured_directory = "/var/lib/postgresql/data/pg2".to_owned();
        }),
        scenario(
            "the image of the pod that runs has another data directory",
            |observed| {
                remember_mount(observed, "");
                running(observed).image = "postgres:18".to_owned();
            },
        ),
        scenario(
            "the pod that runs has another directory of the claim",
            |observed| {
                remember_mount(observed, "old");
                running(observed).configured_directory = GOOD_DIRECTORY.to_owned();
            },
        ),
        scenario(
            "the pod that runs is as it was at the last good check",
            |observed| {
                remember_mount(observed, "");
                running(observed).configured_directory = format!("{GOOD_DIRECTORY}/");
            },
        ),
        scenario(
            "the claim is gone and the storage could not delete the volume",
            |observed| {
                without_claim(observed);
                binding(observed).volume =
                    Some(volume_fact(volume("pv-1", "u-claim", "Failed", "Delete")));
            },
        ),
        scenario("the volumes can't be read", |observed| {
            observed.bindings = Fact::Unknown("could not read PersistentVolume pv-1".to_owned());
        }),
        scenario("the ledger can't be read", |observed| {
            observed.world.ledger = Fact::Unknown("could not read DatabaseLedger".to_owned());
        }),
    ]
}

#[test]
fn every_way_back_reads() {
    let mut text = String::new();
    for (name, observed) in scenarios() {
        let _ = writeln!(text, "# {name}");
        match plan_recovery(&observed) {
            Ok(plan) => {
                for finding in &plan.findings {
                    let _ = writeln!(text, "found: {finding}");
                }
                for step in &plan.steps {
                    let mark = if step.consent().is_some() { "!" } else { "-" };
                    let _ = writeln!(text, "  {mark} {}", step.describe());
                }
                for note in &plan.notes {
                    let _ = writeln!(text, "note: {note}");
                }
                for unresolved in &plan.unresolved {
                    let _ = writeln!(text, "unresolved: {unresolved}");
                }
            }
            Err(blocker) => {
                let _ = writeln!(text, "blocked: {blocker}");
            }
        }
        let since = unavailable_since(&observed).map_or_else(
            || "not known, or not unavailable".to_owned(),
            |since: Timestamp| since.to_string(),
        );
        let _ = writeln!(text, "unavailable since: {since}\n");
    }
    insta::assert_snapshot!("recover", text);
}

#[test]
fn no_plan_of_a_recovery_breaks_a_rule() {
    for (name, observed) in scenarios() {
        let Ok(plan) = plan_recovery(&observed) else {
            continue;
        };
        let scope = Scope::User {
            observed: &observed,
            confirmed: None,
        };
        assert_eq!(check_recovery(&scope, &plan), Ok(()), "{name}");
    }
}

#[test]
fn what_could_not_be_read_blocks() {
    type Forget = fn(&mut ObservedRecovery);
    let parts: [(&str, Forget); 7] = [
        ("the other databases", |observed| {
            observed.world.neighbours = unread();
        }),
        ("the claims", |observed| observed.bindings = unread()),
        ("the database", |observed| observed.database = unread()),
        ("the namespace", |observed| {
            observed.world.namespace = unread();
        }),
        ("the ledger", |observed| observed.world.ledger = unread()),
        ("the workload", |observed| {
            observed.world.workload = unread();
        }),
        ("the pods", |observed| {
            workload(observed).volumes[0].persistent_volume_claim = None;
            observed.world.pods = unread();
        }),
    ];
    for (part, forget) in parts {
        let mut observed = observed();
        forget(&mut observed);
        assert!(plan_recovery(&observed).is_err(), "{part}");
    }
}

fn unread<T>() -> Fact<T> {
    Fact::Unknown("could not read it".to_owned())
}
