//! The Secrets that agents' pods mount, and their keys. Of a Secret only the names of its keys are kept;
//! its values are never read into a text. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::decide::AgentPod;

/// What is kept of a Secret.
#[derive(Debug, Deserialize)]
#[expect(
    clippy::zero_sized_map_values,
    reason = "the values of a Secret are passed over, not kept"
)]
pub struct KeyNames {
    #[serde(default)]
    data: BTreeMap<String, IgnoredAny>,
}

impl KeyNames {
    /// The names of its keys.
    pub fn names(&self) -> BTreeSet<&str> {
        self.data.keys().map(String::as_str).collect()
    }
}

/// The Secrets that pods mount, with the keys that they need of each; those to pull images have none.
pub fn wanted_secrets(pods: &[AgentPod]) -> BTreeMap<String, BTreeSet<String>> {
    let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for spec in pods.iter().filter_map(|agent| agent.pod.spec.as_ref()) {
        for volume in spec.volumes.iter().flatten() {
            let Some(secret) = &volume.secret else {
                continue;
            };
            let name = secret.secret_name.clone().unwrap_or_default();
            let keys = secret.items.iter().flatten().map(|item| item.key.clone());
            wanted.entry(name).or_default().extend(keys);
        }
        for pull in spec.image_pull_secrets.iter().flatten() {
            wanted.entry(pull.name.clone()).or_default();
        }
    }
    wanted
}

/// Whether a Secret exists and has the keys.
pub fn judge_secret(
    namespace: &str,
    name: &str,
    keys: &BTreeSet<String>,
    present: Option<&KeyNames>,
) -> Result<String, String> {
    let Some(present) = present else {
        return Err(format!(
            "Secret {name} does not exist; create it, or correct its name in the \
             ProtectedDatabase: `kubectl -n {namespace} get secrets`"
        ));
    };
    let has = present.names();
    let missing: Vec<&str> = keys
        .iter()
        .map(String::as_str)
        .filter(|key| !has.contains(key))
        .collect();
    if missing.is_empty() {
        return Ok(format!("Secret {name} has the keys that agents need"));
    }
    let has: Vec<&str> = has.into_iter().take(20).collect();
    Err(format!(
        "Secret {name} has no key {}; it has {}. Add it, or name another key in the \
         ProtectedDatabase: `kubectl -n {namespace} describe secrets`",
        missing.join(", "),
        if has.is_empty() {
            "none".to_owned()
        } else {
            has.join(", ")
        }
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_is_known_by_its_keys_alone() {
        let secret: KeyNames =
            serde_json::from_value(json!({"data": {"username": "YQ==", "password": "Yg=="}}))
                .unwrap();
        assert!(!format!("{secret:?}").contains("Yg=="));
        let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
        let judge = |wanted: &[&str], present: Option<&KeyNames>| {
            judge_secret("atra", "pg-auth", &keys(wanted), present)
        };
        assert!(judge(&["password"], Some(&secret)).is_ok());
        let said = judge(&["password", "user"], Some(&secret)).unwrap_err();
        assert!(
            said.contains("no key user; it has password, username"),
            "{said}"
        );
        assert!(judge(&[], None).unwrap_err().contains("does not exist"));
    }

    #[test]
    fn the_secrets_are_those_of_the_pods() {
        let pod = serde_json::from_value(json!({"spec": {
            "containers": [], "imagePullSecrets": [{"name": "pull"}],
            "volumes": [
                {"name": "work", "emptyDir": {}},
                {"name": "postgres", "secret": {"secretName": "pg-auth", "items": [
                    {"key": "user", "path": "username"}, {"key": "pass", "path": "password"},
                ]}},
            ],
        }}));
        let pods = [AgentPod {
            task: "check".to_owned(),
            pod: pod.unwrap(),
            maker: crate::decide::PodMaker::Nothing,
        }];
        let wanted = wanted_secrets(&pods);
        assert_eq!(wanted["pg-auth"].len(), 2);
        assert!(wanted["pull"].is_empty());
        assert_eq!(wanted.len(), 2);
    }
}
