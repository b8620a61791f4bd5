//! What users have confirmed on the objects of a database: while it is in force the API server
//! refuses less, so the guard is not complete; when it has ended it is removed. Pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::gap::Gap;
use crate::api::{ConfirmedVerb, reasons};
use crate::guard::{self, Standing};
use crate::plan::{ConfirmedKind, Plan, RevocationStep, Step};
use crate::world::{Observed, VolumeFact};

/// How many confirmations are named; the rest is a number.
const NAMED: usize = 3;

/// How long until the time of the API server is asked for again.
const READ_AGAIN: Duration = Duration::from_secs(10);

/// Plans to remove what has ended, and says what is in force. Comes after the marks: a removal
/// changes the resource version that they are pinned to.
pub fn report_confirmations(observed: &Observed, plan: &mut Plan) -> Option<Gap> {
    let now = observed.server_time();
    let clock = observed.clock_ahead.unknown();
    let mut sentences = Vec::new();
    for (kind, metadata) in carriers(observed) {
        for verb in ConfirmedVerb::ALL {
            match guard::standing(metadata, verb, now) {
                Standing::None => {}
                Standing::Until(end) => {
                    sentences.push(in_force(kind, metadata, verb, end));
                    if let Ok(wait) = end.duration_since(now).try_into() {
                        plan.read_again_after(wait);
                    }
                }
                // The operator's own clock may be wrong, and the API server still accept it.
                Standing::Ended | Standing::Void if clock.is_some() => {
                    let why = clock.unwrap_or_default();
                    sentences.push(not_known(kind, metadata, verb, why));
                    plan.read_again_after(READ_AGAIN);
                }
                Standing::Ended => {
                    plan.steps.push(revoke(kind, metadata, verb));
                    sentences.push(format!(
                        "the confirmation of a {} of {} has ended and is being removed",
                        verb.noun(),
                        title(kind, metadata)
                    ));
                }
                // The API server takes it for none.
                Standing::Void => plan.steps.push(revoke(kind, metadata, verb)),
            }
        }
    }
    let more = sentences.len().saturating_sub(NAMED);
    sentences.truncate(NAMED);
    if more > 0 {
        sentences.push(format!("{more} more are confirmed"));
    }
    (!sentences.is_empty()).then(|| Gap {
        reason: reasons::CONFIRMED,
        message: sentences.join(". Also, "),
    })
}

/// Plans to remove what has ended from the ProtectedDatabase alone: without a guard the rest carries
/// no marks, and is not Holdfast's to write to.
pub fn clear_database(observed: &Observed, plan: &mut Plan) {
    let metadata = &observed.database.metadata;
    if observed.clock_ahead.known().is_none() {
        return;
    }
    for verb in ConfirmedVerb::ALL {
        if matches!(
            guard::standing(metadata, verb, observed.server_time()),
            Standing::Ended | Standing::Void
        ) {
            plan.steps
                .push(revoke(ConfirmedKind::Database, metadata, verb));
        }
    }
}

/// Everything of the database that is guarded and not being deleted.
fn carriers(observed: &Observed) -> Vec<(ConfirmedKind, &ObjectMeta)> {
    let owner = observed.owner();
    let is_ours = |metadata: &ObjectMeta| guard::marked_owner(metadata) == Some(owner.as_str());
    let mut carriers = vec![(ConfirmedKind::Database, &observed.database.metadata)];
    for claim in observed.claims.known().into_iter().flatten() {
        let claims = claim.metadata.as_ref().filter(|metadata| is_ours(metadata));
        carriers.extend(claims.map(|metadata| (ConfirmedKind::Claim, metadata)));
        if let VolumeFact::Found(volume) = &claim.volume
            && is_ours(&volume.metadata)
        {
            carriers.push((ConfirmedKind::Volume, &volume.metadata));
        }
    }
    let kept = observed.kept_volumes.known().into_iter().flatten();
    let kept = kept.map(|kept| &kept.volume.metadata);
    carriers.extend(
        kept.filter(|metadata| is_ours(metadata))
            .map(|metadata| (ConfirmedKind::Volume, metadata)),
    );
    if let Some(workload) = observed.workload_found()
        && guard::is_labelled(&workload.metadata)
        && observed.owns_workload()
    {
        carriers.push((ConfirmedKind::Workload(workload.kind), &workload.metadata));
    }
    let namespace = observed.namespace.known().and_then(Option::as_ref);
    carriers.extend(
        namespace
            .filter(|metadata| guard::is_labelled(metadata))
            .map(|metadata| (ConfirmedKind::Namespace, metadata)),
    );
    let ledger = observed.ledger.known().and_then(Option::as_ref);
    let ledger = ledger.map(|fact| &fact.ledger.metadata);
    carriers.extend(
        ledger
            .filter(|metadata| is_ours(metadata))
            .map(|metadata| (ConfirmedKind::Ledger, metadata)),
    );
    carriers.retain(|(_, metadata)| metadata.deletion_timestamp.is_none());
    carriers
}

fn title(kind: ConfirmedKind, metadata: &ObjectMeta) -> String {
    let name = metadata.name.as_deref().unwrap_or_default();
    format!("{} {name}", kind.words().0)
}

fn in_force(
    kind: ConfirmedKind,
    metadata: &ObjectMeta,
    verb: ConfirmedVerb,
    end: Timestamp,
) -> String {
    let namespace = metadata.namespace.as_deref();
    format!(
        "the {} of {} is confirmed until {end:.0}, so the API server accepts it. To revoke that: \
         kubectl holdfast unlock {}/{}{} --revoke",
        verb.noun(),
        title(kind, metadata),
        kind.words().1,
        metadata.name.as_deref().unwrap_or_default(),
        namespace.map_or_else(String::new, |namespace| format!(" -n {namespace}")),
    )
}

fn not_known(kind: ConfirmedKind, metadata: &ObjectMeta, verb: ConfirmedVerb, why: &str) -> String {
    format!(
        "{} carries a confirmation of a {}, and it is not known whether the API server still accepts \
         it: {why}. It is left as it is",
        title(kind, metadata),
        verb.noun(),
    )
}

fn revoke(kind: ConfirmedKind, metadata: &ObjectMeta, verb: ConfirmedVerb) -> Step {
    Step::RevokeConfirmation(RevocationStep {
        kind,
        metadata: Box::new(metadata.clone()),
        verb,
    })
}
