//! Every rule about bringing back refuses what it is there for, and nothing else does.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::json;

use super::recover::binding;
use super::recovery_sample::{claim, claim_fact, observed, volume, volume_fact};
use super::sample_parts::{confirm, delete, from, known};
use crate::api::WorkloadKind;
use crate::guard;
use crate::plan::{RULES, Rule, RuleViolation, ScaleStep, Scope, Step, VolumeStep, check_by};
use crate::world::{ClaimFact, Fact, ObservedRecovery, VolumeFound, WorkloadFact};

/// Who carries the plan out.
#[derive(Clone, Debug)]
enum By {
    /// A user who was not to be asked.
    User,
    /// A user who has confirmed these steps.
    Asked(Vec<String>),
    /// The operator, for a `DatabaseRestore` that has announced these steps.
    Restore(Vec<String>),
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
    }
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
        Step::RevokeVolumeChange(volume),
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
    let retain = |metadata| {
        Step::RetainVolume(VolumeStep {
            metadata,
            reclaim_policy: "Delete".to_owned(),
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

fn revoked() -> Vec<Case> {
    let mut observed = on_another("Retain");
    let volume = volume_of(&mut observed);
    let confirm = Step::ConfirmVolumeChange(volume.clone());
    let rule = "confirmations_of_volumes_are_revoked";
    let revoked = vec![confirm.clone(), Step::RevokeVolumeChange(volume)];
    vec![Case::new(rule, &observed, vec![confirm], revoked)]
}

fn cases() -> Vec<Case> {
    [
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
        shared(),
        revoked(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Whether a rule has a case here.
pub fn has_case(rule: &str) -> bool {
    cases().iter().any(|case| case.rule == rule)
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
