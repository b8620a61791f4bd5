//! Another volume object for the storage of a guarded one, or for a directory above it, in words: those of
//! `Guarded` and of `kubectl holdfast doctor`. Pure.

use super::pods::list_pods;
use crate::api::VolumeStorage;
use crate::world::{Fact, PodFact, TwinFact, VolumeFound};

/// Another volume object, and the storage whose files it may take along.
#[derive(Clone, Copy, Debug)]
pub struct TwinWords<'a> {
    /// The other one, and the name of the volume whose files they are.
    pub twin: &'a TwinFact,
    /// What that volume is for.
    pub storage: &'a VolumeStorage,
}

impl<'a> TwinWords<'a> {
    /// Whether its deletion takes no files along.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        let volume = &self.twin.volume;
        volume.is_retained() && volume.metadata.deletion_timestamp.is_none()
    }

    /// Whether it is being deleted: the object, or the storage after its claim.
    #[must_use]
    pub fn is_going(&self) -> bool {
        let VolumeFound {
            metadata, phase, ..
        } = &self.twin.volume;
        let is_left = matches!(phase.as_str(), "Released" | "Failed");
        metadata.deletion_timestamp.is_some() || (is_left && !self.twin.volume.is_retained())
    }

    /// Whether it is, or may be, for the very storage, and not for one that contains it.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.twin.volume.storage.is_same(self.storage) != Some(false)
    }

    /// Whether nothing says if it is for the same storage.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        self.twin.volume.storage.may_be_same(self.storage)
    }

    /// The pods that may write to these directories of the storage through it: beside those that do so
    /// through the claim of the database, where both are its own.
    #[must_use]
    pub fn writers(&self, directories: &[&str], own_claim: Option<&str>) -> Fact<Vec<&'a PodFact>> {
        let has_both = |pod: &PodFact| {
            pod.claims
                .iter()
                .any(|claim| Some(claim.as_str()) == own_claim)
        };
        self.twin.writers(directories).map(|mut writers| {
            writers.retain(|pod| !self.twin.is_own || !has_both(pod));
            writers
        })
    }

    /// `PersistentVolume B is for the same storage as PersistentVolume A`.
    #[must_use]
    pub fn same_storage(&self) -> String {
        let (name, of) = (self.twin.volume.name(), &self.twin.of);
        let how = if self.is_undecided() {
            "may be for the same storage (what names it does not say) as"
        } else if self.is_same() {
            "is for the same storage as"
        } else {
            "is for storage that contains that of"
        };
        format!("PersistentVolume {name} {how} PersistentVolume {of}")
    }

    /// What its deletion would delete.
    #[must_use]
    pub fn would_delete(&self) -> String {
        let (name, of) = (self.twin.volume.name(), &self.twin.of);
        format!("deleting PersistentVolume {name}, or its claim, would delete the files of {of}")
    }

    /// Says that it is being deleted.
    #[must_use]
    pub fn say_going(&self) -> String {
        format!(
            "{}, and its deletion has begun: the files of {} may be deleted with it",
            self.same_storage(),
            self.twin.of
        )
    }
}

/// `pod a`, or `pods a and b`.
#[must_use]
pub fn list_writers(writers: &[&PodFact]) -> String {
    let pods = if writers.len() == 1 { "pod" } else { "pods" };
    format!("{pods} {}", list_pods(writers))
}
