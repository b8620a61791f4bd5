//! What is not green although nothing is known to be lost, and what only looks like a loss:
//! scenarios.

use super::incidents::{Scenario, rule};
use super::ordinary_life::other;
use super::sample::{Sample, add_table, set_count, set_rows};
use crate::api::{CountKind, Coverage, NotCounted, NotCountedReason, OtherBackups};

/// Another database cluster that is the known one, upgraded.
pub(super) fn upgraded() -> Vec<Scenario> {
    let upgraded = || {
        Sample::new()
            .other_cluster()
            .now(|now| now.identity.server_version = "17.2".to_owned())
    };
    vec![
        (
            "pg_upgrade that nobody declared",
            upgraded(),
            Some("cluster_changed"),
        ),
        (
            "pg_upgrade while sessions expire and rows are deleted",
            upgraded()
                .both(|evidence| add_table(evidence, "knowledge_os", "public.sessions", 40))
                .now(|now| {
                    set_rows(now, "public.sessions", 3);
                    set_rows(now, "public.knowledge_nodes", 26_330);
                }),
            Some("cluster_changed"),
        ),
        (
            "a newer version, and a sixth of the rows is missing",
            upgraded().now(|now| set_rows(now, "public.knowledge_nodes", 22_000)),
            Some("cluster_changed"),
        ),
    ]
}

/// What is not green although nothing is known to be lost.
pub(super) fn not_known() -> Vec<Scenario> {
    let new = Sample::new;
    let first = || {
        new()
            .first()
            .wanted(|spec| spec.verification.tables.clear())
    };
    let first_beside = |whose| {
        let mut sample = first();
        sample.other_backups = Some(whose);
        sample
    };
    vec![
        (
            "another server answers at the host, and has the data",
            new().at_host("knowledge-rw").answered_by("10.0.0.8"),
            Some("other_server"),
        ),
        (
            "a server answers at the host that says no address",
            new().at_host("knowledge-rw").answered_by(""),
            Some("other_server"),
        ),
        (
            "first check of a database without tables",
            new()
                .first()
                .wanted(|spec| spec.verification.tables.clear())
                .now(|now| {
                    now.tables.clear();
                    (now.table_count, now.total_rows) = (0, 0);
                }),
            Some("no_rows"),
        ),
        (
            "counting stopped at the minimum",
            new()
                .now(|now| set_count(now, "public.knowledge_nodes", 10_000, CountKind::LowerBound)),
            Some("not_counted"),
        ),
        (
            "first check, the wrong database",
            first().now(|now| {
                now.tables.clear();
                (now.table_count, now.total_rows) = (0, 0);
                now.other_databases.push(other("shop", 20_400));
            }),
            Some("no_rows"),
        ),
        (
            "first check, another namespace has backups with far more rows",
            {
                let mut sample = new().first();
                sample.other_backups = Some(OtherBackups::Elsewhere);
                sample
            },
            Some("more_rows_elsewhere"),
        ),
        (
            "first check, the bucket has backups of a cluster that is lost, or of a neighbour",
            first_beside(OtherBackups::AnotherCluster),
            Some("others_backups"),
        ),
        (
            "first check, the bucket has backups of a namespace that had the name before",
            first_beside(OtherBackups::AnotherNamespace),
            Some("others_backups"),
        ),
        (
            "first check, the bucket has backups that do not say of which namespace they are",
            first_beside(OtherBackups::NotSaid),
            Some("others_backups"),
        ),
        (
            "first check of an empty database, the bucket has backups of a cluster that is lost",
            first_beside(OtherBackups::AnotherCluster).now(|now| {
                now.tables.clear();
                (now.table_count, now.total_rows) = (0, 0);
            }),
            Some("others_backups"),
        ),
        (
            "the role may read nothing",
            new()
                .wanted(|spec| spec.verification.tables.clear())
                .now(|now| {
                    now.tables.iter_mut().for_each(|table| {
                        (table.rows, table.count) = (0, CountKind::Estimated);
                    });
                    now.total_rows = 0;
                    now.coverage.push(Coverage {
                        database: "knowledge_os".to_owned(),
                        table_count: 120,
                        not_counted: vec![NotCounted {
                            reason: NotCountedReason::NotReadable,
                            table_count: 120,
                            tables: vec!["public.experts".to_owned()],
                        }],
                        ..Coverage::default()
                    });
                }),
            Some("nothing_counted"),
        ),
        (
            "the role may not read the table with nearly all rows",
            new()
                .wanted(|spec| spec.verification.tables.clear())
                .both(|evidence| {
                    set_count(
                        evidence,
                        "public.knowledge_nodes",
                        1_000_000,
                        CountKind::Estimated,
                    );
                    evidence.coverage.push(Coverage {
                        database: "knowledge_os".to_owned(),
                        table_count: 5,
                        counted_tables: 4,
                        counted_rows: 5_097,
                        estimated_rows: 1_005_097,
                        not_counted: vec![NotCounted {
                            reason: NotCountedReason::NotReadable,
                            table_count: 1,
                            tables: vec!["public.knowledge_nodes".to_owned()],
                        }],
                    });
                }),
            Some("nothing_counted"),
        ),
        (
            "an older agent that may read nothing",
            first().now(|now| {
                now.tables.iter_mut().for_each(|table| {
                    (table.rows, table.count) = (0, CountKind::Estimated);
                });
            }),
            Some("nothing_counted"),
        ),
        (
            "a listed table without numbers is only estimated",
            new()
                .wanted(|spec| spec.verification.tables.push(rule("public.audit")))
                .now(|now| set_count(now, "public.audit", 5_000, CountKind::Estimated)),
            Some("not_counted"),
        ),
    ]
}
