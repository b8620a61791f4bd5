//! Every rule about bringing back refuses what it is there for, and nothing else does.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::json;

use super::recover::binding;
use super::recovery_sample::{claim, claim_fact, observed, pod_of_twin, twin, volume, volume_fact};
use super::sample_parts::{confirm_at, from, known, time};
use crate::api::{ConfirmedVerb, WorkloadKind};
use crate::guard;
use crate::plan::{
    ConfirmedKind, RULES, RevocationStep, Rule, RuleViolation, ScaleStep, Scope, Step, VolumeStep,
    check_by,
};
use crate::world::{
    ClaimFact, Fact, NeighbourFact, ObservedRecovery, PodFact, VolumeFound, WorkloadFact,
};

/// Who carries the plan out.
#[derive(Clone, Debug)]
enum By {
    /// A user who was not to be asked.
    User,
    /// A user who has confirmed these steps.
    Asked(Vec<String>),
    /// The operator, for a `DatabaseRestore` that has announced these steps.
    Restore(Vec<String>),
    /// The operator, for a `DatabaseRestore` that was deleted on its way.
    GivenUp,
}

/// A rule, what was read, the steps that it refuses, and the steps in their place that it lets
/// pass.
struct Case {
    rule: &'static str,
    by: By,
    observed: ObservedRecovery,
    bad: Vec<Step>,
    good: Vec<Step>,
}

impl Case {
    fn new(
        rule: &'static str,
        observed: &ObservedRecovery,
        bad: Vec<Step>,
        good: Vec<Step>,
    ) -> Self {
        Self {
            rule,
            by: By::User,
            observed: observed.clone(),
            bad,
            good,
        }
    }

    fn by(self, by: By) -> Self {
        Self { by, ..self }
    }

    fn vet(&self, steps: &[Step], rules: &[&(&str, Rule)]) -> Result<(), RuleViolation> {
        let observed = &self.observed;
        let scope = match &self.by {
            By::User => Scope::User {
                observed,
                confirmed: None,
            },
            By::Asked(confirmed) => Scope::User {
                observed,
                confirmed: Some(confirmed),
            },
            By::Restore(announced) => Scope::Restore {
                observed,
                announced,
                is_given_up: false,
            },
            By::GivenUp => Scope::Restore {
                observed,
                announced: &[],
                is_given_up: true,
            },
        };
        check_by(&scope, steps, rules)
    }
}

/// The claim is on another volume of that policy, and its pods have stopped.
fn on_another(policy: &str) -> ObservedRecovery {
    let mut observed = observed();
    let binding = binding(&mut observed);
    binding.claim = Some(claim_fact(claim("u-fresh", "pv-2", "Bound")));
    binding.volume = Some(volume_fact(volume("pv-1", "u-claim", "Released", "Retain")));
    binding.other_volume = Some(volume_fact(volume("pv-2", "u-fresh", "Bound", policy)));
    binding.pods.clear();
    observed
}

fn claim_of(observed: &mut ObservedRecovery) -> Box<ObjectMeta> {
    let claim = binding(observed).claim.as_ref();
    Box::new(
        claim
            .and_then(|claim| claim.metadata.clone())
            .expect("a claim"),
    )
}

fn volume_of(observed: &mut ObservedRecovery) -> Box<ObjectMeta> {
    let volume = binding(observed).volume.as_ref().expect("a volume");
    Box::new(volume.metadata.clone())
}

fn changed(metadata: &ObjectMeta, change: impl FnOnce(&mut ObjectMeta)) -> Box<ObjectMeta> {
    let mut metadata = metadata.clone();
    change(&mut metadata);
    Box::new(metadata)
}

fn without_uid(metadata: &ObjectMeta) -> Box<ObjectMeta> {
    changed(metadata, |metadata| metadata.uid = None)
}

fn reserve(metadata: Box<ObjectMeta>) -> Step {
    Step::ReserveVolume {
        metadata,
        claim_uid: Some("u-claim".to_owned()),
        namespace: "atra".to_owned(),
        claim: "data".to_owned(),
        for_uid: None,
        uses_confirmation: false,
    }
}

