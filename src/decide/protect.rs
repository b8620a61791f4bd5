//! The guard's part of a plan: Retain first, then the marks, then what can be read back. Pure.

use std::time::Duration;

use super::area::{Area, Stall, guard_wanted};
use super::gap::{Gap, unknown};
use super::judge::Judged;
use super::ways_back::{recover_command, recreate_volume};
use super::{claims_report, data_place, release, second_server, shared_data, surroundings};
use crate::api::{ConditionStatus, ConditionType, DesiredCondition, reasons};
use crate::guard::{self, MarkState, Marks};
use crate::plan::{Permit, Plan, Release, Step, VolumeStep};
use crate::world::{ClaimFact, Fact, Observed, PolicyFact, VolumeFact, VolumeFound};

/// How long until a claim that does not exist is looked for again.
const MISSING_CLAIM_PAUSE: Duration = Duration::from_secs(15);

/// How long until it is read again whether what others run beside the database has stopped.
const OTHERS_PAUSE: Duration = Duration::from_secs(15);

/// How long until a deletion is tried again that should have been refused.
const TRIAL_PAUSE: Duration = Duration::from_secs(10);

/// Plans the marks and says what of the guard is there.
pub fn guard(
    observed: &Observed,
    judged: &Judged<'_>,
    stall: Option<&Stall>,
    plan: &mut Plan,
) -> Area {
    claims_report::report_claims(observed, plan);
    if !guard_wanted(observed) {
        if release::release_guard(observed, &Permit::GuardOff, plan) {
            release::release_database(observed, Permit::GuardOff, plan);
        }
        let message = release::unconfirmed(observed).map_or_else(
            || {
                "spec.guard.deletion is Off: nothing refuses to delete the claims and volumes of \
                this database"
                    .to_owned()
            },
            |waits| {
                format!("spec.guard.deletion is Off, but the marks can't be removed yet: {waits}")
            },
        );
        condition(plan, ConditionStatus::False, reasons::GUARD_OFF, message);
        return Area::default();
    }
    let owner = observed.owner();
    let mut gaps = Vec::new();
    if guard::mark_state(&observed.database.metadata, &owner, Marks::Held) != MarkState::Ours {
        plan.steps.push(Step::MarkDatabase(Box::new(
            observed.database.metadata.clone(),
        )));
        gaps.push(Gap {
            reason: reasons::GUARDING,
            message: "the ProtectedDatabase itself is being marked".to_owned(),
        });
    }
    match &observed.claims.known() {
        None => gaps.extend(unknown(observed.claims.unknown())),
        Some(claims) => {
            for claim in *claims {
                guard_claim(observed, claim, plan, &mut gaps);
            }
            if claims.is_empty() && stall.is_none() {
                gaps.push(Gap {
                    reason: reasons::NO_CLAIMS,
                    message: format!(
                        "the workload mounts no PersistentVolumeClaim: its data is lost when the \
                         pod is deleted. Mount a claim at the data directory of {}",
                        observed.database.spec.workload.name
                    ),
                });
            }
        }
    }
    gaps.extend(data_place::off_claim(observed, judged, plan));
    let of_others = [
        shared_data::mounted_twice(observed),
        second_server::selected_too(observed),
    ];
    gaps.extend(of_others.into_iter().flatten());
    guard_kept_volumes(observed, plan, &mut gaps);
    surroundings::mark_surroundings(observed, &owner, plan, &mut gaps);
    match &observed.policy {
        Fact::Unknown(why) => gaps.extend(unknown(Some(why))),
        Fact::Known(PolicyFact::Missing(what)) => gaps.push(Gap {
            reason: reasons::POLICY_MISSING,
            message: format!(
                "{what}, so the API server may not refuse deletions; finalizers and Retain still \
                 hold. The operator restores it; if this stays, apply the installation manifest \
                 again: kubectl apply --server-side -f install.yaml"
            ),
        }),
        Fact::Known(PolicyFact::DefinitionChanged(what)) => gaps.push(Gap {
            reason: reasons::DEFINITION_CHANGED,
            message: format!(
                "{what}; what is written to objects of this kind may be lost or refused. Claims \
                 and volumes stay guarded. The operator restores what is not being deleted; if \
                 this stays, apply the definitions again: holdfast crd | kubectl apply \
                 --server-side --force-conflicts -f -"
            ),
        }),
        Fact::Known(PolicyFact::NotEnforced) => {
            gaps.push(Gap {
                reason: reasons::POLICY_MISSING,
                message: format!(
                    "the API server did not refuse a dry-run delete of this ProtectedDatabase \
                     (kubectl -n {} delete protdb {} --dry-run=server), although the admission \
                     policies exist; it takes about a second to enforce new ones. Finalizers and \
                     Retain still hold",
                    observed.namespace_name(),
                    observed.name()
                ),
            });
            plan.again_after = Some(TRIAL_PAUSE);
        }
        Fact::Known(PolicyFact::InForce) => {}
    }
    gaps.extend(shared_data::may_overlap(observed));
    gaps.extend(second_server::second_workload(observed));
    if gaps.iter().any(|gap| is_about_others(gap.reason)) {
        plan.read_again_after(OTHERS_PAUSE);
    }
    let area_stall = gaps
        .iter()
        .find(|gap| gap.reason == reasons::CLAIM_SHARED)
        .map(|gap| Stall {
            reason: gap.reason,
            message: gap.message.clone(),
        });
    if let Some(stall) = stall {
        gaps.insert(
            0,
            Gap {
                reason: stall.reason,
                message: stall.message.clone(),
            },
        );
    }
    // What a user must see comes before what passes by waiting.
    gaps.sort_by_key(|gap| match gap.reason {
        reasons::GUARDING => 3,
        reasons::CLAIM_NOT_BOUND => 2,
        reasons::NAMESPACE_TERMINATING => 0,
        _ => 1,
    });
    let waiting_on = gaps
        .iter()
        .find(|gap| gap.reason == reasons::GUARDING)
        .map(|gap| gap.message.clone());
    if let Some(gap) = gaps.into_iter().next() {
        condition(plan, ConditionStatus::False, gap.reason, gap.message);
    } else {
        let guarded = plan
            .status
            .claims
            .iter()
            .map(|claim| format!("{} ({})", claim.name, claim.volume))
            .collect::<Vec<_>>()
            .join(", ");
        let message = format!(
            "deletion is refused, finalizers are set and volumes are on Retain for {guarded}"
        );
        condition(plan, ConditionStatus::True, reasons::GUARDED, message);
    }
    Area {
        stall: area_stall,
        waiting_on,
    }
}

