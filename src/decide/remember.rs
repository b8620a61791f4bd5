//! What is written into the ledger: the memory outside the namespace. Pure.

use super::judge::{Judged, ended};
use super::kept_limit::refuse_ledger;
use super::last_backups::backup_of_name;
use crate::api::{
    DatabaseLedger, DatabaseLedgerSpec, DatabaseLedgerStatus, LEDGER_NAMESPACE_LIMIT,
    LEDGER_VOLUME_LIMIT, LedgerBaseline, RememberedBackup, RememberedVolume, names,
};
use crate::guard::{self, MarkState, Marks};
use crate::plan::{Plan, Step};
use crate::world::{Observed, VolumeFact};

/// Plans to bring the ledger up to date. What can't be read now, or is not known now, is remembered
/// as before.
pub fn remember(observed: &Observed, judged: &Judged<'_>, plan: &mut Plan) {
    let owner = observed.owner();
    // Without the namespace it is not known of which one this is to be remembered.
    let (Some(present), Some(namespace), Some(namespace_uid)) = (
        observed.ledger.known(),
        observed.namespace.known().and_then(Option::as_ref),
        observed.namespace_uid(),
    ) else {
        return;
    };
    // The database's own mark comes first: from then on its deletion is refused, and the ledger's
    // with it.
    if guard::mark_state(&observed.database.metadata, &owner, Marks::Itself) != MarkState::Ours {
        return;
    }
    if refuse_ledger(observed).is_some() {
        return;
    }
    let present = present.as_ref().map(|fact| &fact.ledger);
    if present.is_none_or(|ledger| {
        guard::mark_state(&ledger.metadata, &owner, Marks::Named) != MarkState::Ours
    }) {
        plan.steps
            .push(Step::MarkLedger(Box::new(build_ledger(observed))));
    }
    let before = present
        .and_then(|ledger| ledger.status.clone())
        .unwrap_or_default();
    let mut status = DatabaseLedgerStatus {
        database_uid: observed.database.metadata.uid.clone().unwrap_or_default(),
        namespace_uid: namespace_uid.to_owned(),
        earlier_namespace_uids: earlier_namespaces(&before, namespace_uid),
        namespace_manifest: guard::build_namespace_manifest(namespace),
        database_manifest: guard::build_database_manifest(&observed.database),
        baseline: baseline(judged).or_else(|| before.baseline.clone()),
        volumes: Vec::new(),
        last_good_backup: last_good_backup(observed, before.last_good_backup.as_ref(), plan)
            .or_else(|| before.last_good_backup.clone()),
    };
    status.volumes = volumes(observed, &before.volumes, &status);
    if status != before {
        let name = names::ledger(observed.namespace_name(), observed.name());
        plan.steps.push(Step::WriteLedger {
            name,
            status: Box::new(status),
        });
    }
}

/// The namespaces that were accepted in place of each other, without the present one; the newest last.
fn earlier_namespaces(before: &DatabaseLedgerStatus, present: &str) -> Vec<String> {
    let mut earlier = before.earlier_namespace_uids.clone();
    if !before.namespace_uid.is_empty() {
        earlier.retain(|uid| *uid != before.namespace_uid);
        earlier.push(before.namespace_uid.clone());
    }
    earlier.retain(|uid| uid != present);
    earlier.split_off(earlier.len().saturating_sub(LEDGER_NAMESPACE_LIMIT))
}

fn build_ledger(observed: &Observed) -> DatabaseLedger {
    let (namespace, database) = (
        observed.namespace_name().to_owned(),
        observed.name().to_owned(),
    );
    let mut ledger = DatabaseLedger::new(
        &names::ledger(&namespace, &database),
        DatabaseLedgerSpec {
            namespace,
            database,
        },
    );
    ledger.metadata.labels = Some(
        [(
            names::PROTECTED_LABEL.to_owned(),
            guard::PROTECTED_VALUE.to_owned(),
        )]
        .into(),
    );
    ledger.metadata.annotations =
        Some([(names::PROTECTED_BY_ANNOTATION.to_owned(), observed.owner())].into());
    ledger
}

fn baseline(judged: &Judged<'_>) -> Option<LedgerBaseline> {
    let (check, known) = (judged.baseline?, judged.known_good.as_ref()?);
    Some(LedgerBaseline {
        check: check.metadata.name.clone()?,
        time: ended(check)?.clone(),
        created: check.metadata.creation_timestamp.clone(),
        best: known.best.clone(),
        volumes: known.volumes.to_vec(),
        evidence: known.evidence.clone().into_owned(),
        without_login: known.without_login.clone(),
    })
}

/// The volumes of the last good check, then those that exist, then those that existed; by the name of
/// the volume, because a claim's name can lead to another one. What the last good check saw stays also
/// where a volume of the name is for other storage, or another claim's, by now.
fn volumes(
    observed: &Observed,
    before: &[RememberedVolume],
    status: &DatabaseLedgerStatus,
) -> Vec<RememberedVolume> {
    let owner = observed.owner();
    let claims = observed.claims.known().into_iter().flatten();
    let mut volumes: Vec<RememberedVolume> = claims
        .filter_map(|claim| {
            let metadata = claim.metadata.as_ref()?;
            let VolumeFact::Found(volume) = &claim.volume else {
                return None;
            };
            let is_ours = guard::marked_owner(&volume.metadata) == Some(owner.as_str())
                && !observed.is_of_other_namespace(&volume.metadata);
            is_ours.then(|| RememberedVolume {
                claim: claim.name.clone(),
                claim_uid: metadata.uid.clone().unwrap_or_default(),
                volume: volume.metadata.name.clone().unwrap_or_default(),
                volume_handle: volume.storage.handle().to_owned(),
                claim_manifest: claim.manifest.clone(),
                volume_manifest: volume.manifest.clone(),
            })
        })
        .collect();
    for old in before {
        let is_there = if status.needs(old) {
            volumes.iter().any(|volume| volume.is_same(old))
        } else {
            volumes.iter().any(|volume| volume.volume == old.volume)
        };
        if !is_there {
            volumes.push(old.clone());
        }
    }
    volumes.sort_by_key(|volume| !status.needs(volume));
    volumes.truncate(LEDGER_VOLUME_LIMIT);
    volumes
}

fn last_good_backup(
    observed: &Observed,
    before: Option<&RememberedBackup>,
    plan: &Plan,
) -> Option<RememberedBackup> {
    let good = plan.status.last_good_backup.as_ref()?;
    let backup = backup_of_name(observed, &good.name)?;
    let status = backup.status.clone().unwrap_or_default();
    // Where it is, and not where the next one goes. Those of older versions do not say it: then it
    // is where it was noted to be.
    let noted = before.filter(|noted| noted.name == good.name);
    let (bucket, endpoint) = match (status.bucket, noted) {
        (Some(bucket), _) => (bucket, status.endpoint.unwrap_or_default()),
        (None, Some(noted)) => (noted.bucket.clone(), noted.endpoint.clone()),
        (None, None) => {
            let storage = &observed.database.spec.backup.as_ref()?.storage.s3;
            let endpoint = storage.endpoint.clone().unwrap_or_default();
            (storage.bucket.clone(), endpoint)
        }
    };
    Some(RememberedBackup {
        name: good.name.clone(),
        time: good.time.clone(),
        bucket,
        endpoint,
        path: status.path.unwrap_or_default(),
    })
}
