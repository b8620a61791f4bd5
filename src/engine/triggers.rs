//! From an event on some object to the databases that it may matter to. Watches carry metadata
//! only; nothing is stored.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{ObjectRef, Store};

use crate::api::{ProtectedDatabase, names};
use crate::resources;

/// How long an object is new: long enough for a server to start.
const NEW: SignedDuration = SignedDuration::from_mins(2);

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

/// The databases of a StatefulSet or Deployment. One that was created a moment ago matters to all
/// databases of its namespace: it may be a second server of one of them.
pub fn from_workload_or_new(
    store: &Store<GuardedDatabase>,
    metadata: &ObjectMeta,
) -> Vec<ObjectRef<GuardedDatabase>> {
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    if is_new(metadata, Timestamp::now()) {
        return in_namespace(store, namespace);
    }
    let name = metadata.name.as_deref().unwrap_or_default();
    from_workload(store, namespace, name)
}

/// The databases of the workload that controls a pod. A new pod that nothing controls may mount any
/// claim.
pub fn from_pod(
    store: &Store<GuardedDatabase>,
    metadata: &ObjectMeta,
) -> Vec<ObjectRef<GuardedDatabase>> {
    let Some(namespace) = metadata.namespace.as_deref() else {
        return Vec::new();
    };
    let is_controlled = metadata.owner_references.is_some();
    match resources::workload_of(metadata) {
        Some(workload) => from_workload(store, namespace, workload),
        None if !is_controlled && is_new(metadata, Timestamp::now()) => {
            in_namespace(store, namespace)
        }
        None => Vec::new(),
    }
}

/// All databases of a namespace.
pub fn in_namespace(
    store: &Store<GuardedDatabase>,
    namespace: &str,
) -> Vec<ObjectRef<GuardedDatabase>> {
    let databases = store.state();
    let names = databases
        .iter()
        .filter_map(|database| database.0.as_ref().ok())
        .filter(|database| database.metadata.namespace.as_deref() == Some(namespace))
        .filter_map(|database| database.metadata.name.as_deref());
    names
        .map(|name| ObjectRef::new(name).within(namespace))
        .collect()
}

/// Whether an object was created a moment ago. Its first events are few; those of all its life are
/// not.
fn is_new(metadata: &ObjectMeta, now: Timestamp) -> bool {
    let created = metadata.creation_timestamp.as_ref();
    created.is_some_and(|created| now.duration_since(created.0) < NEW)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    #[test]
    fn an_object_is_new_for_two_minutes() {
        let at = |second: i64| Timestamp::from_second(second).unwrap_or_default();
        let created = |second: i64| ObjectMeta {
            creation_timestamp: Some(Time(at(second))),
            ..ObjectMeta::default()
        };
        assert!(is_new(&created(1_000), at(1_119)));
        assert!(!is_new(&created(1_000), at(1_121)));
        assert!(!is_new(&ObjectMeta::default(), at(1_000)));
    }
}