/// The same, with the confirmation that it needs.
fn reserve_confirmed(metadata: Box<ObjectMeta>) -> Step {
    match reserve(metadata) {
        Step::ReserveVolume {
            metadata,
            claim_uid,
            namespace,
            claim,
            for_uid,
            ..
        } => Step::ReserveVolume {
            metadata,
            claim_uid,
            namespace,
            claim,
            for_uid,
            uses_confirmation: true,
        },
        other => other,
    }
}

/// When this database is read, its objects have just been confirmed and deleted.
fn confirm(metadata: &mut ObjectMeta) {
    confirm_at(metadata, ConfirmedVerb::Delete, "2026-02-01T09:03:00Z");
}

fn delete(metadata: &mut ObjectMeta) {
    metadata.deletion_timestamp = Some(time("2026-02-01T09:03:30Z"));
}

fn scale_down(uid: &str) -> Step {
    Step::ScaleDown(ScaleStep {
        kind: WorkloadKind::StatefulSet,
        metadata: from(json!({"name": "pg", "uid": uid})),
        replicas: 1,
        scaled_up_to: 1,
    })
}

/// Confirms the deletion of a claim, and deletes it.
fn remove(claim: &ObjectMeta) -> Vec<Step> {
    let claim = || Box::new(claim.clone());
    vec![
        Step::ConfirmClaimDeletion(claim()),
        Step::DeleteClaim(claim()),
        Step::FinishClaimDeletion(claim()),
    ]
}

fn who_may() -> Vec<Case> {
    let mut observed = observed();
    let volume = volume_of(&mut observed);
    let namespace = json!({"metadata": {"name": "atra"}});
    let rule = "steps_are_for_who_may";
    let case = |bad: Vec<Step>| Case::new(rule, &observed, bad.clone(), bad);
    let change = vec![
        Step::ConfirmVolumeChange(volume.clone()),
        reserve_confirmed(volume),
    ];
    vec![
        case(vec![Step::CreateNamespace(namespace)]).by(By::Restore(Vec::new())),
        case(change).by(By::Restore(Vec::new())),
        Case::new(
            rule,
            &observed,
            vec![Step::EnsureAgentIdentity],
            vec![Step::Await("nothing".to_owned())],
        ),
    ]
}

fn pinned() -> Vec<Case> {
    let mut observed = on_another("Retain");
    let volume = volume_of(&mut observed);
    let touch = |metadata| Step::TouchClaim {
        metadata,
        volume_version: "9".to_owned(),
    };
    let claim = claim_of(&mut observed);
    let mut unnamed = observed.clone();
    // What was read has no UID either, so that no other rule sees the difference.
    binding(&mut unnamed)
        .volume
        .as_mut()
        .expect("a volume")
        .metadata
        .uid = None;
    vec![Case::new(
        "writes_are_pinned",
        &unnamed,
        vec![reserve(without_uid(&volume))],
        vec![touch(claim)],
    )]
}

fn terminating() -> Vec<Case> {
    let mut observed = observed();
    let namespace = known(&mut observed.world.namespace)
        .clone()
        .expect("a namespace");
    let database = known(&mut observed.database)
        .clone()
        .expect("a database")
        .metadata;
    let deleted = |metadata: &ObjectMeta| changed(metadata, delete);
    let case = |bad, good| {
        Case::new(
            "what_is_confirmed_is_terminating",
            &observed,
            vec![bad],
            vec![good],
        )
    };
    vec![
        case(
            Step::ConfirmNamespaceDeletion(Box::new(namespace.clone())),
            Step::ConfirmNamespaceDeletion(deleted(&namespace)),
        ),
        case(
            Step::ConfirmDatabaseDeletion(Box::new(database.clone())),
            Step::ConfirmDatabaseDeletion(deleted(&database)),
        ),
    ]
}

