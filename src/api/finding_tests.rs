//! What must hold for findings as data.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

use serde_json::json;

use super::*;
use crate::api::{CountKind, RowCount};

#[test]
fn the_type_of_a_finding_is_its_reason() {
    let table = TableChange {
        database: "d".to_owned(),
        name: "public.t".to_owned(),
        before: Some(RowCount {
            rows: 5,
            count: CountKind::Exact,
        }),
        now: None,
        limit: None,
    };
    let found = Finding::TablesMissing {
        tables: vec![table],
        left_out: 0,
    };
    assert_eq!(
        serde_json::to_value(&found).unwrap(),
        json!({
            "type": "TablesMissing",
            "tables": [{"database": "d", "name": "public.t", "before": {"rows": 5, "count": "Exact"}}],
        })
    );
    assert_eq!(found.reason(), "TablesMissing");
}

#[test]
fn a_finding_of_a_newer_version_can_be_read() {
    let found: Finding =
        serde_json::from_value(json!({"type": "TablesPainted", "tables": [{"new": true}]}))
            .unwrap();
    assert_eq!(found, Finding::Unknown);
    assert_ne!(found.outcome(), CheckOutcome::Suspected);
}

#[test]
fn a_finding_has_a_bounded_size() {
    let database = |number: i64| LostDatabase {
        name: format!("d{number}"),
        oid_before: number,
        oid_now: None,
        rows: 1,
        table_count: 1,
    };
    let found = Finding::DatabaseMissing {
        databases: (0..250).map(database).collect(),
        left_out: 0,
    };
    let Finding::DatabaseMissing {
        databases,
        left_out,
    } = found.bounded()
    else {
        unreachable!("it stays what it is")
    };
    assert_eq!((databases.len(), left_out), (FINDING_ITEM_LIMIT, 150));
}
