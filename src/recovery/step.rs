//! The steps of a recovery, as data, each said in a few words. Nothing is done here.

use k8s_openapi::api::core::v1::Volume;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use crate::api::WorkloadKind;

/// One step. Metadata was read live; its UID is a precondition of the write.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Confirms that a namespace that is Terminating may go.
    ConfirmNamespace(Box<ObjectMeta>),
    /// Ends the deletion of a namespace: the object goes, what is guarded in it stays.
    FinalizeNamespace(Box<ObjectMeta>),
    /// Makes the namespace again.
    CreateNamespace(Value),
    /// Makes a volume again, on Retain and marked.
    CreateVolume(Value),
    /// Sets the volume of a claim that is to go to Retain and marks it, so that it is kept.
    KeepVolume {
        /// Its metadata.
        metadata: Box<ObjectMeta>,
        /// Its reclaim policy.
        reclaim_policy: Option<String>,
    },
    /// Scales the workload to 0 and notes on it how many pods it had.
    ScaleDown {
        /// Its kind.
        kind: WorkloadKind,
        /// Its metadata.
        metadata: Box<ObjectMeta>,
        /// How many pods it has.
        replicas: i32,
    },
    /// Confirms the deletion of a claim, whose volume is kept.
    ConfirmClaim(Box<ObjectMeta>),
    /// Deletes a claim that holds the place of the right one. Its volume is kept.
    DeleteClaim(Box<ObjectMeta>),
    /// Takes our finalizer off a claim that is Terminating and confirmed.
    LetClaimGo(Box<ObjectMeta>),
    /// Reserves the volume for the claim that is wanted, so that no other can take it; or ties it
    /// to the very claim that is there and names it.
    ReserveVolume {
        /// Its metadata.
        metadata: Box<ObjectMeta>,
        /// The UID of the claim that it was bound to; none if it has no claim.
        claim_uid: Option<String>,
        /// Namespace of the claim.
        namespace: String,
        /// Name of the claim.
        claim: String,
        /// The UID of the claim that is there and names the volume; none if the next one of that
        /// name is to have it.
        for_uid: Option<String>,
    },
    /// Confirms that a guarded volume may be tied to its claim again, though it names another one,
    /// which is not there.
    ConfirmVolume(Box<ObjectMeta>),
    /// Takes that confirmation off again, so that nothing is left that would let the volume go.
    RevokeVolume(Box<ObjectMeta>),
    /// Makes a claim again, on its volume and marked.
    CreateClaim(Value),
    /// Lets the binder look at a claim that is Lost, whose volume is there again: by itself it does
    /// so only every 15 s.
    NudgeClaim {
        /// The claim's metadata.
        metadata: Box<ObjectMeta>,
        /// The resource version of the volume.
        volume_version: String,
    },
    /// Lets the pod template mount the right claim again.
    Remount {
        /// Kind of the workload.
        kind: WorkloadKind,
        /// Its metadata.
        metadata: Box<ObjectMeta>,
        /// Which of the template's volumes.
        index: usize,
        /// That volume as it is.
        volume: Box<Volume>,
        /// The claim to mount.
        claim: String,
    },
    /// Confirms that a ProtectedDatabase that is Terminating may go, because it is made again.
    ConfirmDatabase(Box<ObjectMeta>),
    /// Takes our finalizer off a ProtectedDatabase that is Terminating and confirmed.
    LetDatabaseGo(Box<ObjectMeta>),
    /// Makes the ProtectedDatabase again.
    CreateDatabase(Value),
    /// Gives the workload the pods back that it had.
    ScaleUp {
        /// Its kind.
        kind: WorkloadKind,
        /// Its metadata.
        metadata: Box<ObjectMeta>,
        /// How many pods it had.
        replicas: i32,
    },
    /// Nothing to do but to look again; what is waited for.
    Await(String),
}

