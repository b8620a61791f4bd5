//! The kinds whose deletion can be confirmed, and the words that kubectl accepts for them. Pure.

use kube::core::{ApiResource, GroupVersionKind};

use crate::api::names::GROUP;
use crate::guard::{DEFINITION_CONSEQUENCE, GUARDED_RESOURCES};

/// A kind whose deletion can be confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// As in manifests.
    pub kind: &'static str,
    group: &'static str,
    version: &'static str,
    /// Plural, as in paths.
    pub plural: &'static str,
    /// What kubectl calls it, short; used in commands.
    pub word: &'static str,
    /// Other words for it than kind and plural.
    aliases: &'static [&'static str],
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
}

/// All of them. A new kind in the guard needs an entry here; a test fails without it.
pub const KINDS: &[Kind] = &[
    built_in(
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        "pvc",
        &[],
        true,
    ),
    built_in("PersistentVolume", "persistentvolumes", "pv", &[], false),
    Kind {
        group: "apps",
        ..built_in("StatefulSet", "statefulsets", "statefulset", &["sts"], true)
    },
    Kind {
        group: "apps",
        ..built_in("Deployment", "deployments", "deployment", &["deploy"], true)
    },
    built_in("Namespace", "namespaces", "namespace", &["ns"], false),
    ours("ProtectedDatabase", "protecteddatabases", "protdb", true),
    Kind {
        group: "apiextensions.k8s.io",
        ..built_in(
            "CustomResourceDefinition",
            "customresourcedefinitions",
            "crd",
            &["crds"],
            false,
        )
    },
    ours("DatabaseLedger", "databaseledgers", "dbledger", false),
];

/// Restores carry a finalizer and no guard: nothing is to be confirmed.
pub const RESTORES: Kind = ours("DatabaseRestore", "databaserestores", "dbrestore", true);

const fn built_in(
    kind: &'static str,
    plural: &'static str,
    word: &'static str,
    aliases: &'static [&'static str],
    namespaced: bool,
) -> Kind {
    Kind {
        kind,
        group: "",
        version: "v1",
        plural,
        word,
        aliases,
        namespaced,
    }
}

const fn ours(
    kind: &'static str,
    plural: &'static str,
    word: &'static str,
    namespaced: bool,
) -> Kind {
    Kind {
        group: GROUP,
        version: crate::api::names::VERSION,
        ..built_in(kind, plural, word, &[], namespaced)
    }
}

impl Kind {
    /// How it is asked for.
    pub fn api_resource(&self) -> ApiResource {
        ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk(self.group, self.version, self.kind),
            self.plural,
        )
    }

    /// Plural and group, as `kubectl auth can-i` and `kubectl get` take it.
    pub fn resource(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_owned()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// What happens when an object of it is deleted, in the words of a refusal.
    pub fn consequence(&self) -> &'static str {
        GUARDED_RESOURCES
            .iter()
            .find(|resource| resource.resource == self.plural && resource.group == self.group)
            .map_or(DEFINITION_CONSEQUENCE, |resource| resource.consequence)
    }

    fn is_called(&self, word: &str) -> bool {
        let word = word.to_ascii_lowercase();
        word == self.word
            || word == self.plural
            || word == self.resource()
            || word == self.kind.to_ascii_lowercase()
            || self.aliases.contains(&word.as_str())
    }
}

/// The object that a command line names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub kind: &'static Kind,
    pub name: String,
}

/// Reads `KIND/NAME`.
pub fn parse_named(text: &str) -> Result<Named, String> {
    let words = || {
        KINDS
            .iter()
            .map(|kind| kind.word)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let (kind, name) = match text.split_once('/') {
        Some((kind, name)) if !name.is_empty() && !name.contains('/') => (kind, name),
        _ => {
            return Err(format!(
                "write it as KIND/NAME, where KIND is one of {}",
                words()
            ));
        }
    };
    match KINDS.iter().find(|candidate| candidate.is_called(kind)) {
        Some(kind) => Ok(Named {
            kind,
            name: name.to_owned(),
        }),
        None => Err(format!(
            "Holdfast guards no objects of kind {kind}; it guards {}",
            words()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_kubectl_leads_to_its_kind() {
        let wanted = [
            ("pvc", "PersistentVolumeClaim"),
            ("PersistentVolumeClaims", "PersistentVolumeClaim"),
            ("persistentvolume", "PersistentVolume"),
            ("sts", "StatefulSet"),
            ("statefulsets.apps", "StatefulSet"),
            ("deploy", "Deployment"),
            ("ns", "Namespace"),
            ("protdb", "ProtectedDatabase"),
            ("protecteddatabases.holdfast.dev", "ProtectedDatabase"),
            ("crd", "CustomResourceDefinition"),
            ("dbledger", "DatabaseLedger"),
        ];
        for (word, kind) in wanted {
            assert_eq!(
                parse_named(&format!("{word}/x")).map(|named| named.kind.kind),
                Ok(kind),
                "{word}"
            );
        }
        for wrong in ["pvc", "pvc/", "pvc/a/b", "/a", "secret/a", ""] {
            assert!(parse_named(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn everything_that_is_guarded_can_be_unlocked_under_the_same_word() {
        for resource in GUARDED_RESOURCES {
            let kind = KINDS
                .iter()
                .find(|kind| kind.plural == resource.resource && kind.group == resource.group);
            assert_eq!(
                kind.map(|kind| (kind.word, kind.version)),
                Some((resource.word, resource.version))
            );
        }
        assert_eq!(
            KINDS.len(),
            GUARDED_RESOURCES.len() + 1,
            "and the definitions"
        );
    }
}