fn confirmed() -> Vec<Case> {
    let mut observed = on_another("Retain");
    let claim = claim_of(&mut observed);
    let namespace = known(&mut observed.world.namespace)
        .clone()
        .expect("a namespace");
    let database = known(&mut observed.database)
        .clone()
        .expect("a database")
        .metadata;
    let deleted = |metadata: &ObjectMeta| changed(metadata, delete);
    let gone = |metadata: &ObjectMeta| {
        changed(metadata, |metadata| {
            delete(metadata);
            confirm(metadata);
        })
    };
    let case = |bad, good| Case::new("removals_are_confirmed", &observed, bad, good);
    vec![
        case(vec![Step::DeleteClaim(claim.clone())], remove(&claim)),
        case(
            vec![Step::FinishClaimDeletion(deleted(&claim))],
            vec![Step::FinishClaimDeletion(gone(&claim))],
        ),
        // Confirmed too long ago.
        case(
            vec![Step::DeleteClaim(changed(&claim, |claim| {
                confirm_at(claim, ConfirmedVerb::Delete, "2026-02-01T08:48:00Z");
            }))],
            vec![Step::DeleteClaim(changed(&claim, confirm))],
        ),
        // A change is confirmed, and not the deletion.
        case(
            vec![Step::DeleteClaim(changed(&claim, |claim| {
                confirm_at(claim, ConfirmedVerb::Change, "2026-02-01T09:03:00Z");
            }))],
            vec![Step::DeleteClaim(changed(&claim, confirm))],
        ),
        // Confirmed, but not deleted: the finalizer is what is left of the guard.
        case(
            vec![Step::FinishClaimDeletion(changed(&claim, confirm))],
            vec![Step::DeleteClaim(changed(&claim, confirm))],
        ),
        case(
            vec![Step::FinalizeNamespace(deleted(&namespace))],
            vec![
                Step::ConfirmNamespaceDeletion(deleted(&namespace)),
                Step::FinalizeNamespace(deleted(&namespace)),
            ],
        ),
        case(
            vec![Step::FinalizeNamespace(changed(&namespace, confirm))],
            vec![Step::FinalizeNamespace(gone(&namespace))],
        ),
        case(
            vec![Step::FinishDatabaseDeletion(deleted(&database))],
            vec![Step::FinishDatabaseDeletion(gone(&database))],
        ),
    ]
}

fn agreed() -> Vec<Case> {
    let mut observed = on_another("Retain");
    let claim = claim_of(&mut observed);
    let steps = [vec![scale_down("u-sts")], remove(&claim)].concat();
    let consent: Vec<String> = steps.iter().filter_map(Step::consent).collect();
    let of_another = [vec![scale_down("u-other")], remove(&claim)].concat();
    let of_another: Vec<String> = of_another.iter().filter_map(Step::consent).collect();
    let rule = "disturbances_were_agreed_to";
    let refused =
        |by| Case::new(rule, &observed, steps.clone(), remove(&claim)[..1].to_vec()).by(by);
    let passes = |by| {
        let nothing_agreed = vec![Step::DeleteClaim(changed(&claim, confirm))];
        let steps = steps.clone();
        Case {
            bad: nothing_agreed,
            good: steps,
            ..refused(by)
        }
    };
    let all_but_the_claim = vec![consent[0].clone()];
    vec![
        refused(By::Asked(Vec::new())),
        refused(By::Restore(Vec::new())),
        refused(By::Asked(all_but_the_claim)),
        refused(By::Asked(of_another)),
        // What was agreed to is one object; another of the name is asked about again.
        Case {
            bad: vec![Step::DeleteClaim(changed(&claim, |claim| {
                confirm(claim);
                claim.name = Some("renamed".to_owned());
            }))],
            ..passes(By::Asked(consent))
        },
    ]
}

