//! What the operator sees of one protected database in one pass. Facts only; `observe` fills them
//! in, `decide` judges.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde_json::Value;

use super::Fact;
use crate::api::{
    CheckTarget, CheckTrigger, DatabaseBackup, DatabaseCheck, DatabaseCheckSpec,
    DatabaseCheckStatus, DatabaseLedger, ProtectedDatabase, WorkloadKind, names,
};
use crate::resources;

/// Everything that one pass sees.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The ProtectedDatabase, read live in this pass.
    pub database: Arc<ProtectedDatabase>,
    /// When the pass began.
    pub now: Time,
    /// The image that agents' binary is copied from.
    pub agent_image: String,
    /// The workload that `spec.workload` names.
    pub workload: Fact<WorkloadFact>,
    /// The other ProtectedDatabases of the namespace.
    pub neighbours: Fact<Vec<NeighbourFact>>,
    /// The workload's pods.
    pub pods: Fact<Vec<PodFact>>,
    /// The claims that belong to the database, by any of the ways in which a claim can.
    pub claims: Fact<Vec<ClaimFact>>,
    /// The volumes of claims that are gone, as far as they are still this database's.
    pub kept_volumes: Fact<Vec<KeptVolume>>,
    /// The namespace's metadata.
    pub namespace: Fact<ObjectMeta>,
    /// The admission policy that refuses deletions.
    pub policy: Fact<PolicyFact>,
    /// What is remembered of the database outside its namespace, if anything is.
    pub ledger: Fact<Option<LedgerFact>>,
    /// The database's checks.
    pub checks: Fact<Vec<DatabaseCheck>>,
    /// The database's backups.
    pub backups: Fact<Vec<DatabaseBackup>>,
    /// The database's agent Jobs.
    pub jobs: Fact<Vec<Job>>,
    /// The database's backup CronJob.
    pub cron_job: Fact<Option<CronJob>>,
    /// Whether the agents' service account and role binding are there.
    pub agent_identity: Fact<bool>,
    /// The claims of `spec.verification.files` that exist.
    pub file_places: Fact<Vec<FilePlace>>,
}

/// A claim whose files are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePlace {
    /// Its name.
    pub claim: String,
    /// A node on which a pod has it.
    pub node: Option<String>,
}

/// Another ProtectedDatabase of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeighbourFact {
    /// Its name.
    pub name: String,
    /// Whether it names the same workload.
    pub same_workload: bool,
    /// Whether it is the older of the two.
    pub older: bool,
    /// Whether it guards what the two share, such as the namespace: its guard is on, and it is not
    /// going for good.
    pub guards: bool,
}

/// What `spec.workload` led to.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkloadFact {
    /// One workload.
    Found(Box<WorkloadFound>),
    /// None of that name.
    NotFound,
    /// A StatefulSet and a Deployment of that name, and the spec does not say which.
    Ambiguous,
}

/// The workload, as far as it matters here.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadFound {
    /// Its kind.
    pub kind: WorkloadKind,
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// Its label selector as a query.
    pub selector: String,
    /// Desired replicas.
    pub replicas: i32,
    /// The containers of its template: name and image.
    pub containers: Vec<ContainerFact>,
    /// Names of claims in the template's volumes.
    pub template_claims: Vec<String>,
    /// Names of claim templates (StatefulSet only).
    pub claim_templates: Vec<String>,
    /// Names of the template's image pull secrets.
    pub image_pull_secrets: Vec<String>,
}

/// A container of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerFact {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// Its pull policy, if set.
    pub image_pull_policy: Option<String>,
}

/// One pod of the workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFact {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Its address, once it has one.
    pub address: Option<String>,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// Its containers that run now.
    pub running: Vec<RunningContainer>,
    /// Its claims, and where each container mounts them.
    pub mounts: Vec<MountFact>,
    /// When it was created.
    pub created_at: Option<Time>,
    /// Its readiness gate, if its template asks for ours.
    pub gate: Option<GateFact>,
}

/// The readiness gate of a pod as its status has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GateFact {
    /// Whether it is open; it is not as long as nobody has set it.
    pub is_open: bool,
    /// Why, one word; empty as long as nobody has set it.
    pub reason: String,
    /// Why.
    pub message: String,
}

/// A container that runs now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningContainer {
    /// Its name.
    pub name: String,
    /// Its id; a restart gives a new one.
    pub id: String,
    /// Its image as the pod's spec has it.
    pub image: String,
    /// When it started.
    pub started_at: Option<Time>,
}

/// A claim mounted into a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountFact {
    /// Name of the claim.
    pub claim: String,
    /// Name of the container.
    pub container: String,
    /// Where it is mounted.
    pub path: String,
}

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
    /// Its name.
    pub name: String,
    /// Why it belongs to the database.
    pub origin: ClaimOrigin,
    /// Its metadata; `None` when no such claim exists.
    pub metadata: Option<ObjectMeta>,
    /// `Pending`, `Bound` or `Lost`.
    pub phase: String,
    /// The volume that it is bound to, read live.
    pub volume: VolumeFact,
    /// How it can be made again; null if it does not exist.
    pub manifest: Value,
}

/// A volume whose claim is gone.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptVolume {
    /// Name of the claim that was bound to it.
    pub claim: String,
    /// UID of that claim.
    pub claim_uid: String,
    /// The volume.
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
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// `Retain`, `Delete` or `Recycle`.
    pub reclaim_policy: String,
    /// The storage's own name for it.
    pub handle: String,
    /// The UID of the claim that it is bound to.
    pub claim_uid: Option<String>,
    /// How it can be made again.
    pub manifest: Value,
}

