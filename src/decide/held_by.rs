//! What an object that is being deleted waits for: its finalizers, and whose they are. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::names::{KEEP_FINALIZER, RESTORING_FINALIZER};

/// How many finalizers are named.
const NAMED: usize = 4;

/// Whose the finalizers are that Kubernetes and its storage drivers set, and when they go.
const KNOWN: [(&str, &str); 8] = [
    (KEEP_FINALIZER, "Holdfast, until the deletion is confirmed"),
    (
        RESTORING_FINALIZER,
        "Holdfast, until the workload has its pods back",
    ),
    (
        "kubernetes.io/pvc-protection",
        "Kubernetes, until no pod uses it",
    ),
    (
        "kubernetes.io/pv-protection",
        "Kubernetes, until no claim is bound to it",
    ),
    (
        "external-provisioner.volume.kubernetes.io/finalizer",
        "the storage driver, until it has deleted the volume or given it up",
    ),
    (
        "kubernetes.io/pv-controller",
        "Kubernetes, until the volume is deleted or given up",
    ),
    (
        "foregroundDeletion",
        "the garbage collector, until everything that it owns is gone",
    ),
    (
        "orphan",
        "the garbage collector, until everything that it owns is released",
    ),
];

/// The finalizers of an object, and whose each is: `it waits for …`. None without finalizers.
pub fn say_waits_for(metadata: &ObjectMeta) -> Option<String> {
    let all: Vec<&String> = metadata.finalizers.iter().flatten().collect();
    let named = all.iter().take(NAMED).map(|finalizer| {
        let attached = finalizer.strip_prefix("external-attacher/");
        let known = KNOWN.iter().find(|(name, _)| name == *finalizer);
        let whose = match (known, attached) {
            (Some((_, whose)), _) => whose,
            (None, Some(_)) => "the storage driver, until no node has it attached",
            (None, None) => "whoever set it; Holdfast does not know it",
        };
        let name = if is_name(finalizer) {
            finalizer.as_str()
        } else {
            "another text"
        };
        format!("{name} ({whose})")
    });
    let mut said: Vec<String> = named.collect();
    if all.len() > NAMED {
        said.push(format!("{} more", all.len() - NAMED));
    }
    let word = if all.len() == 1 {
        "finalizer"
    } else {
        "finalizers"
    };
    (!said.is_empty()).then(|| format!("it waits for the {word} {}", said.join(", ")))
}

/// Says of an object whose deletion is confirmed what it still waits for.
#[must_use]
pub fn say_confirmed_going(kind: &str, metadata: &ObjectMeta) -> String {
    let name = metadata.name.as_deref().unwrap_or_default();
    let waits = say_waits_for(metadata);
    let waits = waits.map_or_else(String::new, |waits| format!("; {waits}"));
    format!("{kind} {name} is being deleted, as was confirmed{waits}")
}

/// Whether a text can be the name of a finalizer: others are not quoted.
fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    text.len() <= 253 && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(finalizers: &[&str]) -> String {
        let finalizers = finalizers.iter().map(|name| (*name).to_owned()).collect();
        let metadata = ObjectMeta {
            finalizers: Some(finalizers),
            ..ObjectMeta::default()
        };
        say_waits_for(&metadata).unwrap_or_default()
    }

    #[test]
    fn every_finalizer_is_named_with_whose_it_is() {
        assert_eq!(said(&[]), "");
        assert_eq!(
            said(&["kubernetes.io/pvc-protection"]),
            "it waits for the finalizer kubernetes.io/pvc-protection (Kubernetes, until no pod uses \
             it)"
        );
        assert_eq!(
            said(&["holdfast.dev/keep", "external-attacher/ebs-csi-aws-com"]),
            "it waits for the finalizers holdfast.dev/keep (Holdfast, until the deletion is \
             confirmed), external-attacher/ebs-csi-aws-com (the storage driver, until no node has it \
             attached)"
        );
        assert_eq!(
            said(&["a.example/x", "$(reboot)", "c", "d", "e", "f"]),
            "it waits for the finalizers a.example/x (whoever set it; Holdfast does not know it), \
             another text (whoever set it; Holdfast does not know it), c (whoever set it; Holdfast \
             does not know it), d (whoever set it; Holdfast does not know it), 2 more"
        );
    }
}