/// Whether a gap ends with what others run. That is not watched.
fn is_about_others(reason: &str) -> bool {
    [
        reasons::CLAIM_MOUNTED_TWICE,
        reasons::OTHER_SERVER_SELECTED,
        reasons::SECOND_SERVER,
    ]
    .contains(&reason)
}

fn condition(plan: &mut Plan, status: ConditionStatus, reason: &'static str, message: String) {
    plan.conditions.push(DesiredCondition {
        condition: ConditionType::Guarded,
        status,
        reason,
        message,
    });
}

fn guard_claim(observed: &Observed, claim: &ClaimFact, plan: &mut Plan, gaps: &mut Vec<Gap>) {
    let namespace = observed.namespace_name();
    let name = &claim.name;
    let Some(metadata) = &claim.metadata else {
        let field = if claim.origin.extra {
            "spec.extraClaims"
        } else {
            "the workload's pod template"
        };
        gaps.push(Gap {
            reason: reasons::CLAIM_NOT_FOUND,
            message: format!(
                "{field} names PersistentVolumeClaim {name}, which does not exist in namespace \
                 {namespace}. If it existed before, recover it: {}. Otherwise create it, or name \
                 one that exists: kubectl -n {namespace} get pvc",
                recover_command(observed)
            ),
        });
        // Claims without marks are not watched: that it was created is seen only by looking.
        plan.again_after = Some(
            plan.again_after
                .map_or(MISSING_CLAIM_PAUSE, |again| again.min(MISSING_CLAIM_PAUSE)),
        );
        return;
    };
    let owner = observed.owner();
    let state = guard::mark_state(metadata, &owner, Marks::Held);
    if let MarkState::MarkedBy(other) = &state {
        gaps.push(Gap {
            reason: reasons::CLAIM_SHARED,
            message: format!(
                "PersistentVolumeClaim {name} is already guarded by ProtectedDatabase {other}; a \
                 claim can belong to only one, so its marks are not changed. Remove {name} from \
                 one of the two (spec.workload, spec.extraClaims). If {other} does not exist any \
                 more, remove its mark; the refusal says how to confirm that: kubectl -n \
                 {namespace} annotate pvc {name} {}-",
                crate::api::names::PROTECTED_BY_ANNOTATION
            ),
        });
        return;
    }
    if metadata.deletion_timestamp.is_some() {
        guard_terminating_claim(observed, claim, plan, gaps);
        return;
    }
    let retained = guard_volume(observed, claim, plan, gaps);
    if state != MarkState::Ours && retained {
        plan.steps.push(Step::MarkClaim(Box::new(metadata.clone())));
        gaps.push(Gap::marking(
            observed,
            "PersistentVolumeClaim",
            metadata,
            "marked",
        ));
    }
}

