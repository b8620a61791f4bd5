//! What happened to other users' data, and the check that sees it: scenarios that must be
//! suspected.

use super::sample::{
    Sample, add_database, add_table, drop_database, drop_table, set_lower_bound, set_rows, table,
};
use crate::api::{Evidence, TableRule, reasons};

/// A scenario: its name, what is judged, and the check without which the verdict would be another.
pub(super) type Scenario = (&'static str, Sample, Option<&'static str>);

pub(super) fn rule(name: &str) -> TableRule {
    TableRule {
        name: name.to_owned(),
        ..TableRule::default()
    }
}

pub(super) fn nearly_empty(now: &mut Evidence) {
    set_rows(now, "public.experts", 1);
    set_rows(now, "public.knowledge_nodes", 27);
    set_rows(now, "public.audit", 0);
}

pub(super) fn without_rows(evidence: &mut Evidence) {
    for name in [
        "public.experts",
        "public.knowledge_nodes",
        "public.audit",
        "public.jobs",
    ] {
        set_rows(evidence, name, 0);
    }
}

/// As many tables as fill the evidence, and more that it can't hold.
pub(super) fn cut(evidence: &mut Evidence) {
    for position in 0..495 {
        evidence.tables.push(table(
            "knowledge_os",
            &format!("public.part_{position}"),
            1_000,
        ));
    }
    evidence.table_count = 900;
}

pub(super) fn incidents() -> Vec<Scenario> {
    let new = Sample::new;
    vec![
        (
            "000: volume removed, migrations and 11 seed rows",
            new()
                .other_cluster()
                .on_volume("data-knowledge-postgres-0", "pvc-b")
                .now(|now| {
                    without_rows(now);
                    set_rows(now, "public.jobs", 11);
                }),
            Some("cluster_changed"),
        ),
        (
            "002: other volume, 1 expert and 27 nodes",
            new()
                .other_cluster()
                .on_volume("other-data", "pvc-b")
                .now(nearly_empty),
            Some("cluster_changed"),
        ),
        (
            "004: database does not exist, after initdb on a fresh volume",
            new()
                .other_cluster()
                .on_volume("data-knowledge-postgres-0", "pvc-b")
                .now(|now| drop_database(now, "knowledge_os")),
            Some("database_missing"),
        ),
        (
            "another cluster with the same rows, on another volume",
            new().other_cluster().on_volume("other-data", "pvc-b"),
            Some("cluster_changed"),
        ),
        (
            "initdb on the same claim, nothing in it yet",
            new().other_cluster().now(|now| now.tables.clear()),
            Some("cluster_changed"),
        ),
        (
            "initdb on the same claim, restored by hand with all rows",
            new().other_cluster(),
            Some("cluster_changed"),
        ),
        (
            "the image moved its data directory off the mount",
            new().other_cluster().now(|now| {
                now.identity.data_directory = "/var/lib/postgresql/18/docker".to_owned();
            }),
            Some("cluster_changed"),
        ),
        (
            "a replica of another database cluster",
            new().other_cluster().now(|now| {
                now.identity.in_recovery = true;
                now.tables.clear();
                (now.table_count, now.total_rows) = (0, 0);
            }),
            Some("cluster_changed"),
        ),
        (
            "a replica of another database cluster, on another volume",
            new()
                .other_cluster()
                .on_volume("other-data", "pvc-b")
                .now(|now| {
                    now.identity.in_recovery = true;
                    now.tables.clear();
                    (now.table_count, now.total_rows) = (0, 0);
                    drop_database(now, "knowledge_os");
                }),
            Some("database_missing"),
        ),
        (
            "another tenant's server behind the same Service",
            new().other_cluster().at_host("knowledge-db"),
            Some("cluster_changed"),
        ),
        (
            "a claim mounted above the image's VOLUME, the container restarted",
            new()
                .other_cluster()
                .mounted_at("/var/lib/postgresql")
                .in_image_volume("/var/lib/postgresql/data"),
            Some("cluster_changed"),
        ),
        (
            "an emptyDir mounted over the claim, its pod recreated",
            new()
                .other_cluster()
                .mounted_at("/var/lib/postgresql")
                .beside("/var/lib/postgresql/data"),
            Some("cluster_changed"),
        ),
        (
            "a Deployment with an emptyDir, its pod recreated",
            new().other_cluster().on_no_volume().now(nearly_empty),
            Some("cluster_changed"),
        ),
        (
            "TRUNCATE of a table that was too large to be counted",
            new()
                .before(|before| set_lower_bound(before, "public.audit", 90_000_000, 10_000))
                .now(|now| set_rows(now, "public.audit", 0)),
            Some("tables_emptied"),
        ),
        (
            "a volatile table below its minimum",
            new()
                .wanted(|spec| {
                    spec.verification.tables.push(TableRule {
                        volatile: true,
                        min_rows: Some(10),
                        ..rule("public.jobs")
                    });
                })
                .now(|now| set_rows(now, "public.jobs", 0)),
            Some("rows_below_minimum"),
        ),
        (
            "the role can't see the data directory, other volume",
            new()
                .other_cluster()
                .on_volume("other-data", "pvc-b")
                .now(|now| now.identity.data_directory.clear()),
            Some("cluster_changed"),
        ),
    ]
}

