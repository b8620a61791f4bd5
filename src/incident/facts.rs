//! Everything that was read for one incident, as it was read. What could not be read says why. No
//! judgement here. Pure.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    Event, Node, PersistentVolume, PersistentVolumeClaim, Pod, PodTemplateSpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use crate::api::{
    DatabaseBackup, DatabaseCheck, DatabaseLedger, DatabaseRestore, ProtectedDatabase, WorkloadKind,
};
use crate::world::Fact;

/// An object that was read by its name; none if it does not exist.
#[derive(Clone, Debug)]
pub struct Lookup<T> {
    pub name: String,
    /// What came of it.
    pub found: Fact<Option<T>>,
}

/// The workload that runs the database.
#[derive(Clone, Debug)]
pub struct WorkloadFacts {
    pub kind: WorkloadKind,
    pub metadata: ObjectMeta,
    /// How its pods are made.
    pub template: PodTemplateSpec,
}

/// How the workload's pods were made at some time.
#[derive(Clone, Debug)]
pub struct TemplateRevision {
    /// Name of the `ControllerRevision` or `ReplicaSet`.
    pub name: String,
    /// Its number; it grows when an older one is used again.
    pub number: i64,
    /// Since when there is such a revision.
    pub created: Option<Time>,
    /// How pods were made; none where it can't be understood.
    pub template: Option<PodTemplateSpec>,
}

/// Everything that was read.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Namespace of the database.
    pub namespace: String,
    /// Name of the ProtectedDatabase.
    pub name: String,
    /// The context as a flag of kubectl, with a blank before it; empty if none was named.
    pub context_flag: String,
    /// When everything was read.
    pub now: Timestamp,
    /// The ProtectedDatabase.
    pub database: Fact<Option<ProtectedDatabase>>,
    /// What is remembered of it.
    pub ledger: Fact<Option<DatabaseLedger>>,
    pub checks: Fact<Vec<DatabaseCheck>>,
    pub backups: Fact<Vec<DatabaseBackup>>,
    pub restores: Fact<Vec<DatabaseRestore>>,
    pub workload: Fact<Option<WorkloadFacts>>,
    /// The workload's revisions.
    pub revisions: Fact<Vec<TemplateRevision>>,
    /// The workload's pods that there are now.
    pub pods: Fact<Vec<Pod>>,
    /// The claims that anything above names.
    pub claims: Vec<Lookup<PersistentVolumeClaim>>,
    /// The volumes that anything above names.
    pub volumes: Vec<Lookup<PersistentVolume>>,
    /// The nodes of the pods.
    pub nodes: Vec<Lookup<Node>>,
    /// Events about any of it, in its namespace.
    pub events: Fact<Vec<Event>>,
    /// Events about volumes and nodes, which are in no namespace.
    pub cluster_events: Fact<Vec<Event>>,
}