fn guard_terminating_claim(
    observed: &Observed,
    claim: &ClaimFact,
    plan: &mut Plan,
    gaps: &mut Vec<Gap>,
) {
    let (Some(metadata), namespace, name) =
        (&claim.metadata, observed.namespace_name(), &claim.name)
    else {
        return;
    };
    let retained = guard_volume(observed, claim, plan, gaps);
    if guard::deletion_confirmed(metadata) && retained {
        if guard::is_held(metadata) {
            // A volume that an earlier step writes to is checked by that step.
            if let VolumeFact::Found(volume) = &claim.volume
                && !plan
                    .steps
                    .iter()
                    .any(|step| step.writes_volume(&volume.metadata))
            {
                plan.steps
                    .push(Step::AssertVolume(Box::new(volume.metadata.clone())));
            }
            plan.steps.push(Step::ReleaseClaim(Release {
                metadata: Box::new(metadata.clone()),
                permit: Permit::Confirmed,
            }));
        }
        gaps.push(Gap {
            reason: reasons::GUARDING,
            message: format!("PersistentVolumeClaim {name} is being deleted, as was confirmed"),
        });
        return;
    }
    let holds = if guard::is_held(metadata) {
        "the finalizer of Holdfast"
    } else {
        "only its pod, or another finalizer,"
    };
    gaps.push(Gap {
        reason: reasons::CLAIM_TERMINATING,
        message: format!(
            "PersistentVolumeClaim {name} was deleted without confirmation; {holds} holds it, and \
             its volume is on Retain. The running pod still has the data: do not stop it before \
             you have a backup: kubectl -n {namespace} create job --from=cronjob/{} {}-backup-now; \
             then recover the claim, which stops the pod for a moment: {}",
            crate::api::names::backup_cron_job(observed.name()),
            observed.name(),
            recover_command(observed)
        ),
    });
}

/// A volume that is being deleted takes no new finalizer; it is kept on Retain, and released only
/// when its deletion is confirmed.
fn guard_terminating_volume(
    observed: &Observed,
    claim: &str,
    volume: &VolumeFound,
    plan: &mut Plan,
    gaps: &mut Vec<Gap>,
) {
    let (metadata, name) = (
        &volume.metadata,
        volume.metadata.name.as_deref().unwrap_or_default(),
    );
    let is_retained = volume.reclaim_policy == guard::RETAIN;
    if !is_retained {
        plan.steps.push(Step::RetainVolume(VolumeStep {
            metadata: Box::new(metadata.clone()),
            reclaim_policy: volume.reclaim_policy.clone(),
        }));
    }
    if guard::deletion_confirmed(metadata) {
        if is_retained && guard::is_held(metadata) {
            plan.steps.push(Step::ReleaseVolume(Release {
                metadata: Box::new(metadata.clone()),
                permit: Permit::Confirmed,
            }));
        }
        gaps.push(Gap {
            reason: reasons::GUARDING,
            message: format!("PersistentVolume {name} is being deleted, as was confirmed"),
        });
        return;
    }
    gaps.push(Gap {
        reason: reasons::CLAIM_TERMINATING,
        message: format!(
            "PersistentVolume {name} of claim {claim} was deleted without confirmation; a \
             finalizer holds it. Its data stays, but the object is deleted with the claim. The \
             ledger remembers it. When it is gone, recreate it: {}",
            recreate_volume(observed, name)
        ),
    });
}