fn own() -> Vec<Case> {
    let mut observed = on_another("Retain");
    let (claim, volume) = (claim_of(&mut observed), volume_of(&mut observed));
    let rule = "recovery_stays_with_the_databases_own";
    let case = |bad: Step, good: Step| Case::new(rule, &observed, vec![bad], vec![good]);
    let other = |metadata: &ObjectMeta| {
        changed(metadata, |metadata| {
            metadata.uid = Some("u-other".to_owned());
        })
    };
    let touch = |metadata| Step::TouchClaim {
        metadata,
        volume_version: "9".to_owned(),
    };
    let revoke = |metadata: Box<ObjectMeta>| {
        Step::RevokeConfirmation(RevocationStep {
            kind: ConfirmedKind::Claim,
            metadata,
            verb: ConfirmedVerb::Delete,
        })
    };
    let retain = |metadata| {
        Step::RetainVolume(VolumeStep {
            metadata,
            reclaim_policy: "Delete".to_owned(),
            namespace_uid: None,
        })
    };
    let new_claim = |name: &str, volume: &str| {
        Step::CreateClaim(json!({"metadata": {"name": name}, "spec": {"volumeName": volume}}))
    };
    let namespace = known(&mut observed.clone().world.namespace)
        .clone()
        .expect("a namespace");
    let deleted = |metadata: &ObjectMeta| changed(metadata, delete);
    let mut theirs = on_another("Retain");
    let marked = changed(&claim, |claim| {
        let annotations = claim.annotations.get_or_insert_default();
        annotations.insert(
            "holdfast.dev/protected-by".to_owned(),
            "atra/other".to_owned(),
        );
    });
    let there = &mut binding(&mut theirs).claim;
    there.as_mut().expect("a claim").metadata = Some((*marked).clone());
    vec![
        case(touch(other(&claim)), touch(claim.clone())),
        case(retain(other(&volume)), retain(volume.clone())),
        case(
            revoke(changed(&other(&claim), confirm)),
            revoke(changed(&claim, confirm)),
        ),
        case(new_claim("orders", "pv-1"), new_claim("data", "pv-1")),
        case(new_claim("data", "pv-9"), new_claim("data", "pv-1")),
        Case::new(
            rule,
            &super::recovery_sample::observed(),
            vec![scale_up("u-other")],
            vec![scale_up("u-sts")],
        ),
        case(
            Step::ConfirmNamespaceDeletion(deleted(&other(&namespace))),
            Step::ConfirmNamespaceDeletion(deleted(&namespace)),
        ),
        Case::new(rule, &theirs, vec![touch(marked)], vec![retain(volume)]),
    ]
}

fn kept() -> Vec<Case> {
    let mut observed = on_another("Delete");
    let claim = claim_of(&mut observed);
    let other: VolumeFound = binding(&mut observed)
        .other_volume
        .clone()
        .expect("a volume");
    let mark = Step::MarkVolume(VolumeStep {
        metadata: Box::new(other.metadata),
        reclaim_policy: other.reclaim_policy,
        namespace_uid: None,
    });
    let kept_first = [vec![mark], remove(&claim)].concat();
    let rule = "claims_go_when_their_volume_is_kept";
    vec![Case::new(rule, &observed, remove(&claim), kept_first)]
}

fn without_pods() -> Vec<Case> {
    let mut observed = on_another("Retain");
    binding(&mut observed).pods = super::recovery_sample::observed().known_bindings()[0]
        .pods
        .clone();
    let claim = claim_of(&mut observed);
    let waits = [
        vec![Step::Await("the pods to stop".to_owned())],
        remove(&claim),
    ]
    .concat();
    vec![Case::new(
        "claims_go_without_pods",
        &observed,
        remove(&claim),
        waits,
    )]
}

/// A volume object as it is recreated.
fn created(policy: &str, claim: &str) -> Vec<Step> {
    vec![Step::CreateVolume(json!({
        "metadata": {"name": "pv-1"},
        "spec": {
            "persistentVolumeReclaimPolicy": policy,
            "claimRef": {"namespace": "atra", "name": claim},
        },
    }))]
}

