//! What carries marks, and what becomes of each object: released, released because its deletion was
//! confirmed, or kept. Pure.

use jiff::Timestamp;
use json_patch::{Patch, PatchOperation};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::names::{REPLICAS_BEFORE_ANNOTATION, RESTORING_FINALIZER};
use crate::guard::operations::{remove, test, test_uid};
use crate::guard::{
    Marks, RETAIN, build_release_patch, build_workload_release, deletion_confirmed, is_held,
    is_labelled, marked_owner,
};
use crate::plugin::unlock::Kind;
use crate::world::{OwnerName, OwnerState};

/// What is known of the volume of a claim, or of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Policy {
    /// There is no volume.
    None,
    /// The volume and its reclaim policy.
    Is(String, String),
    /// Why it is not known.
    Unknown(String),
}

/// An object that carries marks.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub kind: &'static Kind,
    pub metadata: ObjectMeta,
    pub policy: Policy,
    /// Its owners, in the order of its metadata.
    pub owners: Vec<(Option<OwnerName>, OwnerState)>,
}

/// What becomes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its marks are removed.
    Released,
    /// It is Terminating and goes with our finalizer, as was confirmed.
    Gone,
    /// Its marks are removed with the references to owners that do not exist any more.
    Detached,
    /// It keeps its marks.
    Kept {
        why: String,
        /// What helps, if anything does.
        command: Option<String>,
    },
}

impl Found {
    /// What becomes of it. Without `detach` what garbage collection would delete at once is kept.
    pub fn fate(&self, detach: bool, now: Timestamp) -> Fate {
        let kept = |why: String, command: Option<String>| Fate::Kept { why, command };
        match &self.policy {
            Policy::Unknown(why) => {
                return kept(
                    format!("whether its volume is on Retain is not known: {why}"),
                    None,
                );
            }
            Policy::Is(volume, policy) if policy != RETAIN => {
                let command = format!(
                    "kubectl patch pv {volume} --type=merge -p \
                     '{{\"spec\":{{\"persistentVolumeReclaimPolicy\":\"Retain\"}}}}'"
                );
                return kept(
                    format!(
                        "its volume is on {policy}: whoever deletes the claim deletes the files"
                    ),
                    Some(command),
                );
            }
            Policy::Is(..) | Policy::None => {}
        }
        let is_going = self.metadata.deletion_timestamp.is_some();
        if self.is_restore() {
            return if is_going { Fate::Gone } else { Fate::Released };
        }
        if is_going && !deletion_confirmed(&self.metadata, now) {
            return kept(
                "it is being deleted, which nobody has confirmed, and would be gone without its \
                 finalizer"
                    .to_owned(),
                Some(format!("kubectl holdfast unlock {}", self.words())),
            );
        }
        if is_going {
            return Fate::Gone;
        }
        let unread = self
            .owners
            .iter()
            .find(|(_, state)| *state == OwnerState::NotKnown);
        if let Some((owner, _)) = unread {
            let named = owner
                .as_ref()
                .map_or_else(|| "its owner".to_owned(), OwnerName::describe);
            return kept(
                format!(
                    "whether {named} still exists is not known, and garbage collection deletes what has \
                     no owner any more"
                ),
                owner.as_ref().map(|owner| self.look_for(owner)),
            );
        }
        match (self.gone_owners(), detach) {
            (None, _) => Fate::Released,
            (Some(_), true) => Fate::Detached,
            (Some(owners), false) => kept(
                format!(
                    "{owners} does not exist any more: without its marks, garbage collection deletes it \
                     at once"
                ),
                Some(format!(
                    "kubectl holdfast release --all{} --detach-owners",
                    self.scope()
                )),
            ),
        }
    }

    /// The owners, if there are any and none of them exists: then garbage collection wants the object.
    pub fn gone_owners(&self) -> Option<String> {
        let is_gone = |(_, state): &(_, OwnerState)| *state == OwnerState::Gone;
        if self.owners.is_empty() || !self.owners.iter().all(is_gone) {
            return None;
        }
        let named = self.owners.iter().map(|(owner, _)| {
            owner
                .as_ref()
                .map_or_else(|| "an owner".to_owned(), OwnerName::describe)
        });
        Some(named.collect::<Vec<_>>().join(", "))
    }

