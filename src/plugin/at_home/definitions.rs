//! Whether the custom resource definitions are those of this version. Pure.

use jiff::Timestamp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use crate::api::names::DEFINITION_VERSION_ANNOTATION;
use crate::guard;

/// This version, which the plugin, the operator and the definitions share.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Compares a definition with the one that this version installs.
pub fn judge_definition(
    built: &CustomResourceDefinition,
    present: Option<&CustomResourceDefinition>,
    now: Timestamp,
    install: &str,
) -> Result<String, String> {
    let name = built.metadata.name.as_deref().unwrap_or_default();
    let Some(present) = present else {
        return Err(format!(
            "CustomResourceDefinition {name} does not exist; install this version: {install}"
        ));
    };
    let annotations = present.metadata.annotations.as_ref();
    let installed = annotations.and_then(|all| all.get(DEFINITION_VERSION_ANNOTATION));
    match installed.map(String::as_str) {
        Some(VERSION) if !guard::definition_differs(present, built, Some(now)) => Ok(format!(
            "CustomResourceDefinition {name} is that of {VERSION}"
        )),
        Some(VERSION) => Err(format!(
            "CustomResourceDefinition {name} is not the one that {VERSION} installs; install it \
             again: {install}"
        )),
        other => Err(format!(
            "CustomResourceDefinition {name} is of version {:?}, and this plugin is {VERSION}; \
             install {VERSION} in the cluster, or use the plugin of the other version: {install}",
            other.unwrap_or("unknown")
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;

    #[test]
    fn each_difference_of_a_definition_is_found() {
        let now = Timestamp::UNIX_EPOCH;
        for built in guard::definitions() {
            let judge = |present: Option<&CustomResourceDefinition>| {
                judge_definition(&built, present, now, "kubectl apply")
            };
            assert!(judge(Some(&built)).unwrap().contains(VERSION));
            assert!(judge(None).unwrap_err().contains("does not exist"));
            let mut edited = built.clone();
            edited.spec.versions[0].served = false;
            assert!(judge(Some(&edited)).unwrap_err().contains("is not the one"));
            let mut newer = built.clone();
            let annotations = newer.metadata.annotations.get_or_insert_default();
            let version = "99.0.0\u{1b}[2J".to_owned();
            annotations.insert(DEFINITION_VERSION_ANNOTATION.to_owned(), version);
            let said = judge(Some(&newer)).unwrap_err();
            assert!(
                said.contains("99.0.0") && !said.contains('\u{1b}'),
                "{said}"
            );
        }
    }
}
