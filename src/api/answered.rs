//! Whether the server that answered a check is that of the pod that is checked: behind a host another
//! one may answer, or nobody can tell which.

use std::net::IpAddr;

use super::{CheckTarget, DatabaseCheck, Evidence};

/// Which server has answered a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// That of the pod that is checked.
    Itself,
    /// That of another pod, or one that started before the container that is checked.
    Another,
    /// Nothing says which.
    NotKnown,
}

impl CheckTarget {
    /// Which server has given this evidence, by its own facts. A pod that is asked at its own address
    /// is looked up right before each connection, so nobody else answers there.
    #[must_use]
    pub fn answered(&self, evidence: &Evidence) -> Answered {
        if self.host.is_none() {
            return Answered::Itself;
        }
        let started = evidence.identity.postmaster_started_at.0.as_second();
        // A server starts after its container, and both times are of one clock.
        let is_older =
            |at: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Time| started < at.0.as_second();
        if self.started_at.as_ref().is_some_and(is_older) {
            return Answered::Another;
        }
        let Some(address) = read(&evidence.server_address) else {
            return Answered::NotKnown;
        };
        if address.is_loopback() || self.addresses.is_empty() {
            return Answered::NotKnown;
        }
        let is_its_own = |own: &String| read(own) == Some(address);
        if self.addresses.iter().any(is_its_own) {
            Answered::Itself
        } else {
            Answered::Another
        }
    }
}

impl DatabaseCheck {
    /// What the check found, if the server of the pod that it was made for has answered: only that says
    /// something of this pod.
    #[must_use]
    pub fn own_evidence(&self) -> Option<&Evidence> {
        let target = self.spec.target.as_ref();
        self.evidence().filter(|evidence| {
            target.is_none_or(|target| target.answered(evidence) == Answered::Itself)
        })
    }
}

fn read(address: &str) -> Option<IpAddr> {
    let address: IpAddr = address.parse().ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a sample that can't be built is a fault of the test"
    )]

    use serde_json::{Value, json};

    use super::*;

    fn answered(target: &Value, address: &str, started: &str) -> Answered {
        let mut full = json!({
            "pod": "db-1", "podUid": "u", "container": "postgres", "containerId": "c",
        });
        json_patch::merge(&mut full, target);
        let target: CheckTarget = serde_json::from_value(full).unwrap();
        let evidence: Evidence = serde_json::from_value(json!({
            "identity": {
                "systemIdentifier": "1", "initializedAt": started, "timeline": 1,
                "walPosition": "0/1", "nextTransactionId": "1", "postmasterStartedAt": started,
                "serverVersion": "17.2", "inRecovery": false,
            },
            "tableCount": 0, "totalRows": 0, "observedAt": started, "serverAddress": address,
        }))
        .unwrap();
        target.answered(&evidence)
    }

    #[test]
    fn a_server_is_known_by_its_own_address_and_its_start() {
        let at = |second: &str| format!("2026-02-01T09:00:{second}Z");
        let behind = json!({
            "host": "db-rw", "addresses": ["10.0.0.7", "fd00::7"], "startedAt": at("10"),
        });
        let own_node = json!({"host": "db-rw"});
        for (target, address, started, expected) in [
            (json!({}), "10.0.0.9", "00", Answered::Itself),
            (behind.clone(), "10.0.0.7", "10", Answered::Itself),
            (behind.clone(), "fd00:0::7", "12", Answered::Itself),
            (behind.clone(), "::ffff:10.0.0.7", "12", Answered::Itself),
            (behind.clone(), "10.0.0.8", "12", Answered::Another),
            // The address was another pod's before.
            (behind.clone(), "10.0.0.7", "09", Answered::Another),
            (behind.clone(), "", "09", Answered::Another),
            // A proxy or a pooler in the pod, an agent of an older version, the network of the node.
            (behind.clone(), "127.0.0.1", "12", Answered::NotKnown),
            (behind.clone(), "::1", "12", Answered::NotKnown),
            (behind.clone(), "", "12", Answered::NotKnown),
            (behind, "no address", "12", Answered::NotKnown),
            (own_node, "10.0.0.7", "12", Answered::NotKnown),
        ] {
            let found = answered(&target, address, &at(started));
            assert_eq!(found, expected, "{target} {address} {started}");
        }
    }
}
