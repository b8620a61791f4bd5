//! Everything that is known of one database and what it runs on. Facts only: readers fill them in,
//! `decide` judges.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::agents::job_began_at;
use super::job_end::job_end;
use super::namespace::namespace_uids;
use super::{
    AgentFact, AgentIdentity, ClaimFact, ClaimOwner, Fact, FormerWorkload, KeptVolume, LateBackup,
    LedgerFact, OtherNamespace, PodFact, ServiceFact, TurnFact, Twins, VolumeFact, VolumeFound,
    WorkloadFact, WorkloadFound,
};
use crate::api::{
    Agents, DatabaseBackup, DatabaseCheck, DatabaseRestore, PodLabels, ProtectedDatabase,
    WorkloadKind, names,
};
use crate::guard;
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
    /// By how many seconds the operator's clock is ahead of the API server's. Asked only where something
    /// is waited for, or confirmed.
    pub clock_ahead: Fact<i64>,
    /// The namespace's metadata, if the namespace exists.
    pub namespace: Fact<Option<ObjectMeta>>,
    /// The workload that `spec.workload` names.
    pub workload: Fact<WorkloadFact>,
    /// The workload that the spec named before, if it exists and is another one.
    pub former_workload: Fact<Option<FormerWorkload>>,
    /// The workload's pods.
    pub pods: Fact<Vec<PodFact>>,
    /// The other pods of the namespace.
    pub other_pods: Fact<Vec<PodFact>>,
    /// The Services of the namespace that select pods.
    pub services: Fact<Vec<ServiceFact>>,
    /// The claims that belong to the database, for whichever of the possible reasons.
    pub claims: Fact<Vec<ClaimFact>>,
    /// How many more claims carry the database's mark, and are not followed.
    pub claims_left_out: usize,
    /// What became of the owners of the claims, where pods are selected by their labels.
    pub claim_owners: Vec<ClaimOwner>,
    /// The volumes of claims that are gone, as far as they are still this database's.
    pub kept_volumes: Fact<Vec<KeptVolume>>,
    /// Other volume objects whose deletion would delete the files of the database's own.
    pub twins: Fact<Twins>,
    /// The volumes on Retain whose claim is gone, that databases of the namespace have kept.
    pub kept_in_namespace: Fact<Vec<String>>,
    /// What is remembered of the database outside its namespace, if anything is. Not known where it
    /// is another namespace's.
    pub ledger: Fact<Option<LedgerFact>>,
    /// Where there is no ledger: those of the namespace whose databases do not exist any more.
    pub left_ledgers: Fact<Vec<String>>,
    /// The namespace of the same name that the ledger is of instead, if it is.
    pub other_namespace: Option<OtherNamespace>,
    /// The ledger, where a recovery has created this namespace for it and not accepted it yet.
    pub recreated: Option<ObjectMeta>,
    /// The other ProtectedDatabases of the namespace.
    pub neighbours: Fact<Vec<NeighbourFact>>,
    /// The admission policy that refuses deletions.
    pub policy: Fact<PolicyFact>,
    /// The database's checks.
    pub checks: Fact<Vec<DatabaseCheck>>,
    /// The database's backups.
    pub backups: Fact<Vec<DatabaseBackup>>,
    /// The database's restores.
    pub restores: Fact<Vec<DatabaseRestore>>,
    /// The database's agent Jobs.
    pub jobs: Fact<Vec<Job>>,
    /// What became of the pods of those Jobs of which nothing is reported yet.
    pub agents: Fact<Vec<AgentFact>>,
    /// The database's backup CronJob.
    pub cron_job: Fact<Option<CronJob>>,
    /// The backup that this CronJob should have begun by now, and has not.
    pub late_backup: Option<LateBackup>,
    /// The agents' service account and role binding.
    pub agent_identity: Fact<AgentIdentity>,
    /// The claims of `spec.verification.files` and `spec.backup.directories` that exist.
    pub file_claims: Fact<Vec<FileClaim>>,
}

