//! The marks of claims and of their volumes: Retain first, then what holds them. Pure.

use std::time::Duration;

use super::gap::{Gap, OTHERS_PAUSE, unknown};
use super::ways_back::{recover_command, recreate_volume};
use super::{held_by, kept_limit, other_namespace};
use crate::api::{LEDGER_VOLUME_LIMIT, names, reasons};
use crate::guard::{self, MarkState, Marks};
use crate::plan::{Permit, Plan, Release, Step, VolumeStep};
use crate::wording;
use crate::world::{ClaimFact, Observed, VolumeFact, VolumeFound};

/// How long until a claim that does not exist is looked for again.
const MISSING_CLAIM_PAUSE: Duration = Duration::from_secs(15);

/// Says how many claims are not followed, or not remembered.
pub(super) fn too_many(observed: &Observed, claims: &[ClaimFact]) -> Option<Gap> {
    let left_out = observed.claims_left_out;
    let message = if left_out > 0 {
        let namespace = observed.namespace_name();
        format!(
            "{} more carry the mark of this database, and nothing else ties them to it: they are not \
             followed. Name those with data in spec.extraClaims, and remove the mark from the others. \
             See which: kubectl -n {namespace} get pvc -l {}={}",
            count(left_out, "PersistentVolumeClaim"),
            names::PROTECTED_LABEL,
            guard::PROTECTED_VALUE
        )
    } else if claims.len() > LEDGER_VOLUME_LIMIT {
        format!(
            "the database has {}, and the ledger remembers only {LEDGER_VOLUME_LIMIT} volumes: the others \
             could not be recreated if they were lost. Divide it into several ProtectedDatabases",
            count(claims.len(), "claim")
        )
    } else {
        return None;
    };
    Some(Gap {
        reason: reasons::TOO_MANY_CLAIMS,
        message,
    })
}

fn count(number: usize, what: &str) -> String {
    wording::count(i64::try_from(number).unwrap_or(i64::MAX), what)
}

/// Plans the marks of one claim and of its volume.
pub(super) fn guard_claim(
    observed: &Observed,
    claim: &ClaimFact,
    plan: &mut Plan,
    gaps: &mut Vec<Gap>,
) {
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
                names::PROTECTED_BY_ANNOTATION
            ),
        });
        return;
    }
    if let Some(gap) = kept_limit::refuse_new(observed, claim) {
        gaps.push(gap);
        kept_limit::let_go_of_new(observed, claim, plan);
        plan.read_again_after(OTHERS_PAUSE);
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
    if guard::deletion_confirmed(metadata, observed.server_time()) && retained {
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
            message: held_by::say_confirmed_going("PersistentVolumeClaim", metadata),
        });
        return;
    }
    let waits = held_by::say_waits_for(metadata)
        .unwrap_or_else(|| "nothing but its pod holds it".to_owned());
    gaps.push(Gap {
        reason: reasons::CLAIM_TERMINATING,
        message: format!(
            "PersistentVolumeClaim {name} was deleted without confirmation; {waits}. Its volume is on \
             Retain. The running pod still has the data: do not stop it before \
             you have a backup: kubectl -n {namespace} create job --from=cronjob/{} {}-backup-now; \
             then recover the claim, which stops the pod for a moment: {}",
            names::backup_cron_job(observed.name()),
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
            namespace_uid: None,
        }));
    }
    if guard::deletion_confirmed(metadata, observed.server_time()) {
        if is_retained && guard::is_held(metadata) {
            plan.steps.push(Step::ReleaseVolume(Release {
                metadata: Box::new(metadata.clone()),
                permit: Permit::Confirmed,
            }));
        }
        gaps.push(Gap {
            reason: reasons::GUARDING,
            message: held_by::say_confirmed_going("PersistentVolume", metadata),
        });
        return;
    }
    let waits =
        held_by::say_waits_for(metadata).unwrap_or_else(|| "it goes at any moment".to_owned());
    gaps.push(Gap {
        reason: reasons::CLAIM_TERMINATING,
        message: format!(
            "PersistentVolume {name} of claim {claim} was deleted without confirmation; {waits}. Its \
             data stays, but the object is deleted with the claim. The \
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
            let volume = claim.volume_name.as_deref();
            let volume = volume.map_or_else(String::new, |volume| format!(" {volume}"));
            gaps.push(Gap {
                reason: reasons::CLAIM_LOST,
                message: format!(
                    "PersistentVolumeClaim {name} has lost its PersistentVolume{volume}, which does not \
                     name this claim any more. Do not delete the claim. Bind it to the volume \
                     again: {}",
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
                namespace_uid: other_namespace::uid_to_note(observed, claim, volume)
                    .map(ToOwned::to_owned),
            };
            let retained = volume.reclaim_policy == guard::RETAIN;
            let is_noted = step()
                .namespace_uid
                .is_none_or(|uid| guard::noted_namespace(metadata) == Some(uid.as_str()));
            match guard::mark_state(metadata, &observed.owner(), Marks::Held) {
                _ if observed.is_of_other_namespace(metadata) => {
                    if !retained {
                        plan.steps.push(Step::RetainVolume(step()));
                    }
                    gaps.push(other_namespace::gap(observed, name, volume_name));
                }
                _ if metadata.deletion_timestamp.is_some() => {
                    guard_terminating_volume(observed, &claim.name, volume, plan, gaps);
                }
                MarkState::Ours if retained => {
                    // Noted by this version, or by a user who has accepted the namespace: that is no
                    // gap.
                    if !is_noted {
                        plan.steps.push(Step::MarkVolume(step()));
                    }
                }
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
pub(super) fn guard_kept_volumes(observed: &Observed, plan: &mut Plan, gaps: &mut Vec<Gap>) {
    if let Some(gap) = kept_limit::refuse_ledger(observed) {
        gaps.push(gap);
        plan.read_again_after(OTHERS_PAUSE);
    }
    if let Some(why) = observed.kept_volumes.unknown() {
        gaps.extend(unknown(Some(why)));
    }
    for kept in observed.kept_volumes.known().into_iter().flatten() {
        let volume = &kept.volume;
        let is_complete = guard::mark_state(&volume.metadata, &observed.owner(), Marks::Held)
            == MarkState::Ours
            && volume.reclaim_policy == guard::RETAIN;
        let uid = observed.uid_to_note();
        let is_noted = uid.is_none() || guard::noted_namespace(&volume.metadata) == uid;
        if volume.metadata.deletion_timestamp.is_some() {
            guard_terminating_volume(observed, &kept.claim, volume, plan, gaps);
        } else if !is_complete || !is_noted {
            let metadata = Box::new(volume.metadata.clone());
            plan.steps.push(Step::MarkVolume(VolumeStep {
                metadata,
                reclaim_policy: volume.reclaim_policy.clone(),
                namespace_uid: uid.map(ToOwned::to_owned),
            }));
            if !is_complete {
                gaps.push(Gap::marking(
                    observed,
                    "PersistentVolume",
                    &volume.metadata,
                    "set to Retain and marked",
                ));
            }
        }
    }
}
