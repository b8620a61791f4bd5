//! One claim and its volume: which steps bring them together again. Pure.

use k8s_openapi::api::core::v1::{
    ObjectReference, PersistentVolume, PersistentVolumeClaim, PersistentVolumeSpec,
};

use super::course::{Course, Obstacle, scale_down};
use super::wanted::{claim_to_create, volume_to_create};
use super::{Place, Situation, Step, Wanted};
use crate::api::names::REBOUND_VOLUME_VERSION_ANNOTATION;
use crate::guard::{self, MarkState, Marks};

/// Plans the steps for one claim.
pub(super) fn restore_place(
    situation: &Situation,
    place: &Place,
    course: &mut Course,
) -> Result<(), Obstacle> {
    let (claim_name, volume_name) = (&place.wanted.claim, &place.wanted.volume);
    if place.is_well() {
        course.findings.push(format!(
            "claim {claim_name}: Bound to its volume {volume_name}"
        ));
        return Ok(());
    }
    course.findings.push(describe(place));
    let lost_it = place.claim.as_ref().filter(|claim| {
        claim.metadata.deletion_timestamp.is_none() && place.bound_to() == Some(volume_name)
    });
    bring_volume(situation, place, lost_it, course)?;
    let bound = Step::Await(format!(
        "claim {claim_name} to be Bound to volume {volume_name}"
    ));
    if let Some(claim) = &place.claim {
        if lost_it.is_some() || is_waiting(claim, place) {
            course.steps.extend(nudge(claim, place));
            course.steps.push(bound);
            return Ok(());
        }
        let_claim_go(situation, place, claim, course)?;
        // A terminating claim held the volume until now.
        if holds(claim, place) {
            course.steps.extend(
                place
                    .volume
                    .as_ref()
                    .map(|volume| reserve(situation, place, volume, None)),
            );
        }
    }
    course.steps.push(Step::CreateClaim(claim_to_create(
        &place.wanted,
        &situation.owner(),
    )));
    course.steps.push(bound);
    Ok(())
}

/// Sees to it that the volume is there, and that no other claim than the wanted one can take it.
fn bring_volume(
    situation: &Situation,
    place: &Place,
    lost_it: Option<&PersistentVolumeClaim>,
    course: &mut Course,
) -> Result<(), Obstacle> {
    let wanted = &place.wanted;
    let Some(volume) = &place.volume else {
        let manifest = wanted.volume_manifest.as_ref().ok_or_else(|| {
            Obstacle::new(format!(
                "PersistentVolume {} is gone, and the ledger does not remember how to make it \
                again",
                wanted.volume
            ))
        })?;
        if let Some(other) = &place.same_storage {
            return Err(Obstacle::new(format!(
                "PersistentVolume {} is gone, and PersistentVolume {other} is for the same \
                 storage: made again, two claims would have the same files. Look whose it is: \
                 kubectl get pv {other}; where it is the way to the data, use it: --volume \
                 {other}, or spec.from.volume",
                wanted.volume
            )));
        }
        let uid = lost_it.and_then(|claim| claim.metadata.uid.as_deref());
        let made = volume_to_create(
            manifest,
            wanted,
            &situation.namespace_name,
            uid,
            &situation.owner(),
        );
        course.steps.push(Step::CreateVolume(made));
        return Ok(());
    };
    if volume.metadata.deletion_timestamp.is_some() {
        return Err(Obstacle::new(format!(
            "PersistentVolume {name} was deleted, and only finalizers hold it: a claim that is \
             bound to it now would lose it again. Its data is where it was. Let the object go, \
             which the ledger remembers, then come back: kubectl holdfast unlock pv/{name}",
            name = wanted.volume
        )));
    }
    if let Some((remembered, present)) = other_storage(wanted, volume) {
        return Err(Obstacle::new(format!(
            "PersistentVolume {name} is there, but not for the storage that held the data: that \
             was {remembered}, this is {present}. Look at it: kubectl get pv {name} -o yaml",
            name = wanted.volume
        )));
    }
    let holder = claim_of(volume);
    let is_for_it = holder.name.as_deref() == Some(wanted.claim.as_str())
        && holder.namespace.as_deref() == Some(&situation.namespace_name);
    if place.held_by_other {
        return Err(Obstacle::new(format!(
            "PersistentVolume {} belongs to claim {}/{} now, so it is left there. Look at both: \
             kubectl get pv {}",
            wanted.volume,
            holder.namespace.unwrap_or_default(),
            holder.name.unwrap_or_default(),
            wanted.volume
        )));
    }
    let is_held = place
        .claim
        .as_ref()
        .is_some_and(|claim| holds(claim, place));
    // A claim that was bound before takes no volume that is only reserved for its name: it must be
    // named by its UID.
    let lost = lost_it.filter(|claim| {
        claim
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref())
            == Some("Lost")
    });
    let is_reserved = is_for_it && holder.uid.is_none() && lost.is_none();
    if is_reserved || is_held {
        return Ok(());
    }
    // The guard refuses to tie a volume to a claim of another name, and a person may confirm it:
    // the claim that it names now is not there.
    let is_renamed = holder.name.is_some() && !is_for_it && guard::is_labelled(&volume.metadata);
    if is_renamed && !guard::deletion_confirmed(&volume.metadata) {
        course
            .steps
            .push(Step::ConfirmVolume(Box::new(volume.metadata.clone())));
    }
    // From the UID of a claim that is gone to that of the one that is there it takes two steps: the
    // guard lets the first be taken out, and the other put in.
    let is_of_another = is_for_it && holder.uid.is_some();
    if is_of_another
        && volume
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref())
            == Some("Bound")
    {
        // Its claim has just gone. Until the binder has seen that, the guard lets nobody take the
        // claim's UID out.
        course.steps.push(Step::Await(format!(
            "PersistentVolume {} to be Released",
            wanted.volume
        )));
    }
    let for_uid = lost
        .filter(|_| !is_of_another)
        .and_then(|claim| claim.metadata.uid.clone());
    course
        .steps
        .push(reserve(situation, place, volume, for_uid));
    if is_renamed {
        course
            .steps
            .push(Step::RevokeVolume(Box::new(volume.metadata.clone())));
    }
    Ok(())
}