/// What one pass sees of a ProtectedDatabase that exists.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The ProtectedDatabase, read live in this pass.
    pub database: Arc<ProtectedDatabase>,
    /// The image that agents' binary is copied from.
    pub agent_image: String,
    /// How agents' pods are to be where the spec does not say it.
    pub agent_defaults: Arc<Agents>,
    /// How patient the operator is with agents' Jobs.
    pub pace: JobPace,
    /// How many volumes without a claim the databases of one namespace may keep, and how many ledgers of
    /// databases that are gone.
    pub kept_volume_limit: usize,
    /// Which Kubernetes cluster this is, by the UID of its namespace `kube-system`, if that was read.
    pub kubernetes_cluster: Option<String>,
    /// Whose turn it is to take a backup; none where any number may run at once.
    pub turn: Option<TurnFact>,
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

/// A claim whose files a rule or a directory of the backup names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileClaim {
    /// Its name.
    pub claim: String,
    /// Its UID.
    pub uid: String,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// The pods that have it among their volumes, and have not ended.
    pub pods: Vec<PodFact>,
    /// A node on which a pod has it.
    pub node: Option<String>,
}

/// Another ProtectedDatabase of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeighbourFact {
    pub name: String,
    /// Name of the workload that it names; empty where it selects pods.
    pub workload: String,
    /// The kind that it names; none if it leaves that open.
    pub workload_kind: Option<WorkloadKind>,
    /// The labels of the pods that it selects, if it does.
    pub selector: Option<PodLabels>,
    /// The system identifier of the database cluster that its last good check saw.
    pub system_identifier: Option<String>,
    /// Whether it names the same workload.
    pub same_workload: bool,
    /// Whether it is the older of the two.
    pub older: bool,
    /// Whether it guards what the two share, such as the namespace: its guard is on, or its marks
    /// are still there, and its deletion is not confirmed.
    pub guards: bool,
}

