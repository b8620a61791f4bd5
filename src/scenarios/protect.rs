//! Scenarios of the guard: Retain, marks, and what stands in their way.

use super::render::{Scenario, plans};
use super::sample::{Sample, mark};
use super::sample_parts::{confirm, delete, known, metadata, volume};
use crate::api::{DeletionGuard, names};
use crate::guard::Marks;
use crate::world::Fact;
use crate::world::{
    AgentIdentity, ClaimFact, ClaimOrigin, NeighbourFact, OtherNamespace, PolicyFact, VolumeFact,
    WorkloadFact,
};

const OWNER: &str = "atra/knowledge";
const OTHER: &str = "atra/other";

#[test]
fn plans_of_the_guard() {
    insta::assert_snapshot!("protect", plans(scenarios()));
}

fn shared(sample: Sample, owner: &str) -> Sample {
    sample.claim(|claim| mark(claim.metadata.get_or_insert_default(), owner, Marks::Held))
}

fn terminating(sample: Sample) -> Sample {
    sample.claim(|claim| delete(claim.metadata.get_or_insert_default()))
}

fn extra_claim(name: &str, exists: bool) -> ClaimFact {
    ClaimFact {
        volume_name: None,
        name: name.to_owned(),
        origin: ClaimOrigin {
            extra: true,
            ..ClaimOrigin::default()
        },
        metadata: exists.then(|| metadata(name)),
        phase: "Bound".to_owned(),
        capacity: None,
        manifest: serde_json::Value::Null,
        volume: if exists {
            VolumeFact::Found(Box::new(volume("pvc-redis", "Delete")))
        } else {
            VolumeFact::NotBound
        },
    }
}

/// The guard is switched off, which a user has confirmed.
fn off(sample: Sample) -> Sample {
    sample
        .wanted(|spec| spec.guard.deletion = DeletionGuard::Off)
        .change_confirmed()
}

/// The same, but nobody has confirmed it.
fn off_unconfirmed(sample: Sample) -> Sample {
    sample.wanted(|spec| spec.guard.deletion = DeletionGuard::Off)
}

