//! What the labels of a pod say of its role and of the cluster that it is an instance of, as operators
//! and charts write them. Pure.

use std::collections::BTreeMap;

type Labels = BTreeMap<String, String>;

/// How the name of a label ends that says the role: `cnpg.io/instanceRole`, `spilo-role`,
/// `postgres-operator.crunchydata.com/role`, `kubedb.com/role`, `replicationRole`, Patroni's `role`.
const ROLE_ENDING: &str = "role";
/// Labels that say which part of an application a pod is: charts write a role there.
const COMPONENT_LABELS: &[&str] = &["app.kubernetes.io/component", "component"];
/// Words for a server that only follows another one, in labels, variables and names.
const REPLICA_WORDS: &[&str] = &[
    "read",
    "readonly",
    "read-only",
    "replica",
    "replicas",
    "standby",
    "standby_leader",
    "standby-leader",
    "sync_standby",
    "hot_standby",
    "secondary",
    "secondaries",
    "slave",
    "slaves",
    "follower",
];
/// Words for a server that others follow.
const PRIMARY_WORDS: &[&str] = &["primary", "master", "leader"];
/// Labels with the name of a cluster that only its operator writes.
const CLUSTER_LABELS: &[&str] = &[
    "cnpg.io/cluster",
    "postgres-operator.crunchydata.com/cluster",
    "stackgres.io/cluster-name",
    "kubedb.com/name",
];
/// Names of labels with the name of a cluster, which anybody may write: a role must stand beside them.
const CLUSTER_NAMES: &[&str] = &[
    "cluster",
    "cluster-name",
    "clustername",
    "cluster-uid",
    "pg-cluster",
];
/// Labels with the name of an application, beside a label for the role that only operators write.
const APP_LABELS: &[&str] = &["app", "app.kubernetes.io/instance"];
/// Labels for the role without a prefix that only operators write.
const OWN_ROLE_LABELS: &[&str] = &["replicationRole", "spilo-role"];

/// The role of a server by its labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelledRole {
    Primary,
    Replica,
}

/// Whether a word says that a server only follows another one.
pub(super) fn is_replica_word(word: &str) -> bool {
    REPLICA_WORDS.contains(&word.to_ascii_lowercase().as_str())
}

/// The role of a pod by its labels, if they say it. Where two do, and differ, a replica is none that
/// clients write to.
#[must_use]
pub fn labelled_role(labels: &Labels) -> Option<LabelledRole> {
    let mut said = role_labels(labels).map(|(_, role)| role);
    let first = said.next()?;
    let is_replica = said.any(|role| role == LabelledRole::Replica);
    Some(if is_replica {
        LabelledRole::Replica
    } else {
        first
    })
}

/// The label that says that a pod is the primary.
#[must_use]
pub fn primary_label(labels: &Labels) -> Option<(&str, &str)> {
    let (key, _) = role_labels(labels).find(|(_, role)| *role == LabelledRole::Primary)?;
    Some((key, labels.get(key)?))
}

/// The label by which two pods are instances of one cluster: one follows the other, and both have the
/// same data.
#[must_use]
pub fn same_cluster<'a>(ours: &Labels, theirs: &'a Labels) -> Option<(&'a str, &'a str)> {
    let clusters = || {
        theirs.iter().filter_map(|(key, value)| {
            let own = ours.get(key).filter(|_| is_cluster_name(key, value))?;
            Some((key.as_str(), value.as_str(), own == value))
        })
    };
    if clusters().any(|(.., is_same)| !is_same) {
        return None;
    }
    let have_roles = labelled_role(ours).is_some() && labelled_role(theirs).is_some();
    let by_name = clusters().find(|(key, ..)| CLUSTER_LABELS.contains(key) || have_roles);
    let by_name = by_name.map(|(key, value, _)| (key, value));
    by_name.or_else(|| {
        let is_own = |key: &str| {
            OWN_ROLE_LABELS.contains(&key) || key.contains('/') && !COMPONENT_LABELS.contains(&key)
        };
        let mut roles = role_labels(theirs).map(|(key, _)| key);
        let have_role_of_operator =
            roles.any(|key| is_own(key) && role_labels(ours).any(|(own, _)| own == key));
        let mut apps = APP_LABELS
            .iter()
            .filter_map(|key| theirs.get_key_value(*key));
        let app = apps.find(|(key, value)| ours.get(*key) == Some(*value));
        app.filter(|_| have_role_of_operator)
            .map(|(key, value)| (key.as_str(), value.as_str()))
    })
}

/// `stackgres.io/cluster: "true"` names none.
fn is_cluster_name(key: &str, value: &str) -> bool {
    let name = name_of(key).to_ascii_lowercase();
    let is_key = CLUSTER_LABELS.contains(&key) || CLUSTER_NAMES.contains(&name.as_str());
    is_key && !matches!(value, "" | "true" | "false")
}

/// The labels that say a role, and which.
fn role_labels(labels: &Labels) -> impl Iterator<Item = (&str, LabelledRole)> {
    labels.iter().filter_map(|(key, value)| {
        let name = name_of(key).to_ascii_lowercase();
        let is_role = name.ends_with(ROLE_ENDING) || COMPONENT_LABELS.contains(&key.as_str());
        let word = value.to_ascii_lowercase();
        let role = if REPLICA_WORDS.contains(&word.as_str()) {
            LabelledRole::Replica
        } else if PRIMARY_WORDS.contains(&word.as_str()) {
            LabelledRole::Primary
        } else {
            return None;
        };
        is_role.then_some((key.as_str(), role))
    })
}

/// A label's key without its prefix.
fn name_of(key: &str) -> &str {
    key.rsplit_once('/').map_or(key, |(_, name)| name)
}

#[cfg(test)]
#[path = "instances_tests.rs"]
mod tests;
