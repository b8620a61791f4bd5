//! How Kubernetes ties pods, claims and containers to the workload that they are of: by owner
//! references and by names. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Name of the StatefulSet or Deployment that controls a pod: a Deployment's by the name of its
/// `ReplicaSet` without the hash.
#[must_use]
pub fn workload_of(pod: &ObjectMeta) -> Option<&str> {
    let controller = pod
        .owner_references
        .as_ref()?
        .iter()
        .find(|reference| reference.controller == Some(true))?;
    match controller.kind.as_str() {
        "StatefulSet" => Some(&controller.name),
        "ReplicaSet" => controller.name.rsplit_once('-').map(|(name, _)| name),
        _ => None,
    }
}

/// Whether the StatefulSet controller names its claims so: `TEMPLATE-STATEFULSET-ORDINAL`.
#[must_use]
pub fn is_from_claim_template(claim: &str, stateful_set: &str, templates: &[String]) -> bool {
    let ordinal = |template: &String| {
        claim
            .strip_prefix(template)?
            .strip_prefix('-')?
            .strip_prefix(stateful_set)?
            .strip_prefix('-')
    };
    templates
        .iter()
        .filter_map(ordinal)
        .any(|ordinal| !ordinal.is_empty() && ordinal.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The container that runs Postgres: the one named, the only one, or the one called `postgres`.
pub fn database_container<'a, T>(
    containers: &'a [T],
    name: impl Fn(&T) -> &str,
    wanted: Option<&str>,
) -> Option<&'a T> {
    let wanted = match (wanted, containers) {
        (Some(wanted), _) => wanted,
        (None, [only]) => return Some(only),
        (None, _) => "postgres",
    };
    containers
        .iter()
        .find(|container| name(container) == wanted)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test that can't go on should say where"
    )]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_is_of_the_workload_that_controls_it() {
        let pod = |kind: &str, name: &str, controller: bool| -> ObjectMeta {
            let owner = json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "u-1", "controller": controller});
            serde_json::from_value(json!({"ownerReferences": [owner]})).unwrap()
        };
        assert_eq!(workload_of(&pod("StatefulSet", "pg", true)), Some("pg"));
        assert_eq!(
            workload_of(&pod("ReplicaSet", "pg-main-7d4b", true)),
            Some("pg-main")
        );
        assert_eq!(workload_of(&pod("StatefulSet", "pg", false)), None);
        assert_eq!(
            workload_of(&pod("Job", "pg", true)),
            None,
            "a Job may have the name of a workload"
        );
        assert_eq!(workload_of(&ObjectMeta::default()), None);
    }

    #[test]
    fn a_claim_of_a_template_ends_with_an_ordinal() {
        let templates = ["data".to_owned(), "wal".to_owned()];
        let is = |claim| is_from_claim_template(claim, "pg", &templates);
        assert!(is("data-pg-0") && is("wal-pg-12"));
        assert!(
            !is("data-pg-")
                && !is("data-pg-x")
                && !is("data-other-0")
                && !is("cache-pg-0")
                && !is("data-pg-0-old")
        );
    }

    #[test]
    fn the_container_is_the_one_named_or_the_only_one_or_postgres() {
        let choose = |containers: &'static [&'static str], wanted| {
            database_container(containers, |name| name, wanted).copied()
        };
        assert_eq!(choose(&["db"], None), Some("db"));
        assert_eq!(
            choose(&["db"], Some("postgres")),
            None,
            "the one that is named, or none"
        );
        assert_eq!(choose(&["proxy", "postgres"], None), Some("postgres"));
        assert_eq!(choose(&["proxy", "db"], None), None);
        assert_eq!(choose(&["proxy", "db"], Some("db")), Some("db"));
    }
}
