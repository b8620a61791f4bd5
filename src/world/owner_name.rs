//! The owner of an object by name. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::api::is_object_name;

/// An owner by name. Whoever creates an object may write any text there, and it reaches commands that
/// users copy: only names count.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnerName {
    /// Its API group; empty for the core.
    pub group: String,
    pub kind: String,
    pub name: String,
}

impl OwnerName {
    /// The name of an owner, if it is one.
    #[must_use]
    pub fn of(reference: &OwnerReference) -> Option<Self> {
        let (group, _) = reference
            .api_version
            .rsplit_once('/')
            .unwrap_or(("", &reference.api_version));
        let is_kind = !reference.kind.is_empty()
            && reference.kind.len() <= 63
            && reference
                .kind
                .chars()
                .all(|part| part.is_ascii_alphanumeric());
        let is_named = is_kind
            && (group.is_empty() || is_object_name(group))
            && is_object_name(&reference.name);
        is_named.then(|| Self {
            group: group.to_owned(),
            kind: reference.kind.clone(),
            name: reference.name.clone(),
        })
    }

    /// What controls an object.
    #[must_use]
    pub fn controlling(metadata: &ObjectMeta) -> Option<Self> {
        let mut owners = metadata.owner_references.iter().flatten();
        Self::of(owners.find(|owner| owner.controller == Some(true))?)
    }

    /// Kind and name.
    #[must_use]
    pub fn describe(&self) -> String {
        format!("{} {}", self.kind, self.name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a sample that can't be built is a fault of the test"
    )]

    use serde_json::json;

    use super::*;

    #[test]
    fn an_owner_is_a_kind_and_a_name_and_no_other_text() {
        let owner = |api_version: &str, kind: &str, name: &str| {
            let reference =
                json!({"apiVersion": api_version, "kind": kind, "name": name, "uid": "u"});
            OwnerName::of(&serde_json::from_value(reference).unwrap())
        };
        let cluster = owner("postgresql.cnpg.io/v1", "Cluster", "knowledge").unwrap();
        assert_eq!(cluster.group, "postgresql.cnpg.io");
        assert_eq!(owner("v1", "ConfigMap", "a").unwrap().group, "");
        for (api_version, kind, name) in [
            ("v1", "Config Map", "a"),
            ("v1", "ConfigMap", "a; reboot"),
            ("$(reboot)/v1", "ConfigMap", "a"),
            ("v1", "", "a"),
        ] {
            assert_eq!(
                owner(api_version, kind, name),
                None,
                "{api_version} {kind} {name}"
            );
        }
    }
}