/// The ledger, and what it remembers as good in the shape of the check that found it.
#[derive(Clone, Debug, PartialEq)]
pub struct LedgerFact {
    /// The ledger.
    pub ledger: DatabaseLedger,
    /// The check that it remembers; the object itself may be gone with its namespace.
    pub remembered: Option<DatabaseCheck>,
}

impl LedgerFact {
    /// Reads what a ledger remembers.
    #[must_use]
    pub fn new(ledger: DatabaseLedger) -> Self {
        let baseline = ledger
            .status
            .as_ref()
            .and_then(|status| status.baseline.as_ref());
        let remembered = baseline.map(|baseline| {
            let target = CheckTarget {
                volumes: baseline.volumes.clone(),
                ..CheckTarget::default()
            };
            let spec = DatabaseCheckSpec {
                database: ledger.spec.database.clone(),
                trigger: CheckTrigger::Restart,
                target: Some(target),
            };
            let mut check = DatabaseCheck::new(&baseline.check, spec);
            check.metadata.namespace = Some(ledger.spec.namespace.clone());
            check.metadata.creation_timestamp = Some(baseline.time.clone());
            check.status = Some(DatabaseCheckStatus {
                completion_time: Some(baseline.time.clone()),
                evidence: Some(baseline.evidence.clone()),
                ..DatabaseCheckStatus::default()
            });
            check
        });
        Self { ledger, remembered }
    }
}

/// What the guard stands on: the admission policies with their bindings, and our definitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyFact {
    /// Both are there and say what this operator's builders say.
    InForce,
    /// One is missing or says something else, or was a moment ago; the text says which.
    Missing(String),
    /// One of our definitions is missing, edited or being deleted, or was a moment ago; the text
    /// says which.
    DefinitionChanged(String),
    /// They are there, and the API server has accepted a deletion on trial all the same.
    NotEnforced,
}

impl Observed {
    /// `metadata.name` of the ProtectedDatabase.
    #[must_use]
    pub fn name(&self) -> &str {
        self.database.metadata.name.as_deref().unwrap_or_default()
    }

    /// `metadata.namespace` of the ProtectedDatabase.
    #[must_use]
    pub fn namespace_name(&self) -> &str {
        self.database
            .metadata
            .namespace
            .as_deref()
            .unwrap_or_default()
    }

    /// `NAMESPACE/NAME`, the owner in the marks.
    #[must_use]
    pub fn owner(&self) -> String {
        names::protected_by(self.namespace_name(), self.name())
    }

    /// Whether an object that the operator creates for this database is its own, and not one of the
    /// same name that somebody else made.
    #[must_use]
    pub fn is_ours(&self, metadata: &ObjectMeta) -> bool {
        let label = |key: &str| {
            metadata
                .labels
                .as_ref()
                .and_then(|labels| labels.get(key))
                .map(String::as_str)
        };
        label(names::DATABASE_LABEL) == Some(self.name())
            && label(names::MANAGED_BY_LABEL) == Some(names::OPERATOR_MANAGER)
    }

    /// The older ProtectedDatabase that names the same workload, if there is one.
    #[must_use]
    pub fn rival(&self) -> Option<&str> {
        self.neighbours
            .known()?
            .iter()
            .find(|neighbour| neighbour.same_workload && neighbour.older)
            .map(|neighbour| neighbour.name.as_str())
    }

    /// The workload, if it was found.
    #[must_use]
    pub fn workload_found(&self) -> Option<&WorkloadFound> {
        match self.workload.known()? {
            WorkloadFact::Found(found) => Some(found),
            WorkloadFact::NotFound | WorkloadFact::Ambiguous => None,
        }
    }

    /// Why each part that could not be read is not known.
    #[must_use]
    pub fn unread(&self) -> Vec<&str> {
        let volumes = self
            .claims
            .known()
            .into_iter()
            .flatten()
            .map(|claim| match &claim.volume {
                VolumeFact::Unknown(why) => Some(why.as_str()),
                VolumeFact::NotBound | VolumeFact::Gone(_) | VolumeFact::Found(_) => None,
            });
        let parts = [
            self.workload.unknown(),
            self.neighbours.unknown(),
            self.pods.unknown(),
            self.claims.unknown(),
            self.namespace.unknown(),
            self.policy.unknown(),
            self.ledger.unknown(),
            self.checks.unknown(),
            self.backups.unknown(),
            self.jobs.unknown(),
            self.cron_job.unknown(),
            self.agent_identity.unknown(),
            self.file_places.unknown(),
            self.kept_volumes.unknown(),
        ];
        parts.into_iter().chain(volumes).flatten().collect()
    }

    /// The claims by name, if they are known.
    #[must_use]
    pub fn claims_by_name(&self) -> BTreeMap<&str, &ClaimFact> {
        self.claims
            .known()
            .map(|claims| {
                claims
                    .iter()
                    .map(|claim| (claim.name.as_str(), claim))
                    .collect()
            })
            .unwrap_or_default()
    }
}

impl WorkloadFound {
    /// The container that runs Postgres.
    #[must_use]
    pub fn database_container(&self, wanted: Option<&str>) -> Option<&ContainerFact> {
        resources::database_container(&self.containers, |container| &container.name, wanted)
    }

    /// Whether a claim is one of its claim templates'.
    #[must_use]
    pub fn makes_claim(&self, claim: &str) -> bool {
        resources::is_from_claim_template(
            claim,
            self.metadata.name.as_deref().unwrap_or_default(),
            &self.claim_templates,
        )
    }
}
