//! What was read before anything is planned: the ledger, and what of it is there. No opinions here.

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Volume, VolumeMount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use crate::api::{DatabaseLedger, ProtectedDatabase, WorkloadKind, names};
use crate::resources;

/// Everything that matters for bringing one database back.
#[derive(Clone, Debug)]
pub struct Situation {
    /// Namespace of the database.
    pub namespace_name: String,
    /// Name of the ProtectedDatabase.
    pub name: String,
    /// What is remembered of it.
    pub ledger: DatabaseLedger,
    /// The namespace, if it is there.
    pub namespace: Option<ObjectMeta>,
    /// The ProtectedDatabase, if it is there.
    pub database: Option<ProtectedDatabase>,
    /// The workload, if it is known and there.
    pub workload: Option<WorkloadState>,
    /// The pods of the workload that have not ended.
    pub workload_pods: Vec<String>,
    /// The claims that the database needs, and the volume that belongs to each.
    pub places: Vec<Place>,
}

impl Situation {
    /// `NAMESPACE/NAME`.
    #[must_use]
    pub fn owner(&self) -> String {
        names::protected_by(&self.namespace_name, &self.name)
    }
}

/// A claim that the database needs, and the volume that belongs there.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Name of the claim.
    pub claim: String,
    /// Name of the volume.
    pub volume: String,
    /// Where the database's container had it mounted at the last good check; none if it did not.
    pub mount_path: Option<String>,
    /// The claim as it can be made again.
    pub claim_manifest: Value,
    /// The volume as it can be made again, if it is remembered.
    pub volume_manifest: Option<Value>,
}

/// One claim, as wanted and as it is.
#[derive(Clone, Debug)]
pub struct Place {
    /// What belongs there.
    pub wanted: Wanted,
    /// The claim of that name, if it is there.
    pub claim: Option<PersistentVolumeClaim>,
    /// The volume that is wanted, if it is there.
    pub volume: Option<PersistentVolume>,
    /// The volume that the claim is bound to instead, if it is there.
    pub other_volume: Option<PersistentVolume>,
    /// Whether the volume is tied to another claim, which is there and holds it.
    pub held_by_other: bool,
    /// Another volume object for the same storage, looked for when the one that is wanted is gone.
    pub same_storage: Option<String>,
    /// The pods that mount the claim and have not ended.
    pub pods: Vec<MountingPod>,
}

/// A pod that mounts a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountingPod {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

impl Place {
    /// The volume that the claim names.
    #[must_use]
    pub fn bound_to(&self) -> Option<&str> {
        self.claim
            .as_ref()?
            .spec
            .as_ref()?
            .volume_name
            .as_deref()
            .filter(|name| !name.is_empty())
    }

    /// Whether the claim is there, Bound to the volume that is wanted, and nobody has deleted it.
    #[must_use]
    pub fn is_well(&self) -> bool {
        let (Some(claim), Some(volume)) = (&self.claim, &self.volume) else {
            return false;
        };
        let holder = volume
            .spec
            .as_ref()
            .and_then(|spec| spec.claim_ref.as_ref())
            .and_then(|reference| reference.uid.as_deref());
        claim.metadata.deletion_timestamp.is_none()
            && self.bound_to() == Some(self.wanted.volume.as_str())
            && claim.metadata.uid.as_deref() == holder
            && claim
                .status
                .as_ref()
                .and_then(|status| status.phase.as_deref())
                == Some("Bound")
    }
}

/// The workload, as far as recovery has to do with it.
#[derive(Clone, Debug)]
pub struct WorkloadState {
    /// Its kind.
    pub kind: WorkloadKind,
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// How many pods it asks for.
    pub replicas: i32,
    /// The volumes of its pod template.
    pub volumes: Vec<Volume>,
    /// The mounts of the container that runs Postgres.
    pub mounts: Vec<VolumeMount>,
    /// Names of its claim templates.
    pub claim_templates: Vec<String>,
    /// Whether its claims are deleted when it is scaled down.
    pub deletes_claims_when_scaled: bool,
}

impl WorkloadState {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// Whether its pods mount a claim, by their template or by a claim template.
    #[must_use]
    pub fn mounts_claim(&self, claim: &str) -> bool {
        self.volumes.iter().any(|volume| {
            volume
                .persistent_volume_claim
                .as_ref()
                .is_some_and(|source| source.claim_name == claim)
        }) || resources::is_from_claim_template(claim, self.name(), &self.claim_templates)
    }

    /// How many pods it had before it was scaled to 0 for a recovery.
    #[must_use]
    pub fn replicas_before(&self) -> Option<i32> {
        self.metadata
            .annotations
            .as_ref()?
            .get(names::REPLICAS_BEFORE_ANNOTATION)?
            .parse()
            .ok()
    }
}