    fn look_for(&self, owner: &OwnerName) -> String {
        let group = if owner.group.is_empty() {
            String::new()
        } else {
            format!(".{}", owner.group)
        };
        let kind = owner.kind.to_ascii_lowercase();
        format!("kubectl get {kind}{group} {}{}", owner.name, self.scope())
    }

    fn is_restore(&self) -> bool {
        self.kind.kind == "DatabaseRestore"
    }

    /// The patch that removes its marks, for the object as it was read. None if it has none.
    pub fn build_patch(&self, fate: &Fate) -> Option<Patch> {
        let metadata = &self.metadata;
        let marks = match self.kind.kind {
            "DatabaseRestore" => return build_restore_release(metadata),
            "StatefulSet" | "Deployment" | "Namespace" => Marks::Shared,
            "ProtectedDatabase" => Marks::Itself,
            "DatabaseLedger" => Marks::Named,
            _ => Marks::Held,
        };
        let is_workload = matches!(self.kind.kind, "StatefulSet" | "Deployment");
        let mut patch = if is_workload {
            build_workload_release(metadata)
        } else {
            let owner = marked_owner(metadata).unwrap_or_default();
            build_release_patch(metadata, owner, marks)
        };
        if let (Fate::Detached, Some(patch)) = (fate, &mut patch) {
            patch.0.extend(detach(metadata));
        }
        patch
    }

    /// `PersistentVolumeClaim atra/data`.
    pub fn title(&self) -> String {
        let name = self.metadata.name.as_deref().unwrap_or_default();
        match self.metadata.namespace.as_deref() {
            Some(namespace) => format!("{} {namespace}/{name}", self.kind.kind),
            None => format!("{} {name}", self.kind.kind),
        }
    }

    /// `pvc/data -n atra`.
    fn words(&self) -> String {
        let name = self.metadata.name.as_deref().unwrap_or_default();
        format!("{}/{name}{}", self.kind.word, self.scope())
    }

    fn scope(&self) -> String {
        let namespace = self.metadata.namespace.as_deref();
        namespace.map_or_else(String::new, |namespace| format!(" -n {namespace}"))
    }

    /// Whether it carries the mark that makes the API server refuse.
    pub fn is_guarded(&self) -> bool {
        is_labelled(&self.metadata)
    }

    /// Whether anything of Holdfast's is on it that could be removed.
    pub fn carries_marks(&self) -> bool {
        self.is_restore() && finalizer_place(&self.metadata).is_some()
            || is_held(&self.metadata)
            || is_labelled(&self.metadata)
    }

    /// The command that gives a workload the pods back that a recovery had stopped.
    pub fn scale_back(&self) -> Option<String> {
        let annotations = self.metadata.annotations.as_ref()?;
        let before = annotations.get(REPLICAS_BEFORE_ANNOTATION)?;
        // Whoever may write the workload may write any text there.
        let replicas: u16 = before.parse().ok()?;
        let word = self.words();
        Some(format!("kubectl scale {word} --replicas={replicas}"))
    }
}

fn finalizer_place(metadata: &ObjectMeta) -> Option<usize> {
    let mut finalizers = metadata.finalizers.iter().flatten();
    finalizers.position(|finalizer| finalizer == RESTORING_FINALIZER)
}

/// Removes the finalizer of a restore by its place and its name, so that nobody else's is removed.
fn build_restore_release(metadata: &ObjectMeta) -> Option<Patch> {
    let place = finalizer_place(metadata)?.to_string();
    let path = ["metadata", "finalizers", place.as_str()];
    Some(Patch(vec![
        test_uid(metadata),
        test(&path, RESTORING_FINALIZER.into()),
        remove(&path),
    ]))
}

/// Removes the references to owners, if they are still those that were read.
fn detach(metadata: &ObjectMeta) -> Vec<PatchOperation> {
    let path = ["metadata", "ownerReferences"];
    let read = serde_json::to_value(&metadata.owner_references).unwrap_or_default();
    vec![test(&path, read), remove(&path)]
}

#[cfg(test)]
#[path = "found_tests.rs"]
mod tests;
