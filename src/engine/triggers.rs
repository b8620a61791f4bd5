//! From an event on some object to the databases that it may matter to. Watches carry metadata
//! only; nothing is stored.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{ObjectRef, Store};

use crate::api::{ProtectedDatabase, names, split_owner};
use crate::guard;
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

/// The database that the mark of a ledger names.
pub fn from_mark(metadata: &ObjectMeta) -> Option<ObjectRef<GuardedDatabase>> {
    from_owner(guard::marked_owner(metadata)?)
}

/// The database of that name, `NAMESPACE/NAME`.
pub fn from_owner(owner: &str) -> Option<ObjectRef<GuardedDatabase>> {
    let (namespace, name) = split_owner(owner)?;
    Some(ObjectRef::new(name).within(namespace))
}

/// The database that the mark of a claim names, if it knows a claim of that name. Whoever may write
/// claims may write marks on any of them, again and again: those lead to no pass.
pub fn from_claim(
    store: &Store<GuardedDatabase>,
    metadata: &ObjectMeta,
) -> Option<ObjectRef<GuardedDatabase>> {
    let (namespace, name) = split_owner(guard::marked_owner(metadata)?)?;
    let reference = ObjectRef::new(name).within(namespace);
    let guarded = store.get(&reference)?;
    let database = guarded.0.as_ref().ok()?;
    is_known(database, metadata.name.as_deref()?).then_some(reference)
}

/// Whether a database knows a claim of that name. One without a status has not looked yet.
fn is_known(database: &ProtectedDatabase, claim: &str) -> bool {
    let is_named = database
        .spec
        .extra_claims
        .iter()
        .any(|extra| extra == claim);
    is_named
        || database.status.as_ref().is_none_or(|status| {
            status.claims.iter().any(|known| known.name == claim) || status.claims.is_empty()
        })
}

/// The databases of a namespace.
pub fn from_namespace(
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
        return from_namespace(store, namespace);
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
    let selected = from_selector(store, namespace, metadata);
    if !selected.is_empty() {
        return selected;
    }
    let is_controlled = metadata.owner_references.is_some();
    match resources::workload_of(metadata) {
        Some(workload) => from_workload(store, namespace, workload),
        None if !is_controlled && is_new(metadata, Timestamp::now()) => {
            from_namespace(store, namespace)
        }
        None => Vec::new(),
    }
}

/// The databases that select a pod by its labels. What controls it may be named like the workload of
/// another, so that one is called too.
fn from_selector(
    store: &Store<GuardedDatabase>,
    namespace: &str,
    metadata: &ObjectMeta,
) -> Vec<ObjectRef<GuardedDatabase>> {
    let labels = metadata.labels.clone().unwrap_or_default();
    let controller = resources::workload_of(metadata);
    let databases = store.state();
    let databases = databases
        .iter()
        .filter_map(|database| database.0.as_ref().ok());
    let mut has_selected = false;
    let mut called = Vec::new();
    for database in databases.filter(|found| found.metadata.namespace.as_deref() == Some(namespace))
    {
        let workload = &database.spec.workload;
        let selector = workload.selector.as_ref();
        let is_selected = selector.is_some_and(|selector| selector.select(&labels));
        has_selected |= is_selected;
        if is_selected || (selector.is_none() && controller == Some(workload.name.as_str())) {
            called.extend(database.metadata.name.as_deref());
        }
    }
    let names = called.into_iter().filter(|_| has_selected);
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
    #![allow(
        clippy::unwrap_used,
        reason = "a test that can't go on should say where"
    )]

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use kube::runtime::{reflector, watcher};
    use serde_json::{Value, json};

    use super::*;

    fn store(status: &Value) -> Store<GuardedDatabase> {
        let database: ProtectedDatabase = serde_json::from_value(json!({
            "apiVersion": "holdfast.dev/v1alpha1", "kind": "ProtectedDatabase",
            "metadata": {"name": "knowledge", "namespace": "atra"},
            "spec": {
                "workload": {"name": "pg"}, "extraClaims": ["uploads"],
                "connection": {"database": "app", "credentialsSecret": {"name": "auth"}},
            },
            "status": status,
        }))
        .unwrap();
        let (store, mut writer) = reflector::store::<GuardedDatabase>();
        let event = watcher::Event::Apply(DeserializeGuard(Ok(database)));
        writer.apply_watcher_event(&event);
        store
    }

    fn claim(namespace: &str, name: &str, owner: &str) -> ObjectMeta {
        let annotations = json!({names::PROTECTED_BY_ANNOTATION: owner});
        serde_json::from_value(
            json!({"name": name, "namespace": namespace, "annotations": annotations}),
        )
        .unwrap()
    }

    /// Whoever may write a claim may write any mark on it, again and again.
    #[test]
    fn forged_marks_lead_to_no_pass() {
        let status = json!({"claims": [{"name": "data", "uid": "u-1", "guarded": true}]});
        let store = store(&status);
        for forged in [
            claim("shop", "data", "atra/knowledge"),
            claim("atra", "forged", "atra/knowledge"),
            claim("atra", "data", "atra/other"),
            claim("atra", "data", "atra/knowledge; reboot"),
            claim("atra", "data", ""),
        ] {
            assert_eq!(from_claim(&store, &forged), None, "{forged:?}");
        }
        for real in ["data", "uploads"] {
            let real = claim("atra", real, "atra/knowledge");
            assert!(from_claim(&store, &real).is_some(), "{real:?}");
        }
    }

    /// A database that nobody has looked at knows no claim yet.
    #[test]
    fn a_new_database_is_called_by_any_of_its_claims() {
        let store = store(&Value::Null);
        let claim = claim("atra", "data", "atra/knowledge");
        assert!(from_claim(&store, &claim).is_some());
    }

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