fn not_taken() -> Vec<Case> {
    let mut observed = on_another("Retain");
    let volume = volume_of(&mut observed);
    let mut held = observed.clone();
    binding(&mut held).held_by_other = true;
    let mut gone = observed.clone();
    binding(&mut gone).volume = None;
    let mut twin = gone.clone();
    binding(&mut twin).same_storage = Some("pv-9".to_owned());
    let mut theirs = observed.clone();
    let marked = changed(&volume, |volume| {
        let annotations = volume.annotations.get_or_insert_default();
        annotations.insert(
            "holdfast.dev/protected-by".to_owned(),
            "atra/other".to_owned(),
        );
    });
    let present = &mut binding(&mut theirs).volume;
    present.as_mut().expect("a volume").metadata = (*marked).clone();
    let for_another = Step::ReserveVolume {
        metadata: volume.clone(),
        claim_uid: None,
        namespace: "atra".to_owned(),
        claim: "orders".to_owned(),
        for_uid: None,
        uses_confirmation: false,
    };
    let nothing = vec![Step::Await("nothing".to_owned())];
    let rule = "volumes_are_not_taken_from_others";
    vec![
        Case::new(rule, &held, vec![reserve(volume.clone())], nothing.clone()),
        Case::new(rule, &observed, vec![for_another], vec![reserve(volume)]),
        Case::new(rule, &theirs, vec![reserve(marked)], nothing.clone()),
        Case::new(rule, &twin, created("Retain", "data"), nothing),
        Case::new(
            rule,
            &gone,
            created("Delete", "data"),
            created("Retain", "data"),
        ),
        Case::new(
            rule,
            &gone,
            created("Retain", "orders"),
            created("Retain", "data"),
        ),
    ]
}

fn started() -> Vec<Case> {
    let running = observed();
    let mut stopped = observed();
    stopped.world.pods = Fact::Known(Vec::new());
    binding(&mut stopped).pods.clear();
    let unbound = on_another("Retain");
    let mount = |claim: &str| Step::MountClaim {
        kind: WorkloadKind::StatefulSet,
        metadata: from(json!({"name": "pg", "uid": "u-sts"})),
        index: 0,
        volume: Box::default(),
        claim: claim.to_owned(),
    };
    let wait = || Step::Await("it".to_owned());
    let rule = "pods_start_on_their_own_claims";
    vec![
        Case::new(rule, &stopped, vec![mount("orders")], vec![mount("data")]),
        Case::new(
            rule,
            &running,
            vec![mount("data")],
            vec![wait(), mount("data")],
        ),
        Case::new(
            rule,
            &unbound,
            vec![scale_up("u-sts")],
            vec![wait(), scale_up("u-sts")],
        ),
    ]
}

fn scale_up(uid: &str) -> Step {
    Step::ScaleUp(ScaleStep {
        kind: WorkloadKind::StatefulSet,
        metadata: from(json!({"name": "pg", "uid": uid})),
        replicas: 1,
        scaled_up_to: 1,
    })
}

fn shared() -> Vec<Case> {
    let rule = "one_server_on_each_data_directory";
    let to = |scaled_up_to: i32| {
        Step::ScaleUp(ScaleStep {
            kind: WorkloadKind::StatefulSet,
            metadata: from(json!({"name": "pg", "uid": "u-sts"})),
            replicas: 3,
            scaled_up_to,
        })
    };
    let mut own_claims = observed();
    if let WorkloadFact::Found(workload) = known(&mut own_claims.world.workload) {
        workload.volumes.clear();
        workload.claim_templates = vec!["data".to_owned()];
    }
    own_claims.world.pods = Fact::Known(Vec::new());
    binding(&mut own_claims).pods = Vec::new();
    let mount = Step::MountClaim {
        kind: WorkloadKind::StatefulSet,
        metadata: from(json!({"name": "pg", "uid": "u-sts"})),
        index: 0,
        volume: Box::default(),
        claim: "data".to_owned(),
    };
    let mut many = own_claims.clone();
    if let WorkloadFact::Found(workload) = known(&mut many.world.workload) {
        workload.replicas = 3;
    }
    vec![
        Case::new(rule, &observed(), vec![to(3)], vec![to(1)]),
        Case::new(
            rule,
            &own_claims,
            vec![mount.clone(), to(3)],
            vec![mount.clone(), to(1)],
        ),
        Case::new(rule, &observed(), vec![to(2)], vec![to(0)]),
        Case::new(
            rule,
            &many,
            vec![mount.clone()],
            vec![scale_down("u-sts"), mount.clone()],
        ),
    ]
}