impl Step {
    /// What the step does, in a few words.
    #[must_use]
    pub fn describe(&self) -> String {
        let name = |metadata: &ObjectMeta| metadata.name.clone().unwrap_or_default();
        let named = |manifest: &Value| {
            manifest["metadata"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        match self {
            Self::ConfirmNamespace(metadata) => format!(
                "confirm that Namespace {}, which is Terminating, may go",
                name(metadata)
            ),
            Self::FinalizeNamespace(metadata) => {
                format!(
                    "end the deletion of Namespace {}; what is guarded in it stays where it is",
                    name(metadata)
                )
            }
            Self::CreateNamespace(manifest) => format!("make Namespace {} again", named(manifest)),
            Self::CreateVolume(manifest) => format!(
                "make PersistentVolume {} again, as the ledger remembers it",
                named(manifest)
            ),
            Self::KeepVolume { metadata, .. } => {
                format!(
                    "set PersistentVolume {} to Retain and mark it, so that it is kept",
                    name(metadata)
                )
            }
            Self::ScaleDown {
                kind,
                metadata,
                replicas,
            } => format!(
                "scale {kind} {} from {replicas} to 0: its pods stop",
                name(metadata)
            ),
            Self::ConfirmClaim(metadata) => format!(
                "confirm that PersistentVolumeClaim {} may go",
                name(metadata)
            ),
            Self::DeleteClaim(metadata) => {
                format!(
                    "delete PersistentVolumeClaim {}, which is in the way; no volume goes with it",
                    name(metadata)
                )
            }
            Self::LetClaimGo(metadata) => format!(
                "let PersistentVolumeClaim {} go; no volume goes with it",
                name(metadata)
            ),
            Self::ReserveVolume {
                metadata,
                claim,
                for_uid: Some(_),
                ..
            } => {
                format!(
                    "tie PersistentVolume {} to claim {claim} again",
                    name(metadata)
                )
            }
            Self::ReserveVolume {
                metadata, claim, ..
            } => format!(
                "reserve PersistentVolume {} for claim {claim}",
                name(metadata)
            ),
            Self::ConfirmVolume(metadata) => {
                format!(
                    "confirm that PersistentVolume {}, which names a claim that is not there, may \
                     change",
                    name(metadata)
                )
            }
            Self::RevokeVolume(metadata) => format!(
                "take the confirmation off PersistentVolume {} again",
                name(metadata)
            ),
            Self::CreateClaim(manifest) => format!(
                "make PersistentVolumeClaim {} again, on PersistentVolume {}",
                named(manifest),
                manifest["spec"]["volumeName"].as_str().unwrap_or_default()
            ),
            Self::NudgeClaim { metadata, .. } => format!(
                "let the binder look at PersistentVolumeClaim {}",
                name(metadata)
            ),
            Self::Remount {
                kind,
                metadata,
                claim,
                volume,
                ..
            } => {
                format!(
                    "let {kind} {} mount claim {claim} as volume {} again",
                    name(metadata),
                    volume.name
                )
            }
            Self::ConfirmDatabase(metadata) => format!(
                "confirm that ProtectedDatabase {}, which is Terminating, may go",
                name(metadata)
            ),
            Self::LetDatabaseGo(metadata) => format!(
                "let ProtectedDatabase {} go, to be made again",
                name(metadata)
            ),
            Self::CreateDatabase(manifest) => format!(
                "make ProtectedDatabase {} again, as the ledger remembers it",
                named(manifest)
            ),
            Self::ScaleUp {
                kind,
                metadata,
                replicas,
            } => format!("scale {kind} {} back to {replicas}", name(metadata)),
            Self::Await(what) => format!("wait for {what}"),
        }
    }

    /// Whether it stops pods or takes an object away: a person is asked before.
    #[must_use]
    pub const fn disturbs(&self) -> bool {
        matches!(
            self,
            Self::FinalizeNamespace(_)
                | Self::ScaleDown { .. }
                | Self::DeleteClaim(_)
                | Self::LetClaimGo(_)
                | Self::Remount { .. }
                | Self::LetDatabaseGo(_)
        )
    }
}