/// Plans Retain and the marks of a claim's volume. Says whether the volume is, or will be by then,
/// on Retain.
fn guard_volume(
    observed: &Observed,
    claim: &ClaimFact,
    plan: &mut Plan,
    gaps: &mut Vec<Gap>,
) -> bool {
    let (namespace, name) = (observed.namespace_name(), &claim.name);
    match &claim.volume {
        VolumeFact::NotBound if claim.phase == "Lost" => {
            gaps.push(Gap {
                reason: reasons::CLAIM_LOST,
                message: format!(
                    "PersistentVolumeClaim {name} has lost its PersistentVolume {}, which does not \
                     name this claim any more. Do not delete the claim. Bind it to the volume \
                     again: {}",
                    claim.manifest["spec"]["volumeName"]
                        .as_str()
                        .unwrap_or_default(),
                    recover_command(observed)
                ),
            });
            true
        }
        VolumeFact::NotBound => {
            gaps.push(Gap {
                reason: reasons::CLAIM_NOT_BOUND,
                message: format!(
                    "PersistentVolumeClaim {name} has no volume yet: kubectl -n {namespace} \
                     describe pvc {name} says what it waits for"
                ),
            });
            true
        }
        VolumeFact::Gone(volume) => {
            gaps.push(Gap {
                reason: reasons::CLAIM_LOST,
                message: format!(
                    "PersistentVolumeClaim {name} is bound to PersistentVolume {volume}, which \
                     does not exist any more. Do not delete the claim. Recreate the \
                     PersistentVolume, and the claim binds to it: {}. Without the plugin: {}",
                    recover_command(observed),
                    recreate_volume(observed, volume)
                ),
            });
            true
        }
        VolumeFact::Unknown(why) => {
            gaps.extend(unknown(Some(why)));
            false
        }
        VolumeFact::Found(volume) => {
            let metadata = &volume.metadata;
            let volume_name = metadata.name.as_deref().unwrap_or_default();
            let step = || VolumeStep {
                metadata: Box::new(metadata.clone()),
                reclaim_policy: volume.reclaim_policy.clone(),
            };
            let retained = volume.reclaim_policy == guard::RETAIN;
            match guard::mark_state(metadata, &observed.owner(), Marks::Held) {
                _ if metadata.deletion_timestamp.is_some() => {
                    guard_terminating_volume(observed, &claim.name, volume, plan, gaps);
                }
                MarkState::Ours if retained => {}
                MarkState::MarkedBy(other) => {
                    if !retained {
                        plan.steps.push(Step::RetainVolume(step()));
                    }
                    gaps.push(Gap {
                        reason: reasons::CLAIM_SHARED,
                        message: format!(
                            "PersistentVolume {volume_name} of claim {name} carries the mark of \
                            ProtectedDatabase {other}"
                        ),
                    });
                }
                _ => {
                    plan.steps.push(Step::MarkVolume(step()));
                    gaps.push(Gap::marking(
                        observed,
                        "PersistentVolume",
                        metadata,
                        "set to Retain and marked",
                    ));
                }
            }
            true
        }
    }
}

/// Keeps the volumes whose claim is gone: they have the data.
fn guard_kept_volumes(observed: &Observed, plan: &mut Plan, gaps: &mut Vec<Gap>) {
    if let Some(why) = observed.kept_volumes.unknown() {
        gaps.extend(unknown(Some(why)));
    }
    for kept in observed.kept_volumes.known().into_iter().flatten() {
        let volume = &kept.volume;
        let is_complete =
            guard::mark_state(&volume.metadata, &observed.owner(), Marks::Held) == MarkState::Ours;
        if volume.metadata.deletion_timestamp.is_some() {
            guard_terminating_volume(observed, &kept.claim, volume, plan, gaps);
        } else if !is_complete || volume.reclaim_policy != guard::RETAIN {
            let metadata = Box::new(volume.metadata.clone());
            plan.steps.push(Step::MarkVolume(VolumeStep {
                metadata,
                reclaim_policy: volume.reclaim_policy.clone(),
            }));
            gaps.push(Gap::marking(
                observed,
                "PersistentVolume",
                &volume.metadata,
                "set to Retain and marked",
            ));
        }
    }
}
