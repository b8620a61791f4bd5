//! The rules about recoveries: nothing is deleted that is not kept, nothing is taken from others.
//! Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::release_rules::is_retained_by;
use super::scope::Scope;
use super::{ConfirmedKind, Step};
use crate::guard;
use crate::world::{ClaimBinding, ClaimFact, ObservedRecovery, VolumeFound};

/// Which part of the database's claims and volumes a step of a recovery is about.
enum Part<'a> {
    /// A claim that exists.
    Claim(&'a ObjectMeta),
    /// A volume that exists.
    Volume(&'a ObjectMeta),
    /// A claim of that name, and the volume that it is to have.
    NewClaim(&'a Value),
    /// A volume of that name.
    NewVolume(&'a Value),
    /// The workload that the spec names.
    Workload(&'a ObjectMeta),
    /// The namespace of the database.
    Namespace(&'a ObjectMeta),
    /// The ProtectedDatabase.
    Database(&'a ObjectMeta),
    /// Its ledger.
    Ledger(&'a ObjectMeta),
    /// None of them, or not a step of a recovery alone.
    Other,
}

fn part(step: &Step) -> Part<'_> {
    match step {
        Step::ConfirmClaimDeletion(metadata)
        | Step::DeleteClaim(metadata)
        | Step::FinishClaimDeletion(metadata)
        | Step::TouchClaim { metadata, .. } => Part::Claim(metadata),
        Step::RetainVolume(volume) | Step::MarkVolume(volume) => Part::Volume(&volume.metadata),
        Step::ReserveVolume { metadata, .. } | Step::ConfirmVolumeChange(metadata) => {
            Part::Volume(metadata)
        }
        Step::RevokeConfirmation(step) => match step.kind {
            ConfirmedKind::Claim => Part::Claim(&step.metadata),
            ConfirmedKind::Volume => Part::Volume(&step.metadata),
            ConfirmedKind::Workload(_) => Part::Workload(&step.metadata),
            ConfirmedKind::Namespace => Part::Namespace(&step.metadata),
            ConfirmedKind::Database => Part::Database(&step.metadata),
            ConfirmedKind::Ledger => Part::Other,
        },
        Step::CreateClaim(manifest) => Part::NewClaim(manifest),
        Step::CreateVolume(manifest) => Part::NewVolume(manifest),
        Step::ScaleDown(step) | Step::ScaleUp(step) => Part::Workload(&step.metadata),
        Step::MountClaim { metadata, .. } => Part::Workload(metadata),
        Step::ConfirmNamespaceDeletion(metadata) | Step::FinalizeNamespace(metadata) => {
            Part::Namespace(metadata)
        }
        Step::ConfirmDatabaseDeletion(metadata) | Step::FinishDatabaseDeletion(metadata) => {
            Part::Database(metadata)
        }
        Step::NoteRecreation { ledger, .. } | Step::AcceptNamespace { ledger, .. } => {
            Part::Ledger(ledger)
        }
        Step::MarkDatabase(_)
        | Step::RetainTwin(_)
        | Step::MarkClaim(_)
        | Step::NoteLoss { .. }
        | Step::MarkLedger(_)
        | Step::WriteLedger { .. }
        | Step::ReleaseLedger(_)
        | Step::MarkWorkload(..)
        | Step::NoteMountRepair(_)
        | Step::MarkNamespace(_)
        | Step::SetGate(_)
        | Step::EnsureAgentIdentity
        | Step::CreateCheck(_)
        | Step::SetCheckTarget { .. }
        | Step::CreateJob(_)
        | Step::WriteVerdict { .. }
        | Step::FailFiles { .. }
        | Step::ApplyCronJob(_)
        | Step::DeleteRoleBinding(_)
        | Step::DeleteCronJob(_)
        | Step::LeaveBackup(_)
        | Step::EndJob(_)
        | Step::CreateBackup(_)
        | Step::FailBackup { .. }
        | Step::JudgeBackup { .. }
        | Step::NoteDrill { .. }
        | Step::CreateDrill(_)
        | Step::DeleteDrill(_)
        | Step::NoteRead { .. }
        | Step::DeleteBackup(_)
        | Step::DeleteFailedBackup(_)
        | Step::DeleteCheck(_)
        | Step::AssertDatabase(_)
        | Step::AssertVolume(_)
        | Step::ReleaseClaim(_)
        | Step::ReleaseVolume(_)
        | Step::ReleaseWorkload(..)
        | Step::ReleaseNamespace(_)
        | Step::ReleaseDatabase(_)
        | Step::CreateNamespace(_)
        | Step::CreateDatabase(_)
        | Step::Await(_) => Part::Other,
    }
}

/// Make sure that a recovery touches only what is the database's own: the claims and volumes that
/// belong to it, its workload, its namespace, itself; and nothing that another database has marked.
pub fn recovery_stays_with_the_databases_own(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let step = &steps[position];
    // The operator's pass does these too, by rules of its own.
    if let (
        Scope::Database { .. },
        Step::RetainVolume(_) | Step::MarkVolume(_) | Step::RevokeConfirmation(_),
    ) = (scope, step)
    {
        return Ok(());
    }
    let part = part(step);
    if matches!(part, Part::Other) {
        return Ok(());
    }
    let observed = scope.recovery()?;
    let bindings = observed.known_bindings();
    let is_theirs = match part {
        Part::Claim(metadata) => {
            not_marked_by_another(observed, metadata)?;
            bindings.iter().any(|binding| is_claim(binding, metadata))
        }
        Part::Volume(metadata) => bindings.iter().any(|binding| {
            let mut volumes = binding.volume.iter().chain(&binding.other_volume);
            volumes.any(|volume| volume.metadata.uid == metadata.uid)
        }),
        Part::NewClaim(manifest) => bindings.iter().any(|binding| {
            manifest["metadata"]["name"] == binding.desired.claim.as_str()
                && manifest["spec"]["volumeName"] == binding.desired.volume.as_str()
        }),
        Part::NewVolume(manifest) => bindings
            .iter()
            .any(|binding| manifest["metadata"]["name"] == binding.desired.volume.as_str()),
        Part::Workload(metadata) => {
            let workload = observed.world.workload_found();
            workload.is_some_and(|workload| workload.metadata.uid == metadata.uid)
        }
        Part::Namespace(metadata) => {
            let namespace = observed.world.namespace.known().and_then(Option::as_ref);
            namespace.is_some_and(|namespace| namespace.uid == metadata.uid)
        }
        Part::Database(metadata) => {
            let database = observed.database.known().and_then(Option::as_ref);
            database.is_some_and(|database| database.metadata.uid == metadata.uid)
        }
        Part::Ledger(metadata) => {
            let ledger = observed.world.ledger.known().and_then(Option::as_ref);
            ledger.is_some_and(|fact| fact.ledger.metadata.uid == metadata.uid)
        }
        Part::Other => true,
    };
    if is_theirs {
        Ok(())
    } else {
        Err("it is not what was read of this database")
    }
}

pub(super) fn not_marked_by_another(
    observed: &ObservedRecovery,
    metadata: &ObjectMeta,
) -> Result<(), &'static str> {
    match guard::marked_owner(metadata) {
        Some(other) if other != observed.world.owner() => {
            Err("it carries the mark of another ProtectedDatabase")
        }
        _ => Ok(()),
    }
}

pub(super) fn is_claim(binding: &ClaimBinding, metadata: &ObjectMeta) -> bool {
    let claim = binding.claim.as_ref().and_then(ClaimFact::uid);
    claim.is_some() && claim == metadata.uid.as_deref()
}

/// The binding of a claim that is to be deleted. A confirmation permits that, so it is the first
/// step of it.
fn binding_of_removed<'a>(
    scope: &Scope<'a>,
    step: &Step,
) -> Result<Option<&'a ClaimBinding>, &'static str> {
    let (Step::ConfirmClaimDeletion(metadata)
    | Step::DeleteClaim(metadata)
    | Step::FinishClaimDeletion(metadata)) = step
    else {
        return Ok(None);
    };
    let mut bindings = scope.recovery()?.known_bindings().iter();
    match bindings.find(|binding| is_claim(binding, metadata)) {
        Some(binding) => Ok(Some(binding)),
        None => Err("it is not what was read of this database"),
    }
}

/// Make sure that a claim is deleted only when the volume that it is bound to is on Retain, or set
/// to it by an earlier step.
pub fn claims_go_when_their_volume_is_kept(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let Some(binding) = binding_of_removed(scope, &steps[position])? else {
        return Ok(());
    };
    match binding.bound_volume() {
        Some(volume)
            if !volume.is_retained() && !is_retained_by(&steps[..position], &volume.metadata) =>
        {
            Err("its volume is not on Retain")
        }
        _ => Ok(()),
    }
}

/// Whether a wait comes before a step: then everything is read and vetted again in between.
fn waits_before(steps: &[Step], position: usize) -> bool {
    let mut earlier = steps[..position].iter();
    earlier.any(|step| matches!(step, Step::Await(_)))
}

/// Make sure that a claim is deleted only when no pod mounts it any more, or after a wait for those
/// pods: a pod keeps writing to a volume whose claim is gone.
pub fn claims_go_without_pods(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let Some(binding) = binding_of_removed(scope, &steps[position])? else {
        return Ok(());
    };
    if binding.pods.is_empty() || waits_before(steps, position) {
        Ok(())
    } else {
        Err("pods still mount it")
    }
}

/// Make sure that no volume is bound to two claims or to another claim than its own, that none is
/// taken from another database, and that no storage is behind two volumes.
pub fn volumes_are_not_taken_from_others(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    match &steps[position] {
        Step::ConfirmVolumeChange(metadata) => reservable(scope.recovery()?, metadata).map(drop),
        Step::ReserveVolume {
            metadata,
            namespace,
            claim,
            for_uid,
            ..
        } => {
            let observed = scope.recovery()?;
            let binding = reservable(observed, metadata)?;
            let uid = binding.claim.as_ref().and_then(ClaimFact::uid);
            let is_its_claim = *claim == binding.desired.claim
                && *namespace == observed.world.namespace_name
                && for_uid.as_deref().is_none_or(|wanted| Some(wanted) == uid);
            if is_its_claim {
                Ok(())
            } else {
                Err("it would be bound to another claim than its own")
            }
        }
        Step::CreateVolume(manifest) => created_safely(scope.recovery()?, manifest),
        _ => Ok(()),
    }
}

/// The binding of a volume that may be reserved.
fn reservable<'a>(
    observed: &'a ObservedRecovery,
    metadata: &ObjectMeta,
) -> Result<&'a ClaimBinding, &'static str> {
    not_marked_by_another(observed, metadata)?;
    let is_it = |volume: &VolumeFound| volume.metadata.uid == metadata.uid;
    let mut bindings = observed.known_bindings().iter();
    match bindings.find(|binding| binding.volume.as_ref().is_some_and(is_it)) {
        Some(binding) if !binding.held_by_other => Ok(binding),
        Some(_) => Err("it is bound to another claim, which exists"),
        None => Err("it is not what was read of this database"),
    }
}

/// Whether a volume is created on Retain, for its own claim, and for storage that no other volume
/// has.
fn created_safely(observed: &ObservedRecovery, manifest: &Value) -> Result<(), &'static str> {
    let (name, spec) = (&manifest["metadata"]["name"], &manifest["spec"]);
    let mut bindings = observed.known_bindings().iter();
    let Some(binding) = bindings.find(|binding| *name == binding.desired.volume.as_str()) else {
        return Err("it is not what was read of this database");
    };
    let is_its_claim = spec["claimRef"]["name"] == binding.desired.claim.as_str()
        && spec["claimRef"]["namespace"] == observed.world.namespace_name.as_str();
    if binding.same_storage.is_some() {
        Err("another PersistentVolume is for the same storage")
    } else if spec["persistentVolumeReclaimPolicy"] != guard::RETAIN {
        Err("it would not be on Retain")
    } else if !is_its_claim {
        Err("it would be bound to another claim than its own")
    } else {
        Ok(())
    }
}

/// Make sure that another claim is mounted only where it belongs to the database and no pod runs,
/// and that pods start only when every claim is bound: else an empty one is made for them.
pub fn pods_start_on_their_own_claims(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let waits = waits_before(steps, position);
    match &steps[position] {
        Step::MountClaim { claim, .. } => {
            let observed = scope.recovery()?;
            let mut bindings = observed.known_bindings().iter();
            if !bindings.any(|binding| binding.desired.claim == *claim) {
                return Err("the claim is not what was read of this database");
            }
            let pods = observed.world.pods.known();
            let have_stopped = pods.is_some_and(|pods| pods.iter().all(|pod| pod.ended));
            if waits || have_stopped {
                Ok(())
            } else {
                Err("its pods have not stopped")
            }
        }
        // Deleted on its way, a restore has changed nothing as long as each claim is as it was.
        Step::ScaleUp(_)
            if matches!(
                scope,
                Scope::Restore {
                    is_given_up: true,
                    ..
                }
            ) && scope.recovery()?.is_undisturbed() =>
        {
            Ok(())
        }
        Step::ScaleUp(_) if !waits && !scope.recovery()?.all_bound() => {
            Err("a claim is not bound to its volume yet")
        }
        _ => Ok(()),
    }
}

/// Make sure that no workload is scaled to 0 that deletes its claims then.
pub fn scaling_down_deletes_no_claim(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    if !matches!(steps[position], Step::ScaleDown(_)) {
        return Ok(());
    }
    match scope.recovery()?.world.workload_found() {
        Some(workload) if !workload.deletes_claims_when_scaled => Ok(()),
        Some(_) => Err("it deletes its claims when it is scaled down"),
        None => Err("the workload was not read, so it may delete its claims"),
    }
}

/// Make sure that no workload is scaled above one whose pods would share the data directory, and that
/// none with more than one pod gets such a claim: two servers on the same files destroy them.
pub fn one_server_on_each_data_directory(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let earlier = &steps[..position];
    let refused = Err("more than one of its pods would run on the same data directory");
    match &steps[position] {
        Step::MountClaim { .. } => {
            let workload = scope.recovery()?.world.workload_found();
            let is_many = workload.is_none_or(|workload| workload.replicas > 1);
            let is_scaled_down = |step: &Step| matches!(step, Step::ScaleDown(_));
            if is_many && !earlier.iter().any(is_scaled_down) {
                return refused;
            }
        }
        Step::ScaleUp(step) if step.scaled_up_to > 1 => {
            let observed = scope.recovery()?;
            let is_mounted = |step: &Step| matches!(step, Step::MountClaim { .. });
            let database = observed.database.known().and_then(Option::as_ref);
            let container =
                database.and_then(|database| database.spec.workload.container.as_deref());
            let shared = observed.world.shared_data_claims(container);
            if earlier.iter().any(is_mounted) || !shared.is_empty() {
                return refused;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Make sure that a confirmation on a volume does not stay: the write that needs it removes it.
pub fn confirmations_of_volumes_are_used_up(
    _: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let Step::ConfirmVolumeChange(confirmed) = &steps[position] else {
        return Ok(());
    };
    let uses = |step: &Step| {
        matches!(step, Step::ReserveVolume { metadata, uses_confirmation: true, .. }
            if metadata.uid == confirmed.uid)
    };
    if steps[position..].iter().any(uses) {
        Ok(())
    } else {
        Err("its confirmation would stay and permit other changes")
    }
}
