//! Golden tests of what the user reads before confirming.
#![allow(
    clippy::unwrap_used,
    reason = "a sample that can't be built is a fault of the test"
)]

use serde_json::{Value, json};

use super::*;
use crate::incident::build_overview;
use crate::plugin::unlock::parse_named;

fn target(named: &str, metadata: &Value) -> Target {
    let named = parse_named(named).unwrap();
    let mut metadata = metadata.clone();
    metadata["name"] = named.name.clone().into();
    metadata["uid"] = "u-1".into();
    if named.kind.namespaced {
        metadata["namespace"] = "atra".into();
    }
    Target {
        kind: named.kind,
        metadata: serde_json::from_value(metadata).unwrap(),
        verb: ConfirmedVerb::Delete,
        context_flag: String::new(),
    }
}

fn database(name: &str, status: &Value) -> DatabaseOverview {
    let object = json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "ProtectedDatabase", "metadata": {"name": name, "namespace": "atra"},
        "spec": {
            "workload": {"kind": "StatefulSet", "name": format!("{name}-postgres")},
            "connection": {"database": "knowledge_os", "credentialsSecret": {"name": "pg-auth"}},
        },
        "status": status,
    });
    build_overview(serde_json::from_value(object).unwrap())
}

fn good() -> Value {
    json!({
        "conditions": [{"type": "Ready", "status": "True", "reason": "AllGood", "message": "", "lastTransitionTime": "2026-02-01T09:01:00Z"}],
        "lastCheck": {"name": "knowledge-1", "time": "2026-02-01T09:00:00Z", "outcome": "Verified", "reason": "Verified"},
        "lastGoodBackup": {"name": "knowledge-backup-first", "time": "2026-02-01T09:01:00Z", "state": "Complete"},
    })
}

fn reset() -> Value {
    json!({
        "conditions": [{"type": "DataReset", "status": "True", "reason": "RowsDropped", "message": "", "lastTransitionTime": "2026-02-01T09:01:00Z"}],
        "lastCheck": {"name": "jobs-1", "time": "2026-02-01T09:00:00Z", "outcome": "Suspected", "reason": "RowsDropped"},
    })
}

#[test]
fn what_would_be_lost_reads() {
    let now = "2026-02-01T12:00:00Z".parse().unwrap();
    let marks = json!({
        "labels": {"holdfast.dev/protected": "true"},
        "annotations": {"holdfast.dev/protected-by": "atra/knowledge", "holdfast.dev/loss-summary": "database knowledge_os with 26,422 rows in 2 tables, seen at 2026-02-01T09:00:00Z; there is no good backup"},
    });
    let label = json!({"labels": {"holdfast.dev/protected": "true"}, "deletionTimestamp": "2026-02-01T11:00:00Z"});
    let claim = target("pvc/knowledge-data", &marks);
    let namespace = target("ns/atra", &label);
    let definition = target("crd/protecteddatabases.holdfast.dev", &json!({}));
    let change = Target {
        verb: ConfirmedVerb::Change,
        ..claim.clone()
    };
    let end = "2026-02-01T12:15:00Z".parse().unwrap();
    let many = (0..23)
        .map(|number| database(&format!("db-{number}"), &Value::Null))
        .collect();
    let texts = [
        describe_loss(
            &claim,
            &Databases::Known(vec![database("knowledge", &good())]),
            now,
        ),
        describe_loss(
            &namespace,
            &Databases::Known(vec![
                database("knowledge", &good()),
                database("jobs", &reset()),
            ]),
            now,
        ),
        describe_loss(&definition, &Databases::Known(many), now),
        describe_loss(
            &claim,
            &Databases::Unknown(
                "not allowed to get protecteddatabases.holdfast.dev knowledge".to_owned(),
            ),
            now,
        ),
        describe_loss(&change, &Databases::Known(Vec::new()), now),
        describe_confirmed(&claim, end, now),
        describe_confirmed(&namespace, end, now),
        describe_confirmed(&change, end, now),
    ];
    insta::assert_snapshot!(texts.join("=====\n"));
}

#[test]
fn what_nothing_refuses_is_not_guarded() {
    assert!(!target("pvc/data", &json!({})).is_guarded());
    assert!(
        !target(
            "pvc/data",
            &json!({"labels": {"holdfast.dev/protected": "false"}})
        )
        .is_guarded()
    );
    assert!(
        target(
            "pvc/data",
            &json!({"labels": {"holdfast.dev/protected": "true"}})
        )
        .is_guarded()
    );
    assert!(target("crd/databasechecks.holdfast.dev", &json!({})).is_guarded());
    assert!(
        !target(
            "crd/things.example.com",
            &json!({"labels": {"holdfast.dev/protected": "true"}})
        )
        .is_guarded()
    );
}

#[test]
fn commands_lead_to_the_very_object() {
    let mut claim = target("pvc/data", &json!({}));
    claim.context_flag = " --context production".to_owned();
    assert_eq!(
        claim.delete_command(),
        "kubectl delete pvc data -n atra --context production"
    );
    assert_eq!(
        claim.script_command(),
        "kubectl holdfast unlock pvc/data -n atra --context production --yes --uid u-1"
    );
    claim.verb = ConfirmedVerb::Change;
    assert_eq!(
        claim.script_command(),
        "kubectl holdfast unlock pvc/data -n atra --context production --change --yes --uid u-1"
    );
    assert_eq!(
        target("pv/v", &json!({})).delete_command(),
        "kubectl delete pv v"
    );
}