/// The storage that is remembered and the one that the volume of that name is for, where they
/// differ.
fn other_storage(wanted: &Wanted, volume: &PersistentVolume) -> Option<(String, String)> {
    let remembered: PersistentVolumeSpec =
        serde_json::from_value(wanted.volume_manifest.as_ref()?.get("spec")?.clone()).ok()?;
    let (remembered, present) = (
        guard::volume_handle(&remembered),
        guard::volume_handle(volume.spec.as_ref()?),
    );
    (!remembered.is_empty() && !present.is_empty() && remembered != present)
        .then_some((remembered, present))
}

/// Takes the claim away that is in the way, after its pods have stopped and its volume is kept.
fn let_claim_go(
    situation: &Situation,
    place: &Place,
    claim: &PersistentVolumeClaim,
    course: &mut Course,
) -> Result<(), Obstacle> {
    let name = &place.wanted.claim;
    if place.bound_to().is_some()
        && bound_volume(place).is_none()
        && place.volume.is_some()
        && place.bound_to() != Some(&place.wanted.volume)
    {
        course.notes.push(format!(
            "the volume that claim {name} was bound to, {}, is gone",
            place.bound_to().unwrap_or_default()
        ));
    }
    if let Some(volume) = bound_volume(place).filter(|volume| !is_kept(volume, &situation.owner()))
    {
        let reclaim_policy = volume
            .spec
            .as_ref()
            .and_then(|spec| spec.persistent_volume_reclaim_policy.clone());
        course.steps.push(Step::KeepVolume {
            metadata: Box::new(volume.metadata.clone()),
            reclaim_policy,
        });
    }
    if !place.pods.is_empty() {
        if let Some(workload) = &situation.workload {
            scale_down(situation, workload, course)?;
        }
        let pods = place
            .pods
            .iter()
            .map(|pod| pod.name.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        course.steps.push(Step::Await(format!(
            "the pods that mount claim {name} to stop: {pods}"
        )));
    }
    let metadata = || Box::new(claim.metadata.clone());
    if !guard::deletion_confirmed(&claim.metadata)
        && (guard::is_labelled(&claim.metadata) || guard::is_held(&claim.metadata))
    {
        course.steps.push(Step::ConfirmClaim(metadata()));
    }
    if claim.metadata.deletion_timestamp.is_none() {
        course.steps.push(Step::DeleteClaim(metadata()));
    }
    if guard::is_held(&claim.metadata) {
        course.steps.push(Step::LetClaimGo(metadata()));
    }
    course
        .steps
        .push(Step::Await(format!("claim {name} to go")));
    Ok(())
}

/// The volume that the claim is bound to, right or wrong.
fn bound_volume(place: &Place) -> Option<&PersistentVolume> {
    match place.bound_to() {
        Some(bound) if bound == place.wanted.volume => place.volume.as_ref(),
        Some(_) => place.other_volume.as_ref(),
        None => None,
    }
}

/// Whether a volume survives its claim: on Retain, and marked as somebody's.
fn is_kept(volume: &PersistentVolume, owner: &str) -> bool {
    let policy = volume
        .spec
        .as_ref()
        .and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref());
    let is_marked = matches!(
        guard::mark_state(&volume.metadata, owner, Marks::Held),
        MarkState::Ours | MarkState::MarkedBy(_)
    );
    policy == Some(guard::RETAIN) && (is_marked || volume.metadata.deletion_timestamp.is_some())
}