pub fn scenarios() -> Vec<Scenario> {
    [
        of_other_namespaces(),
        of_kept_volumes(),
        of_claims_and_volumes(),
        of_what_stands_in_the_way(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The UID of a namespace is noted on the volume.
fn noted(sample: Sample, uid: Option<&str>) -> Sample {
    sample.volume(|volume| {
        let annotations = volume.metadata.annotations.get_or_insert_default();
        let key = names::NAMESPACE_UID_ANNOTATION.to_owned();
        match uid {
            Some(uid) => annotations.insert(key, uid.to_owned()),
            None => annotations.remove(&key),
        };
    })
}

/// The ledger is of a namespace that had the name before.
fn replaced(sample: Sample, remembered: &str) -> Sample {
    let other = OtherNamespace {
        ledger: "atra.knowledge".to_owned(),
        namespace: "atra".to_owned(),
        remembered: remembered.to_owned(),
        present: "uid-of-atra".to_owned(),
    };
    sample.with(|observed| {
        observed.ledger = Fact::Unknown(other.describe());
        observed.other_namespace = Some(other);
    })
}

fn of_other_namespaces() -> Vec<Scenario> {
    let (first, settled) = (Sample::first_sight, Sample::settled);
    let bound = |sample: Sample| {
        sample.volume(|volume| {
            volume.claim = serde_json::from_value(serde_json::json!({
                "namespace": "atra", "name": "data-knowledge-postgres-0",
                "uid": "uid-of-data-knowledge-postgres-0",
            }))
            .ok();
        })
    };
    vec![
        (
            "the ledger is of another namespace of the name",
            replaced(first(), "uid-before"),
        ),
        (
            "an older ledger does not say of which namespace it is",
            replaced(first(), ""),
        ),
        (
            "the database is released while the ledger is of another namespace",
            replaced(settled(), "uid-before")
                .deleted()
                .deletion_confirmed(),
        ),
        (
            "the volume is of another namespace of the name",
            noted(settled(), Some("uid-before")),
        ),
        (
            "the volume is of another namespace of the name and on Delete",
            noted(settled(), Some("uid-before"))
                .volume(|volume| volume.reclaim_policy = "Delete".to_owned()),
        ),
        (
            "the volume was marked by a version that noted no namespace",
            noted(bound(settled()), None),
        ),
        (
            "the volume was marked by a version that noted no namespace, and nothing proves it",
            noted(settled(), None),
        ),
        (
            "the claim carries a mark that came with a copy from another namespace",
            shared(first(), "shop/knowledge"),
        ),
        (
            "the claim carries a text that is no name as its mark",
            first().claim(|claim| {
                let metadata = claim.metadata.get_or_insert_default();
                metadata.annotations = Some(
                    [(
                        names::PROTECTED_BY_ANNOTATION.to_owned(),
                        "x; kubectl delete pvc --all #/y".to_owned(),
                    )]
                    .into(),
                );
            }),
        ),
        (
            "the ProtectedDatabase carries the mark of the one it was copied from",
            first().database(|database| mark(&mut database.metadata, OTHER, Marks::Held)),
        ),
    ]
}

fn of_kept_volumes() -> Vec<Scenario> {
    vec![
        (
            "a claim was deleted with confirmation and its volume is kept",
            Sample::settled().kept_volume("pvc-old", |_| ()),
        ),
        (
            "a kept volume is on Delete again",
            Sample::settled().kept_volume("pvc-old", |volume| {
                volume.reclaim_policy = "Delete".to_owned();
            }),
        ),
        (
            "a kept volume lost its marks",
            Sample::settled().kept_volume("pvc-old", |volume| volume.metadata.labels = None),
        ),
        (
            "a kept volume was deleted without confirmation",
            Sample::settled().kept_volume("pvc-old", |volume| delete(&mut volume.metadata)),
        ),
        (
            "a kept volume was deleted with confirmation",
            Sample::settled().kept_volume("pvc-old", |volume| {
                delete(&mut volume.metadata);
                confirm(&mut volume.metadata);
            }),
        ),
    ]
}

fn of_claims_and_volumes() -> Vec<Scenario> {
    let (first, settled) = (Sample::first_sight, Sample::settled);
    vec![
        ("first sight", first()),
        ("everything is settled", settled()),
        (
            "the volume is still on Delete",
            settled().volume(|volume| volume.reclaim_policy = "Delete".to_owned()),
        ),
        (
            "the volume is marked and the claim is not yet",
            first().volume(|volume| {
                mark(&mut volume.metadata, OWNER, Marks::Held);
                volume.reclaim_policy = "Retain".to_owned();
            }),
        ),
        (
            "the claim is marked and its volume is not",
            shared(first(), OWNER),
        ),
        (
            "somebody removed the finalizer of the claim",
            settled().claim(|claim| claim.metadata.get_or_insert_default().finalizers = None),
        ),
        (
            "somebody removed the mark of the ProtectedDatabase",
            settled().database(|database| database.metadata.finalizers = None),
        ),
        (
            "somebody has tied the volume to another claim",
            settled().claim(|claim| {
                claim.volume = VolumeFact::NotBound;
                "Lost".clone_into(&mut claim.phase);
            }),
        ),
        (
            "the namespace is being deleted",
            settled().with(|observed| delete(known(&mut observed.namespace).as_mut().unwrap())),
        ),
        (
            "somebody removed the label of the namespace",
            settled()
                .with(|observed| known(&mut observed.namespace).as_mut().unwrap().labels = None),
        ),
        (
            "the workload was recreated without marks",
            settled().workload(|workload| workload.metadata = metadata("knowledge-postgres")),
        ),
        (
            "the workload is going",
            first().workload(|workload| delete(&mut workload.metadata)),
        ),
        (
            "the claim is not bound yet",
            first().claim(|claim| {
                claim.phase = "Pending".to_owned();
                claim.volume = VolumeFact::NotBound;
            }),
        ),
        (
            "the claim has lost its volume",
            settled().claim(|claim| {
                claim.phase = "Lost".to_owned();
                claim.volume = VolumeFact::Gone("pvc-a".to_owned());
            }),
        ),
        ("the claim is another database's", shared(first(), OTHER)),
        (
            "the volume is another database's and on Delete",
            first().volume(|volume| mark(&mut volume.metadata, OTHER, Marks::Held)),
        ),
        (
            "the claim was deleted without confirmation",
            terminating(settled()),
        ),
        (
            "the claim was deleted before it was ever marked",
            terminating(first()),
        ),
        (
            "the claim was deleted with confirmation",
            terminating(settled()).claim(|claim| confirm(claim.metadata.get_or_insert_default())),
        ),
        (
            "the claim was deleted with confirmation and its volume is on Delete",
            terminating(settled())
                .claim(|claim| confirm(claim.metadata.get_or_insert_default()))
                .volume(|volume| volume.reclaim_policy = "Delete".to_owned()),
        ),
        (
            "the claim carries the UID of another claim as confirmation",
            terminating(settled()).claim(|claim| {
                let annotations = claim
                    .metadata
                    .get_or_insert_default()
                    .annotations
                    .get_or_insert_default();
                annotations.insert(
                    names::CONFIRM_DELETION_ANNOTATION.to_owned(),
                    "uid-of-the-one-before".to_owned(),
                );
            }),
        ),
        (
            "the volume was deleted without confirmation",
            settled().volume(|volume| delete(&mut volume.metadata)),
        ),
        (
            "the volume was deleted before it was ever marked",
            first().volume(|volume| delete(&mut volume.metadata)),
        ),
        (
            "the volume was deleted with confirmation",
            settled().volume(|volume| {
                delete(&mut volume.metadata);
                confirm(&mut volume.metadata);
            }),
        ),
        (
            "an extra claim is found",
            settled().claims(|claims| claims.push(extra_claim("redis-data", true))),
        ),
        (
            "an extra claim does not exist",
            settled().claims(|claims| claims.push(extra_claim("redis-data", false))),
        ),
        (
            "more claims carry the mark than are followed",
            settled().with(|observed| observed.claims_left_out = 8),
        ),
        ("the workload mounts no claim", settled().claims(Vec::clear)),
    ]
}

fn of_what_stands_in_the_way() -> Vec<Scenario> {
    let (first, settled) = (Sample::first_sight, Sample::settled);
    let neighbour = |older, same_workload| NeighbourFact {
        name: "other".to_owned(),
        workload: "other-postgres".to_owned(),
        workload_kind: None,
        selector: None,
        system_identifier: None,
        same_workload,
        older,
        guards: true,
    };
    let with_policy = |policy| settled().with(|observed| observed.policy = Fact::Known(policy));
    let missing = |may_restore| {
        with_policy(PolicyFact::Missing {
            what: "ValidatingAdmissionPolicy holdfast-guard does not exist".to_owned(),
            may_restore,
        })
    };
    let changed = |may_restore| {
        with_policy(PolicyFact::DefinitionChanged {
            what: "CustomResourceDefinition databaseledgers.holdfast.dev does not exist".to_owned(),
            may_restore,
        })
    };
    vec![
        (
            "the agents' role binding gives another role",
            settled().with(|observed| {
                observed.agent_identity = Fact::Known(AgentIdentity::OtherRole {
                    binding: Box::new(metadata("holdfast-agent")),
                    role: Some("ClusterRole cluster-admin".to_owned()),
                });
            }),
        ),
        (
            "the agents' role binding is for others too",
            settled().with(|observed| {
                observed.agent_identity = Fact::Known(AgentIdentity::OtherSubjects);
            }),
        ),
        (
            "the admission policy is missing",
            missing(true),
        ),
        (
            "the admission policy is missing and the role for repairs was left out",
            missing(false),
        ),
        (
            "a definition was edited",
            changed(true),
        ),
        (
            "a definition was edited and the role for repairs was left out",
            changed(false),
        ),
        (
            "an admission policy says that it is of a newer version",
            settled().with(|observed| {
                observed.policy = Fact::Known(PolicyFact::Newer("ValidatingAdmissionPolicy \
                    holdfast-deletion-guard says that Holdfast 99.0.0 has installed it, and is not the \
                    one of this operator, 0.3.0, so what it refuses can't be told".to_owned()));
            }),
        ),
        ("the API server accepts a dry-run delete", settled().with(|observed| observed.policy = Fact::Known(PolicyFact::NotEnforced))),
        (
            "somebody removed the label of the claim and is known by name",
            settled().claim(|claim| {
                let metadata = claim.metadata.get_or_insert_default();
                metadata.labels = None;
                metadata.managed_fields = serde_json::from_value(serde_json::json!([
                    {"manager": "kubectl-label", "operation": "Update", "time": "2026-02-01T09:20:00Z"},
                    {"manager": "holdfast", "operation": "Update", "time": "2026-02-01T09:10:00Z"},
                ]))
                .ok();
            }),
        ),
        ("the guard is switched off", off(settled())),
        ("the guard was never on", off_unconfirmed(first())),
        ("the guard is switched off without confirmation", off_unconfirmed(settled())),
        (
            "the guard is switched off without confirmation and the volume is on Delete",
            off_unconfirmed(settled()).volume(|volume| volume.reclaim_policy = "Delete".to_owned()),
        ),
        (
            "the guard was switched off with a confirmation that has ended",
            off(settled()).at("2026-02-01T09:43:01Z"),
        ),
        (
            "the guard is off and an ended confirmation is left on the database",
            off(first()).at("2026-02-01T09:43:01Z"),
        ),
        (
            "the guard is switched off and the volume is on Delete",
            off(settled()).volume(|volume| volume.reclaim_policy = "Delete".to_owned()),
        ),
        (
            "the guard is switched off beside a neighbour",
            off(settled()).with(|observed| observed.neighbours = Fact::Known(vec![neighbour(false, false)])),
        ),
        ("the guard is switched off and the database deleted", off(settled()).deleted()),
        (
            "the guard is switched off and the database deleted with confirmation",
            off(settled()).deletion_confirmed().deleted(),
        ),
        ("the workload does not exist", settled().with(|observed| observed.workload = Fact::Known(WorkloadFact::NotFound))),
        ("two workloads have the name", settled().with(|observed| observed.workload = Fact::Known(WorkloadFact::Ambiguous))),
        (
            "an older database names the same workload",
            first().with(|observed| observed.neighbours = Fact::Known(vec![neighbour(true, true)])),
        ),
        (
            "a younger database names the same workload",
            settled().with(|observed| observed.neighbours = Fact::Known(vec![neighbour(false, true)])),
        ),
        (
            "no container is called postgres",
            settled().workload(|workload| {
                workload.containers[0].name = "db".to_owned();
                let sidecar = crate::world::ContainerFact { name: "metrics".to_owned(), ..workload.containers[0].clone() };
                workload.containers.push(sidecar);
            }),
        ),
    ]
}
