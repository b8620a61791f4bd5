#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

use axum::http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};

use super::*;

fn database(reset: Option<&str>, identifier: &str) -> ProtectedDatabase {
    let conditions: Vec<Value> = reset
        .iter()
        .map(|status| {
            json!({"type": "DataReset", "status": status, "reason": "R", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"})
        })
        .collect();
    serde_json::from_value(json!({
        "metadata": {"name": "d"},
        "spec": {"workload": {"name": "w"}, "connection": {"database": "d", "credentialsSecret": {"name": "s"}}},
        "status": {
            "conditions": conditions,
            "baseline": {"check": "c", "time": "2026-01-01T00:00:00Z", "systemIdentifier": identifier},
        },
    }))
    .unwrap()
}

#[test]
fn only_a_check_that_was_made_since_the_backup_began_says_that_the_data_is_verified() {
    let time = |text: &str| Time(text.parse().unwrap());
    let begun = time("2026-02-01T03:00:00Z");
    let look = |baseline: &str, newest: Option<(&str, &str)>| {
        let mut database = database(Some("False"), "7");
        let status = database.status.as_mut().unwrap();
        status.baseline.as_mut().unwrap().made = Some(time(baseline));
        status.last_check = newest.map(|(made, outcome)| {
            serde_json::from_value(json!({
                "name": "c", "time": made, "made": made, "outcome": outcome, "reason": "R",
            }))
            .unwrap()
        });
        look_since(&database, &begun)
    };
    let (before, after) = ("2026-02-01T02:59:59Z", "2026-02-01T03:00:00Z");
    assert_eq!(look(after, None), Look::Verified);
    assert_eq!(look(before, Some((after, "Suspected"))), Look::Reset);
    for newest in [
        None,
        Some((before, "Verified")),
        Some((before, "Suspected")),
    ] {
        assert!(
            matches!(look(before, newest), Look::Awaited(_)),
            "{newest:?}"
        );
    }
    let unverifiable = look(before, Some((after, "Unverifiable")));
    assert_eq!(
        unverifiable,
        Look::Awaited("DatabaseCheck c could not (R)".to_owned())
    );
    let old: ProtectedDatabase = database(Some("False"), "7");
    assert!(
        matches!(look_since(&old, &begun), Look::Awaited(_)),
        "an older operator does not say when a check was made"
    );
}

#[test]
fn what_the_last_good_check_only_estimated_was_counted_by_one_before() {
    let evidence = |count: &str, rows: i64| -> Evidence {
        serde_json::from_value(json!({
            "identity": {"systemIdentifier": "7", "initializedAt": "2026-01-01T00:00:00Z",
                "timeline": 1, "walPosition": "0/1", "nextTransactionId": "1",
                "postmasterStartedAt": "2026-01-01T00:00:00Z", "serverVersion": "15.1",
                "inRecovery": false},
            "tables": [{"database": "d", "name": "public.t", "oid": 1, "rows": rows, "count": count}],
            "tableCount": 1, "totalRows": rows, "observedAt": "2026-01-01T00:00:00Z",
        }))
        .unwrap()
    };
    let rows = |found: Vec<Evidence>| carry_all(found).map(|evidence| evidence.tables[0].rows);
    assert_eq!(rows(Vec::new()), None);
    assert_eq!(rows(vec![evidence("Exact", 5)]), Some(5));
    let estimated = || evidence("Estimated", 9);
    assert!(has_estimates(&estimated()) && !has_estimates(&evidence("Exact", 5)));
    assert_eq!(
        rows(vec![estimated(), estimated(), evidence("Exact", 1_000)]),
        Some(1_000)
    );
}

#[test]
fn a_set_of_data_that_is_not_verified_says_so() {
    let with = |status: &str| {
        let mut database = database(Some("False"), "7");
        let condition = json!({"type": "DataVerified", "status": status, "reason": "Checking", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let status = database.status.as_mut().unwrap();
        status
            .conditions
            .push(serde_json::from_value(condition).unwrap());
        unverified(&database)
    };
    assert_eq!(with("True"), None);
    assert_eq!(
        with("Unknown").as_deref(),
        Some("DataVerified was Unknown (Checking): m")
    );
    assert!(unverified(&database(Some("False"), "7")).is_some());
}

#[test]
fn only_verified_data_of_the_known_cluster_is_not_suspect() {
    assert_eq!(suspicion_of(&database(Some("False"), "7"), "7"), None);
    assert!(suspicion_of(&database(Some("False"), "7"), "8").is_some());
    for status in [Some("True"), Some("Unknown"), None] {
        assert!(
            suspicion_of(&database(status, "7"), "7").is_some(),
            "{status:?}"
        );
    }
    let mut unseen = database(Some("False"), "7");
    unseen.status = None;
    assert!(suspicion_of(&unseen, "7").is_some());
}

/// A client of an API server that has these objects, by the end of their path.
fn client(objects: Vec<(&'static str, Value)>) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let path = request.uri().path().to_owned();
        let found = objects.iter().find(|(end, _)| path.ends_with(end));
        let (code, body) = match found {
            Some((_, object)) => (200, object.clone()),
            None => (
                404,
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404,
                    "reason": "NotFound", "message": "not found"}),
            ),
        };
        async move {
            let body = Body::from(serde_json::to_vec(&body).unwrap());
            Ok::<_, std::convert::Infallible>(Response::builder().status(code).body(body).unwrap())
        }
    });
    Client::new(service, "atra")
}

fn in_cluster(uid: &str) -> Value {
    let mut database = serde_json::to_value(database(Some("False"), "7")).unwrap();
    database["metadata"]["uid"] = json!(uid);
    database["apiVersion"] = json!("holdfast.dev/v1alpha1");
    database["kind"] = json!("ProtectedDatabase");
    database
}

#[tokio::test]
async fn a_set_whose_database_is_deleted_meanwhile_is_kept_and_suspect() {
    let ask = |client: &Client| ProtectedDatabaseSuspicion::new(client, "atra", "d", "uid-1");
    let there = client(vec![("/protecteddatabases/d", in_cluster("uid-1"))]);
    assert_eq!(ask(&there).fetch_suspicion("7").await, None);
    for gone in [
        client(Vec::new()),
        client(vec![("/protecteddatabases/d", in_cluster("uid-2"))]),
    ] {
        let why = ask(&gone).fetch_suspicion("7").await.unwrap();
        assert!(why.contains("was deleted meanwhile"), "{why}");
        assert!(ask(&gone).fetch_known_good().await.is_err());
    }
}

#[tokio::test]
async fn what_the_last_good_check_found_is_read_or_its_absence_said() {
    let check = json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseCheck",
        "metadata": {"name": "c"}, "spec": {"database": "d", "trigger": "Schedule"},
        "status": {"evidence": {
            "identity": {"systemIdentifier": "7", "initializedAt": "2026-01-01T00:00:00Z",
                "timeline": 1, "walPosition": "0/1", "nextTransactionId": "1",
                "postmasterStartedAt": "2026-01-01T00:00:00Z", "serverVersion": "15.1",
                "inRecovery": false},
            "tables": [], "tableCount": 0, "totalRows": 5, "observedAt": "2026-01-01T00:00:00Z"}},
    });
    let ask = |client: &Client| ProtectedDatabaseSuspicion::new(client, "atra", "d", "uid-1");
    let database = ("/protecteddatabases/d", in_cluster("uid-1"));
    let there = client(vec![database.clone(), ("/databasechecks/c", check)]);
    let known = ask(&there).fetch_known_good().await.unwrap();
    let (name, evidence) = known.baseline.unwrap();
    assert_eq!((name.as_str(), evidence.total_rows), ("c", 5));
    let pruned = client(vec![database]);
    let why = ask(&pruned).fetch_known_good().await.unwrap_err();
    assert!(why.contains("DatabaseCheck c"), "{why}");
}
