//! Claims and their volumes as they were read.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde_json::Value;

use crate::api::VolumeStorage;
use crate::guard::RETAIN;

/// Why a claim belongs to the database.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and all can hold at once"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ClaimOrigin {
    /// The workload's template or claim templates name it.
    pub template: bool,
    /// A pod of the workload has it as a volume now.
    pub pod: bool,
    /// `spec.extraClaims` names it.
    pub extra: bool,
    /// It carries this database's mark.
    pub marked: bool,
}

/// A claim that belongs to the database.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimFact {
    pub name: String,
    /// Why it belongs to the database.
    pub origin: ClaimOrigin,
    /// Its metadata; `None` when no such claim exists.
    pub metadata: Option<ObjectMeta>,
    /// `Pending`, `Bound` or `Lost`.
    pub phase: String,
    /// The volume that it names, whoever that volume is for.
    pub volume_name: Option<String>,
    /// The volume that it is bound to, read live.
    pub volume: VolumeFact,
    /// What it can hold, in bytes, as its status says.
    pub capacity: Option<u64>,
    /// Its manifest, to recreate it; null if it does not exist.
    pub manifest: Value,
}

/// A volume whose claim is gone.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptVolume {
    /// Name of the claim that was bound to it.
    pub claim: String,
    /// UID of that claim.
    pub claim_uid: String,
    pub volume: VolumeFound,
}

/// The volume behind a claim.
#[derive(Clone, Debug, PartialEq)]
pub enum VolumeFact {
    /// The claim is not bound.
    NotBound,
    /// The claim names a volume that does not exist.
    Gone(String),
    /// The volume.
    Found(Box<VolumeFound>),
    /// It could not be read.
    Unknown(String),
}

/// A volume, as far as it matters here.
#[derive(Clone, Debug, PartialEq)]
pub struct VolumeFound {
    pub metadata: ObjectMeta,
    /// `Retain`, `Delete` or `Recycle`.
    pub reclaim_policy: String,
    /// The storage that it is for.
    pub storage: VolumeStorage,
    /// The claim that it is for.
    pub claim: Option<ObjectReference>,
    /// `Available`, `Bound`, `Released` or `Failed`.
    pub phase: String,
    /// Since when it is in that phase.
    pub phase_since: Option<Time>,
    /// Its manifest, to recreate it.
    pub manifest: Value,
}

impl ClaimFact {
    /// Whether the claim exists and is not being deleted.
    #[must_use]
    pub fn is_live(&self) -> bool {
        let metadata = self.metadata.as_ref();
        metadata.is_some_and(|metadata| metadata.deletion_timestamp.is_none())
    }

    /// Its UID.
    #[must_use]
    pub fn uid(&self) -> Option<&str> {
        self.metadata.as_ref()?.uid.as_deref()
    }
}

impl VolumeFound {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// The UID of the claim that it is bound to.
    #[must_use]
    pub fn claim_uid(&self) -> Option<&str> {
        self.claim
            .as_ref()?
            .uid
            .as_deref()
            .filter(|uid| !uid.is_empty())
    }

    /// Whether it survives its claim.
    #[must_use]
    pub fn is_retained(&self) -> bool {
        self.reclaim_policy == RETAIN
    }
}