/// What happens to databases, tables and rows of a cluster that stays the same.
pub(super) fn losses() -> Vec<Scenario> {
    let new = Sample::new;
    vec![
        (
            "DROP DATABASE",
            new().now(|now| drop_database(now, "knowledge_os")),
            Some("database_missing"),
        ),
        (
            "DROP TABLE of a table with a rule",
            new().now(|now| drop_table(now, "public.experts")),
            Some("tables_missing"),
        ),
        (
            "DROP SCHEMA",
            new().now(|now| now.tables.clear()),
            Some("tables_missing"),
        ),
        (
            "TRUNCATE of a table with a rule",
            new().now(|now| set_rows(now, "public.knowledge_nodes", 0)),
            Some("tables_emptied"),
        ),
        (
            "24 % of the nodes gone, 20 allowed",
            new().now(|now| set_rows(now, "public.knowledge_nodes", 20_000)),
            Some("rows_dropped"),
        ),
        (
            "one row below the minimum",
            new().now(|now| set_rows(now, "public.experts", 79)),
            Some("rows_below_minimum"),
        ),
        (
            "first check, too few rows",
            new().first().now(|now| set_rows(now, "public.experts", 1)),
            Some("rows_below_minimum"),
        ),
        (
            "first check, too few rows and a name that is wrong",
            new()
                .first()
                .wanted(|spec| spec.verification.tables.push(rule("public.expert")))
                .now(|now| set_rows(now, "public.experts", 1)),
            Some("rows_below_minimum"),
        ),
        (
            "a listed table without numbers takes the baseline's share",
            new()
                .wanted(|spec| spec.verification.tables.push(rule("public.jobs")))
                .now(|now| set_rows(now, "public.jobs", 5)),
            Some("rows_dropped"),
        ),
        (
            "table of a further database dropped",
            new()
                .wanted(|spec| {
                    spec.connection
                        .additional_databases
                        .push("analytics".to_owned());
                })
                .before(|before| {
                    add_database(before, "analytics");
                    add_table(before, "analytics", "public.events", 700);
                })
                .now(|now| add_database(now, "analytics")),
            Some("tables_missing"),
        ),
        (
            "identity is a fact even when counting failed",
            new()
                .other_cluster()
                .failed(
                    reasons::PERMISSION_DENIED,
                    "permission denied for table experts",
                )
                .now(|now| now.tables.clear()),
            Some("cluster_changed"),
        ),
        (
            "a count is a fact even when another failed",
            new()
                .failed(reasons::ROW_SECURITY, "row security on public.jobs")
                .now(|now| set_rows(now, "public.experts", 2)),
            Some("rows_below_minimum"),
        ),
        (
            "many tables dropped at once",
            new().before(|before| {
                (0..30).for_each(|position| {
                    add_table(before, "knowledge_os", &format!("public.t{position}"), 200);
                });
            }),
            Some("tables_missing"),
        ),
        (
            "listed table gone while the list is cut",
            new()
                .before(cut)
                .now(cut)
                .now(|now| now.tables.retain(|table| table.name != "public.experts")),
            Some("tables_missing"),
        ),
    ]
}

/// What happens to the database cluster itself, or to all of it.
pub(super) fn histories() -> Vec<Scenario> {
    let new = Sample::new;
    vec![
        (
            "the schema recreated and seeded, in the same cluster",
            new().now(|now| {
                nearly_empty(now);
                set_rows(now, "public.jobs", 0);
            }),
            Some("tables_emptied"),
        ),
        (
            "TRUNCATE of the only big table, without rules",
            new()
                .wanted(|spec| spec.verification.tables.clear())
                .before(|before| set_rows(before, "public.audit", 50))
                .now(|now| {
                    set_rows(now, "public.knowledge_nodes", 0);
                    set_rows(now, "public.audit", 50);
                }),
            Some("tables_emptied"),
        ),
        (
            "DROP DATABASE, CREATE DATABASE, migrations and seed",
            new().now(|now| {
                now.databases[0].oid = 24_576;
                nearly_empty(now);
            }),
            Some("database_recreated"),
        ),
        (
            "last week's snapshot put back on the same claim",
            new().now(|now| {
                now.identity.wal_position = "0/1000000".to_owned();
                set_rows(now, "public.knowledge_nodes", 26_000);
            }),
            Some("rolled_back"),
        ),
        (
            "recovered to an earlier point in time",
            new().now(|now| {
                now.identity.wal_position = "0/1000000".to_owned();
                now.identity.timeline = 2;
            }),
            Some("rolled_back"),
        ),
        (
            "another volume with an older copy of the same cluster",
            new().on_volume("other-data", "pvc-b").now(|now| {
                now.identity.wal_position = "0/1000000".to_owned();
                set_rows(now, "public.audit", 100);
            }),
            Some("rolled_back"),
        ),
    ]
}