fn beside() -> Vec<Case> {
    let rule = "no_server_beside_that_of_a_twin";
    let used = |pods: Fact<Vec<PodFact>>| {
        let mut observed = observed();
        binding(&mut observed).twins = vec![twin(pods)];
        observed
    };
    let up = vec![scale_up("u-sts")];
    let nothing = || vec![Step::Await("nothing".to_owned())];
    vec![
        Case::new(
            rule,
            &used(Fact::Known(vec![pod_of_twin()])),
            up.clone(),
            nothing(),
        ),
        Case::new(
            rule,
            &used(Fact::Unknown("not permitted".to_owned())),
            up,
            nothing(),
        ),
    ]
}

fn scaled() -> Vec<Case> {
    let rule = "scaling_down_deletes_no_claim";
    let nothing = vec![Step::Await("nothing".to_owned())];
    let mut deletes = observed();
    if let WorkloadFact::Found(workload) = known(&mut deletes.world.workload) {
        workload.deletes_claims_when_scaled = true;
    }
    vec![Case::new(
        rule,
        &deletes,
        vec![scale_down("u-sts")],
        nothing,
    )]
}

fn used_up() -> Vec<Case> {
    let mut observed = on_another("Retain");
    let volume = volume_of(&mut observed);
    let confirm = Step::ConfirmVolumeChange(volume.clone());
    let rule = "confirmations_of_volumes_are_used_up";
    let left = vec![confirm.clone(), reserve(volume.clone())];
    let used = vec![confirm, reserve_confirmed(volume)];
    vec![
        Case::new(rule, &observed, left, used.clone()),
        Case::new(rule, &observed, used[..1].to_vec(), used),
    ]
}

/// A claim that nothing ties to the database: no mark, no workload, no `extraClaims`, no ledger.
fn of_nobody() -> ObservedRecovery {
    let mut observed = on_another("Retain");
    let claim = binding(&mut observed).claim.as_mut();
    let metadata = claim.and_then(|claim| claim.metadata.as_mut());
    let metadata = metadata.expect("a claim");
    (metadata.labels, metadata.annotations, metadata.finalizers) = (None, None, None);
    if let WorkloadFact::Found(workload) = known(&mut observed.world.workload) {
        workload.volumes.clear();
    }
    observed
}

fn owned() -> Vec<Case> {
    let mut observed = of_nobody();
    let claim = claim_of(&mut observed);
    let mut named = observed.clone();
    let database = known(&mut named.database).as_mut().expect("a database");
    database.spec.extra_claims = vec!["data".to_owned()];
    let mut gone = of_nobody();
    binding(&mut gone).claim = None;
    let volume = binding(&mut gone).volume.as_mut().expect("a volume");
    volume.metadata.annotations = from(json!({"holdfast.dev/namespace-uid": "u-ns"}));
    let create =
        Step::CreateClaim(json!({"metadata": {"name": "data"}, "spec": {"volumeName": "pv-1"}}));
    let nothing = || vec![Step::Await("nothing".to_owned())];
    let rule = "claims_are_the_databases_own";
    vec![
        Case::new(rule, &observed, remove(&claim), nothing()),
        Case::new(rule, &gone, vec![create], nothing()),
        // Named by the spec it may go, but not unconfirmed, although no mark is on it.
        Case::new(
            "removals_are_confirmed",
            &named,
            vec![Step::DeleteClaim(claim.clone())],
            remove(&claim),
        ),
    ]
}

