//! From an event on some object to the databases that it may matter to. Watches carry metadata
//! only; nothing is stored.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{ObjectRef, Store};

use crate::api::{ProtectedDatabase, names};
use crate::resources;

/// The guarded type of the controller's own kind: one object that can't be decoded must not stop
/// the others.
pub type GuardedDatabase = DeserializeGuard<ProtectedDatabase>;

/// The databases of an object that carries our label with the database's name.
pub fn from_label(metadata: &ObjectMeta) -> Option<ObjectRef<GuardedDatabase>> {
    let name = metadata.labels.as_ref()?.get(names::DATABASE_LABEL)?;
    Some(ObjectRef::new(name).within(metadata.namespace.as_deref()?))
}

/// The database that a mark names.
pub fn from_mark(metadata: &ObjectMeta) -> Option<ObjectRef<GuardedDatabase>> {
    let (namespace, name) = metadata
        .annotations
        .as_ref()?
        .get(names::PROTECTED_BY_ANNOTATION)?
        .split_once('/')?;
    Some(ObjectRef::new(name).within(namespace))
}

/// The databases that name a workload.
pub fn from_workload(
    store: &Store<GuardedDatabase>,
    namespace: &str,
    workload: &str,
) -> Vec<ObjectRef<GuardedDatabase>> {
    store
        .state()
        .iter()
        .filter_map(|database| database.0.as_ref().ok())
        .filter(|database| {
            database.metadata.namespace.as_deref() == Some(namespace)
                && database.spec.workload.name == workload
        })
        .filter_map(|database| {
            Some(ObjectRef::new(database.metadata.name.as_deref()?).within(namespace))
        })
        .collect()
}

/// The databases of the workload that controls a pod.
pub fn from_pod(
    store: &Store<GuardedDatabase>,
    metadata: &ObjectMeta,
) -> Vec<ObjectRef<GuardedDatabase>> {
    match (
        metadata.namespace.as_deref(),
        resources::workload_of(metadata),
    ) {
        (Some(namespace), Some(workload)) => from_workload(store, namespace, workload),
        _ => Vec::new(),
    }
}
