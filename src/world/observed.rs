//! Everything that is known of one database and what it runs on. Facts only: readers fill them in,
//! `decide` judges.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::{
    ClaimFact, Fact, KeptVolume, LedgerFact, PodFact, ServiceFact, VolumeFact, WorkloadFact,
    WorkloadFound,
};
use crate::api::{DatabaseBackup, DatabaseCheck, ProtectedDatabase, names};
use crate::resources::JobPace;

/// What is known of one database, one fact per question. What was not read is not known, so that
/// whatever depends on it is not changed.
#[derive(Clone, Debug)]
pub struct World {
    /// Namespace of the database.
    pub namespace_name: String,
    /// Name of the ProtectedDatabase.
    pub name: String,
    /// When reading began.
    pub now: Time,
    /// The namespace's metadata, if the namespace exists.
    pub namespace: Fact<Option<ObjectMeta>>,
    /// The workload that `spec.workload` names.
    pub workload: Fact<WorkloadFact>,
    /// The workload's pods.
    pub pods: Fact<Vec<PodFact>>,
    /// The other pods of the namespace.
    pub other_pods: Fact<Vec<PodFact>>,
    /// The Services of the namespace that select pods.
    pub services: Fact<Vec<ServiceFact>>,
    /// The claims that belong to the database, for whichever of the possible reasons.
    pub claims: Fact<Vec<ClaimFact>>,
    /// The volumes of claims that are gone, as far as they are still this database's.
    pub kept_volumes: Fact<Vec<KeptVolume>>,
    /// What is remembered of the database outside its namespace, if anything is.
    pub ledger: Fact<Option<LedgerFact>>,
    /// The other ProtectedDatabases of the namespace.
    pub neighbours: Fact<Vec<NeighbourFact>>,
    /// The admission policy that refuses deletions.
    pub policy: Fact<PolicyFact>,
    /// The database's checks.
    pub checks: Fact<Vec<DatabaseCheck>>,
    /// The database's backups.
    pub backups: Fact<Vec<DatabaseBackup>>,
    /// The database's agent Jobs.
    pub jobs: Fact<Vec<Job>>,
    /// The database's backup CronJob.
    pub cron_job: Fact<Option<CronJob>>,
    /// Whether the agents' service account and role binding exist.
    pub agent_identity: Fact<bool>,
    /// The claims of `spec.verification.files` that exist.
    pub file_claims: Fact<Vec<FileClaim>>,
}

/// What one pass sees of a ProtectedDatabase that exists.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The ProtectedDatabase, read live in this pass.
    pub database: Arc<ProtectedDatabase>,
    /// The image that agents' binary is copied from.
    pub agent_image: String,
    /// How patient the operator is with agents' Jobs.
    pub pace: JobPace,
    /// What is known of it.
    pub world: World,
}

impl Deref for Observed {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl DerefMut for Observed {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.world
    }
}

/// A claim whose files a rule names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileClaim {
    /// Its name.
    pub claim: String,
    /// A node on which a pod has it.
    pub node: Option<String>,
}

/// Another ProtectedDatabase of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeighbourFact {
    pub name: String,
    /// Name of the workload that it names.
    pub workload: String,
    /// Whether it names the same workload.
    pub same_workload: bool,
    /// Whether it is the older of the two.
    pub older: bool,
    /// Whether it guards what the two share, such as the namespace: its guard is on, and its
    /// deletion is not confirmed.
    pub guards: bool,
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
    /// They exist, and the API server has still accepted a dry-run delete.
    NotEnforced,
}

impl World {
    /// Nothing is known yet.
    #[must_use]
    pub fn unread(namespace: &str, name: &str, now: Time) -> Self {
        fn unread<T>() -> Fact<T> {
            Fact::Unknown("it was not asked for".to_owned())
        }
        Self {
            namespace_name: namespace.to_owned(),
            name: name.to_owned(),
            now,
            namespace: unread(),
            workload: unread(),
            pods: unread(),
            other_pods: unread(),
            services: unread(),
            claims: unread(),
            kept_volumes: unread(),
            ledger: unread(),
            neighbours: unread(),
            policy: unread(),
            checks: unread(),
            backups: unread(),
            jobs: unread(),
            cron_job: unread(),
            agent_identity: unread(),
            file_claims: unread(),
        }
    }

    /// `NAMESPACE/NAME`, the owner in the marks.
    #[must_use]
    pub fn owner(&self) -> String {
        names::protected_by(&self.namespace_name, &self.name)
    }

    /// The workload, if it was found.
    #[must_use]
    pub fn workload_found(&self) -> Option<&WorkloadFound> {
        match self.workload.known()? {
            WorkloadFact::Found(found) => Some(found),
            WorkloadFact::NotFound | WorkloadFact::Ambiguous => None,
        }
    }

    /// The claims by name, if they are known.
    #[must_use]
    pub fn claims_by_name(&self) -> BTreeMap<&str, &ClaimFact> {
        let claims = self.claims.known().into_iter().flatten();
        claims.map(|claim| (claim.name.as_str(), claim)).collect()
    }

    /// Why each part that could not be read is not known.
    #[must_use]
    pub fn unknown_parts(&self) -> Vec<&str> {
        // Every field is named: one that is added does not compile until it is handled here too.
        let Self {
            namespace_name: _,
            name: _,
            now: _,
            namespace,
            workload,
            pods,
            other_pods,
            services,
            claims,
            kept_volumes,
            ledger,
            neighbours,
            policy,
            checks,
            backups,
            jobs,
            cron_job,
            agent_identity,
            file_claims,
        } = self;
        let volumes = claims.known().into_iter().flatten();
        let volumes = volumes.filter_map(|claim| match &claim.volume {
            VolumeFact::Unknown(why) => Some(why.as_str()),
            VolumeFact::NotBound | VolumeFact::Gone(_) | VolumeFact::Found(_) => None,
        });
        let parts = [
            workload.unknown(),
            neighbours.unknown(),
            pods.unknown(),
            claims.unknown(),
            namespace.unknown(),
            policy.unknown(),
            ledger.unknown(),
            checks.unknown(),
            backups.unknown(),
            jobs.unknown(),
            cron_job.unknown(),
            agent_identity.unknown(),
            file_claims.unknown(),
            kept_volumes.unknown(),
            other_pods.unknown(),
            services.unknown(),
        ];
        parts.into_iter().flatten().chain(volumes).collect()
    }
}

impl Observed {
    /// Whether an object that the operator creates for this database is its own, and not one of the
    /// same name that somebody else made.
    #[must_use]
    pub fn is_ours(&self, metadata: &ObjectMeta) -> bool {
        let label = |key: &str| {
            let labels = metadata.labels.as_ref();
            labels
                .and_then(|labels| labels.get(key))
                .map(String::as_str)
        };
        label(names::DATABASE_LABEL) == Some(self.name())
            && label(names::MANAGED_BY_LABEL) == Some(names::OPERATOR_MANAGER)
    }

    /// `metadata.name` of the ProtectedDatabase.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.world.name
    }

    /// `metadata.namespace` of the ProtectedDatabase.
    #[must_use]
    pub fn namespace_name(&self) -> &str {
        &self.world.namespace_name
    }

    /// The older ProtectedDatabase that names the same workload, if there is one.
    #[must_use]
    pub fn rival(&self) -> Option<&str> {
        let mut neighbours = self.neighbours.known()?.iter();
        neighbours
            .find(|neighbour| neighbour.same_workload && neighbour.older)
            .map(|neighbour| neighbour.name.as_str())
    }
}