fn of_namespace() -> Vec<Case> {
    let rule = "volumes_are_of_this_namespace";
    let noted = |uid: Option<&str>| {
        let mut observed = on_another("Retain");
        let volume = binding(&mut observed).volume.as_mut().expect("a volume");
        let annotations = volume.metadata.annotations.get_or_insert_default();
        match uid {
            Some(uid) => {
                annotations.insert("holdfast.dev/namespace-uid".to_owned(), uid.to_owned())
            }
            None => annotations.remove("holdfast.dev/namespace-uid"),
        };
        let volume = volume_of(&mut observed);
        (observed, volume)
    };
    let nothing = || vec![Step::Await("nothing".to_owned())];
    let create =
        Step::CreateClaim(json!({"metadata": {"name": "data"}, "spec": {"volumeName": "pv-1"}}));
    let (others, volume) = noted(Some("u-before"));
    let (unknown, unnoted) = noted(None);
    let confirm = |volume: &ObjectMeta| {
        let volume = || Box::new(volume.clone());
        vec![
            Step::ConfirmVolumeChange(volume()),
            reserve_confirmed(volume()),
        ]
    };
    vec![
        Case::new(rule, &others, vec![reserve(volume.clone())], nothing()),
        Case::new(rule, &unknown, vec![reserve(unnoted)], nothing()),
        Case::new(rule, &others, vec![create], nothing()),
        Case::new(rule, &others, confirm(&volume), nothing()),
    ]
}

fn others_pods() -> Vec<Case> {
    let with_pod = |change: &dyn Fn(&mut ObservedRecovery)| {
        let mut observed = on_another("Retain");
        let mut pod = super::recovery_sample::observed().known_bindings()[0].pods[0].clone();
        "reports-0".clone_into(&mut pod.name);
        "u-reports".clone_into(&mut pod.uid);
        binding(&mut observed).pods = vec![pod];
        change(&mut observed);
        observed
    };
    let observed = with_pod(&|_| ());
    let bound = with_pod(&|observed| {
        let present = super::recovery_sample::observed();
        let present = &present.known_bindings()[0];
        binding(observed).claim = present.claim.clone();
        binding(observed).volume = present.volume.clone();
        observed.world.pods = Fact::Known(Vec::new());
    });
    let volume = volume_of(&mut with_pod(&|_| ()));
    let mount = Step::MountClaim {
        kind: WorkloadKind::StatefulSet,
        metadata: from(json!({"name": "pg", "uid": "u-sts"})),
        index: 0,
        volume: Box::default(),
        claim: "data".to_owned(),
    };
    let nothing = || vec![Step::Await("nothing".to_owned())];
    let rule = "pods_of_others_are_not_disturbed";
    vec![
        Case::new(rule, &observed, vec![scale_down("u-sts")], nothing()),
        Case::new(rule, &observed, vec![reserve(volume)], nothing()),
        Case::new(rule, &bound, vec![mount], nothing()),
    ]
}

fn confirmed_by_restores() -> Vec<Case> {
    let mut observed = on_another("Retain");
    let claim = claim_of(&mut observed);
    let by_user = changed(&claim, confirm);
    let annotated = |restore: &str| {
        changed(&by_user, |claim| {
            let annotations = claim.annotations.get_or_insert_default();
            annotations.insert(
                "holdfast.dev/confirmed-for-restore".to_owned(),
                restore.to_owned(),
            );
        })
    };
    let rule = "restores_confirm_what_they_delete";
    let case = |bad: Box<ObjectMeta>, good: Vec<Step>| {
        let bad = vec![Step::DeleteClaim(bad)];
        let announced = [bad.clone(), good.clone()].concat();
        let announced = announced.iter().filter_map(Step::consent).collect();
        Case::new(rule, &observed, bad, good).by(By::Restore(announced))
    };
    vec![
        case(by_user.clone(), remove(&claim)),
        case(
            annotated("shop/back"),
            vec![Step::DeleteClaim(annotated("atra/back"))],
        ),
    ]
}

fn accepted() -> Vec<Case> {
    let observed = observed();
    let mut recreated = observed.clone();
    let ledger: ObjectMeta = from(json!({"name": "atra.knowledge", "uid": "u-ledger"}));
    recreated.world.recreated = Some(ledger.clone());
    let accept = |uid: &str| {
        vec![Step::AcceptNamespace {
            ledger: Box::new(ledger.clone()),
            namespace_uid: uid.to_owned(),
        }]
    };
    let rule = "only_recreated_namespaces_are_accepted";
    let nothing = vec![Step::Await("nothing".to_owned())];
    vec![
        Case::new(rule, &observed, accept("u-ns"), nothing),
        Case::new(rule, &recreated, accept("u-other"), accept("u-ns")),
    ]
}