/// What the guard stands on: the admission policies with their bindings, and our definitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyFact {
    /// Both are there and say what this operator's builders say.
    InForce,
    /// One is missing or says something else, or was a moment ago.
    Missing {
        /// Which, and who changed it.
        what: String,
        /// False once the API server has refused the operator to restore it.
        may_restore: bool,
    },
    /// One of our definitions is missing, edited or being deleted, or was a moment ago.
    DefinitionChanged {
        /// Which, and who changed it.
        what: String,
        /// False once the API server has refused the operator to restore it.
        may_restore: bool,
    },
    /// A user has confirmed the deletion of one of our definitions; the text says which.
    DefinitionConfirmed(String),
    /// One says that a newer version has installed it, and what it refuses or takes can't be told here;
    /// the text says which. It is that version's to restore.
    Newer(String),
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
            clock_ahead: Fact::Known(0),
            namespace: unread(),
            workload: unread(),
            former_workload: unread(),
            pods: unread(),
            other_pods: unread(),
            services: unread(),
            claims: unread(),
            claims_left_out: 0,
            claim_owners: Vec::new(),
            kept_volumes: unread(),
            twins: unread(),
            kept_in_namespace: unread(),
            ledger: unread(),
            left_ledgers: unread(),
            other_namespace: None,
            recreated: None,
            neighbours: unread(),
            policy: unread(),
            checks: unread(),
            backups: unread(),
            restores: unread(),
            jobs: unread(),
            agents: unread(),
            cron_job: unread(),
            late_backup: None,
            agent_identity: unread(),
            file_claims: unread(),
        }
    }

    /// `NAMESPACE/NAME`, the owner in the marks.
    #[must_use]
    pub fn owner(&self) -> String {
        names::protected_by(&self.namespace_name, &self.name)
    }

    /// UID of the namespace, if it exists.
    #[must_use]
    pub fn namespace_uid(&self) -> Option<&str> {
        self.namespace.known()?.as_ref()?.uid.as_deref()
    }

    /// The UIDs of the namespaces whose data this is.
    #[must_use]
    pub fn namespace_uids(&self) -> Vec<&str> {
        namespace_uids(&self.namespace, &self.ledger)
    }

    /// Whether a volume is of another namespace that had the name, by the UID that is noted on it. As
    /// long as namespace or ledger can't be read, nothing is known to be.
    #[must_use]
    pub fn is_of_other_namespace(&self, volume: &ObjectMeta) -> bool {
        let is_known = self.namespace.known().is_some()
            && (self.ledger.known().is_some() || self.other_namespace.is_some());
        let noted = guard::noted_namespace(volume);
        is_known && noted.is_some_and(|noted| !self.namespace_uids().contains(&noted))
    }

    /// A volume of the database, with a claim or without, and of this very namespace.
    #[must_use]
    pub fn guarded_volume(&self, name: &str) -> Option<&VolumeFound> {
        let claims = self.claims.known().into_iter().flatten();
        let bound = claims.filter_map(|claim| match &claim.volume {
            VolumeFact::Found(volume) => Some(volume.as_ref()),
            VolumeFact::NotBound | VolumeFact::Gone(_) | VolumeFact::Unknown(_) => None,
        });
        let kept = self.kept_volumes.known().into_iter().flatten();
        let mut all = bound.chain(kept.map(|kept| &kept.volume));
        all.find(|volume| volume.name() == name && !self.is_of_other_namespace(&volume.metadata))
    }

    /// The UID to note on a volume of this namespace. None as long as it is not known whose the
    /// namespace is.
    #[must_use]
    pub fn uid_to_note(&self) -> Option<&str> {
        self.ledger.known()?;
        self.namespace_uid()
    }

    /// The older ProtectedDatabase that names the same workload, if there is one.
    #[must_use]
    pub fn rival(&self) -> Option<&str> {
        let mut neighbours = self.neighbours.known()?.iter();
        neighbours
            .find(|neighbour| neighbour.same_workload && neighbour.older)
            .map(|neighbour| neighbour.name.as_str())
    }

    /// Whether the workload is this database's: no older one names it too. As long as that could not
    /// be read it is not.
    #[must_use]
    pub fn owns_workload(&self) -> bool {
        self.neighbours.known().is_some() && self.rival().is_none()
    }

    /// Whether another database that guards what it names names that workload.
    #[must_use]
    pub fn is_named_by_another(&self, kind: WorkloadKind, workload: &str) -> bool {
        let mut neighbours = self.neighbours.known().into_iter().flatten();
        neighbours.any(|neighbour| {
            let named = neighbour.workload_kind;
            neighbour.guards
                && neighbour.workload == workload
                && named.is_none_or(|named| named == kind)
        })
    }

    /// The workload, if it was found.
    #[must_use]
    pub fn workload_found(&self) -> Option<&WorkloadFound> {
        match self.workload.known()? {
            WorkloadFact::Found(found) => Some(found),
            WorkloadFact::Pods(_) | WorkloadFact::NotFound | WorkloadFact::Ambiguous => None,
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
            // What waits for it goes on waiting, and a confirmation that may have ended says so itself.
            clock_ahead: _,
            namespace,
            workload,
            former_workload,
            pods,
            other_pods,
            services,
            claims,
            // The guard says so itself.
            claims_left_out: _,
            // What needs an owner says whether it could be read.
            claim_owners: _,
            kept_volumes,
            twins,
            // Like `twins`, from the list of all volumes.
            kept_in_namespace: _,
            ledger,
            // Where they are not known, nothing is refused for them.
            left_ledgers: _,
            other_namespace,
            recreated: _,
            neighbours,
            policy,
            checks,
            backups,
            restores,
            jobs,
            agents,
            cron_job,
            // It says itself what could not be read.
            late_backup: _,
            agent_identity,
            file_claims,
        } = self;
        // Of what could not be read either because of the pods or the Jobs, those say so.
        let agents = agents
            .unknown()
            .filter(|_| pods.known().is_some() && jobs.known().is_some());
        // It was read, and a condition of its own says what it means.
        let ledger = ledger.unknown().filter(|_| other_namespace.is_none());
        let volumes = claims.known().into_iter().flatten();
        let volumes = volumes.filter_map(|claim| match &claim.volume {
            VolumeFact::Unknown(why) => Some(why.as_str()),
            VolumeFact::NotBound | VolumeFact::Gone(_) | VolumeFact::Found(_) => None,
        });
        let parts = [
            workload.unknown(),
            former_workload.unknown(),
            neighbours.unknown(),
            pods.unknown(),
            claims.unknown(),
            namespace.unknown(),
            policy.unknown(),
            ledger,
            checks.unknown(),
            backups.unknown(),
            restores.unknown(),
            jobs.unknown(),
            agents,
            cron_job.unknown(),
            agent_identity.unknown(),
            file_claims.unknown(),
            kept_volumes.unknown(),
            twins.unknown(),
            other_pods.unknown(),
            services.unknown(),
        ];
        parts.into_iter().flatten().chain(volumes).collect()
    }
}