/// Whether the claim has no volume yet and fits the one that is reserved for it, so that the binder
/// brings them together.
fn is_waiting(claim: &PersistentVolumeClaim, place: &Place) -> bool {
    let spec = claim.spec.clone().unwrap_or_default();
    let remembered = &place.wanted.claim_manifest["spec"];
    let size = spec
        .resources
        .and_then(|resources| resources.requests)
        .and_then(|requests| requests.get("storage").cloned());
    claim.metadata.deletion_timestamp.is_none()
        && place.bound_to().is_none()
        && spec.storage_class_name.as_deref() == remembered["storageClassName"].as_str()
        && size.as_ref().map(|size| size.0.as_str())
            == remembered["resources"]["requests"]["storage"].as_str()
}

/// A claim that is Lost is not looked at when its volume comes back; any change to it makes the
/// binder look. Once for each state of the volume.
fn nudge(claim: &PersistentVolumeClaim, place: &Place) -> Option<Step> {
    let volume = place.volume.as_ref()?;
    let volume_version = volume.metadata.resource_version.clone()?;
    let is_lost = claim.status.as_ref()?.phase.as_deref() == Some("Lost");
    let is_known = volume.status.as_ref()?.phase.as_deref() == Some("Bound");
    let noted = claim
        .metadata
        .annotations
        .as_ref()
        .and_then(|annotations| annotations.get(REBOUND_VOLUME_VERSION_ANNOTATION));
    (is_lost && is_known && holds(claim, place) && noted != Some(&volume_version)).then(|| {
        Step::NudgeClaim {
            metadata: Box::new(claim.metadata.clone()),
            volume_version,
        }
    })
}

/// Whether the volume is tied to this very claim.
fn holds(claim: &PersistentVolumeClaim, place: &Place) -> bool {
    let holder = place
        .volume
        .as_ref()
        .map(claim_of)
        .and_then(|reference| reference.uid);
    holder.is_some() && holder == claim.metadata.uid
}

fn claim_of(volume: &PersistentVolume) -> ObjectReference {
    volume
        .spec
        .as_ref()
        .and_then(|spec| spec.claim_ref.clone())
        .unwrap_or_default()
}

fn reserve(
    situation: &Situation,
    place: &Place,
    volume: &PersistentVolume,
    for_uid: Option<String>,
) -> Step {
    Step::ReserveVolume {
        metadata: Box::new(volume.metadata.clone()),
        claim_uid: claim_of(volume).uid,
        namespace: situation.namespace_name.clone(),
        claim: place.wanted.claim.clone(),
        for_uid,
    }
}

fn describe(place: &Place) -> String {
    let (claim_name, volume_name) = (&place.wanted.claim, &place.wanted.volume);
    let volume = match &place.volume {
        None => "is gone, and remembered by the ledger".to_owned(),
        Some(volume) => {
            let phase = volume
                .status
                .as_ref()
                .and_then(|status| status.phase.clone())
                .unwrap_or_else(|| "there".to_owned());
            format!("is {phase}, with what is on it")
        }
    };
    let claim = match (&place.claim, place.bound_to()) {
        (None, _) => "gone".to_owned(),
        (Some(claim), _) if claim.metadata.deletion_timestamp.is_some() => {
            "Terminating; a finalizer or its pods hold it".to_owned()
        }
        (Some(_), Some(bound)) if bound == volume_name => "not Bound to its volume".to_owned(),
        (Some(_), Some(other)) => format!("on another volume, {other}"),
        (Some(_), None) => "waiting for a volume".to_owned(),
    };
    format!("claim {claim_name}: {claim}; volume {volume_name} {volume}")
}
