//! The kinds of objects that are guarded, and what the deletion of one means. Pure.

use crate::api::names::{GROUP, VERSION};

/// A kind of object whose deletion is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardedResource {
    /// API group; empty for the core.
    pub group: &'static str,
    /// API version.
    pub version: &'static str,
    /// Plural, as in paths.
    pub resource: &'static str,
    /// What kubectl calls it, short.
    pub word: &'static str,
    /// What happens when one is deleted.
    pub consequence: &'static str,
}

/// What happens when a `CustomResourceDefinition` of Holdfast is deleted.
pub const DEFINITION_CONSEQUENCE: &str =
    "the API server would delete every object of this kind in the cluster";

/// What the label protects. A new kind is one entry.
pub const GUARDED_RESOURCES: &[GuardedResource] = &[
    GuardedResource {
        group: "",
        version: "v1",
        resource: "persistentvolumeclaims",
        word: "pvc",
        consequence: "Postgres would start on an empty volume",
    },
    GuardedResource {
        group: "",
        version: "v1",
        resource: "persistentvolumes",
        word: "pv",
        consequence: "its claim would be Lost, and some storage drivers delete the disk with the \
            files of the database",
    },
    GuardedResource {
        group: "",
        version: "v1",
        resource: "namespaces",
        word: "namespace",
        consequence: "every database in it would be deleted, with its pods, claims, Secrets and \
            backup schedules",
    },
    GuardedResource {
        group: "apps",
        version: "v1",
        resource: "statefulsets",
        word: "statefulset",
        consequence: "the database would stop, and its claims would be deleted if their retention \
            policy is Delete",
    },
    GuardedResource {
        group: "apps",
        version: "v1",
        resource: "deployments",
        word: "deployment",
        consequence: "the database would stop",
    },
    GuardedResource {
        group: GROUP,
        version: VERSION,
        resource: "protecteddatabases",
        word: "protdb",
        consequence: "the database would no longer be guarded, checked or backed up",
    },
    GuardedResource {
        group: GROUP,
        version: VERSION,
        resource: "databaseledgers",
        word: "dbledger",
        consequence: "nothing outside the namespace would record which volume holds the database \
            and what was in it",
    },
];