impl World {
    /// What became of the pod of a Job, if it was read.
    #[must_use]
    pub fn agent_of(&self, job: &Job) -> Option<&AgentFact> {
        let mut agents = self.agents.known()?.iter();
        agents.find(|agent| Some(&agent.job_uid) == job.metadata.uid.as_ref())
    }

    /// The time by the clock of the API server, which decides what a confirmation still permits. Where that
    /// clock is not known, by this one.
    #[must_use]
    pub fn server_time(&self) -> Timestamp {
        let ahead = self.clock_ahead.known().copied().unwrap_or_default();
        let ahead = SignedDuration::from_secs(ahead);
        self.now.0.checked_sub(ahead).unwrap_or(self.now.0)
    }

    /// How long a Job has been able to have a pod, by the clock of the API server, which dates it. Not
    /// known where that clock is not.
    #[must_use]
    pub fn job_age(&self, job: &Job) -> Option<Duration> {
        let now = self.now.0.as_second() - self.clock_ahead.known()?;
        let age = now.saturating_sub(job_began_at(job)?.0.as_second());
        Some(Duration::from_secs(u64::try_from(age).unwrap_or(0)))
    }
}

impl Observed {
    /// Whether the spec names that workload.
    #[must_use]
    pub fn names(&self, kind: WorkloadKind, name: &str) -> bool {
        let workload = &self.database.spec.workload;
        workload.name == name && workload.kind.is_none_or(|wanted| wanted == kind)
    }

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

    /// Whether a backup runs. One of which that can't be read may.
    #[must_use]
    pub fn may_run_backup(&self) -> bool {
        let is_backup = |job: &Job| {
            let labels = job.metadata.labels.as_ref();
            labels
                .and_then(|labels| labels.get(names::TASK_LABEL))
                .map(String::as_str)
                == Some("backup")
        };
        let runs =
            |job: &Job| is_backup(job) && self.is_ours(&job.metadata) && job_end(job).is_none();
        self.jobs.known().is_none_or(|jobs| jobs.iter().any(runs))
    }

    /// The CronJob of its backups, if it is ours and stays.
    #[must_use]
    pub fn own_cron_job(&self) -> Fact<Option<&ObjectMeta>> {
        let is_own = |metadata: &&ObjectMeta| {
            self.is_ours(metadata) && metadata.deletion_timestamp.is_none()
        };
        match &self.cron_job {
            Fact::Known(found) => {
                let metadata = found.as_ref().map(|found| &found.metadata);
                Fact::Known(metadata.filter(is_own))
            }
            Fact::Unknown(why) => Fact::Unknown(why.clone()),
        }
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
}