/// A restore was deleted on its way: pods start where the claims are as they were.
fn given_up() -> Vec<Case> {
    let scale_up = || match scale_down("u-sts") {
        Step::ScaleDown(step) => vec![Step::ScaleUp(step)],
        other => vec![other],
    };
    let nothing = || vec![Step::Await("nothing".to_owned())];
    let rule = "pods_start_on_their_own_claims";
    let as_it_was = on_another("Retain");
    let mut gone = on_another("Retain");
    binding(&mut gone).claim = None;
    let mut unread = on_another("Retain");
    binding(&mut unread).other_volume = None;
    vec![
        Case::new(rule, &gone, scale_up(), nothing()).by(By::GivenUp),
        Case::new(rule, &unread, scale_up(), nothing()).by(By::GivenUp),
        Case::new(rule, &as_it_was, scale_up(), nothing()),
        Case::new(
            "steps_are_for_who_may",
            &as_it_was,
            vec![Step::EnsureAgentIdentity],
            scale_up(),
        )
        .by(By::GivenUp),
    ]
}

/// Another database names the same workload: its pods may be those of the other.
fn contested() -> Vec<Case> {
    let beside = |older: bool| {
        let mut observed = observed();
        observed.world.neighbours = Fact::Known(vec![NeighbourFact {
            name: "other".to_owned(),
            workload: "pg".to_owned(),
            workload_kind: None,
            selector: None,
            system_identifier: None,
            same_workload: true,
            older,
            guards: true,
        }]);
        observed
    };
    let scale_up = || match scale_down("u-sts") {
        Step::ScaleDown(step) => Step::ScaleUp(step),
        other => other,
    };
    let nothing = || vec![Step::Await("nothing".to_owned())];
    let mut unread = observed();
    unread.world.neighbours = Fact::Unknown("refused".to_owned());
    let case = |observed: &ObservedRecovery, bad: Step, good| {
        let rule = "recovery_leaves_the_workloads_of_others";
        Case::new(rule, observed, vec![bad], good)
    };
    vec![
        case(&beside(true), scale_down("u-sts"), nothing()),
        case(&beside(true), scale_up(), nothing()),
        // Pods that a recovery has stopped are given back.
        case(&beside(false), scale_down("u-sts"), vec![scale_up()]),
        case(&unread, scale_down("u-sts"), nothing()),
    ]
}

fn cases() -> Vec<Case> {
    [
        contested(),
        given_up(),
        owned(),
        of_namespace(),
        others_pods(),
        confirmed_by_restores(),
        accepted(),
        who_may(),
        pinned(),
        terminating(),
        confirmed(),
        agreed(),
        own(),
        kept(),
        without_pods(),
        not_taken(),
        started(),
        scaled(),
        beside(),
        shared(),
        used_up(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The rules that have a case here.
pub fn with_case() -> BTreeSet<&'static str> {
    cases().iter().map(|case| case.rule).collect()
}

#[test]
fn every_rule_refuses_what_it_is_there_for_and_lets_the_rest_pass() {
    let all: Vec<_> = RULES.iter().collect();
    for case in cases() {
        let (rule, bad, good) = (case.rule, &case.bad, &case.good);
        assert!(case.vet(bad, &all).is_err(), "{rule}: {bad:?}");
        // A step that is for nobody of the kind has nothing in its place that passes.
        if bad != good {
            assert_eq!(case.vet(good, &all), Ok(()), "{rule}: {good:?}");
        }
    }
}

#[test]
fn without_its_rule_every_bad_plan_passes() {
    for case in cases() {
        let others: Vec<_> = RULES
            .iter()
            .filter(|(name, _)| *name != case.rule)
            .collect();
        assert_eq!(
            case.vet(&case.bad, &others),
            Ok(()),
            "{}: {:?}",
            case.rule,
            case.bad
        );
    }
}

#[test]
fn a_claim_is_the_one_that_was_read() {
    let claim = claim_fact(claim("u-fresh", "pv-2", "Bound"));
    assert_eq!(ClaimFact::uid(&claim), Some("u-fresh"));
    assert!(guard::is_held(claim.metadata.as_ref().expect("a claim")));
}
