//! What people do to their databases every day, from public reports and from the manuals of tools:
//! scenarios that must be verified.

use super::incidents::{Scenario, rule};
use super::sample::{
    Sample, add_database, add_sequence, add_table, drop_table, recreate, rename, set_rows, unlog,
};
use crate::api::{EVIDENCE_TABLE_LIMIT, OtherDatabase, TableRule};

const MAIN: &str = "knowledge_os";

/// A sample with further tables, before and now.
pub(super) fn with(tables: &[(&str, i64)]) -> Sample {
    Sample::new().both(|evidence| {
        for (name, rows) in tables {
            add_table(evidence, MAIN, name, *rows);
        }
    })
}

/// So many tables of an application, of 300 rows each.
pub(super) fn application(tables: usize) -> Sample {
    Sample::new().both(|evidence| {
        for position in 0..tables {
            add_table(
                evidence,
                MAIN,
                &format!("app.thing_{}", letters(position)),
                300,
            );
        }
    })
}

/// A name without digits, which would be a partition.
pub(super) fn letters(position: usize) -> String {
    let letter = |digit: usize| char::from(b'a' + u8::try_from(digit % 26).unwrap_or(0));
    [letter(position / 26), letter(position), 'x']
        .iter()
        .collect()
}

fn emptied(names: &[(&str, i64)]) -> Sample {
    with(names).now(|now| {
        for (name, _) in names {
            set_rows(now, name, 0);
        }
    })
}

fn drop_all(sample: Sample, names: &[&str]) -> Sample {
    sample.now(|now| names.iter().for_each(|name| drop_table(now, name)))
}

/// Rows that are used up, or pruned.
pub(super) fn used_up() -> Vec<Scenario> {
    vec![
        (
            "a queue is drained",
            emptied(&[("public.queue", 5_000)]),
            None,
        ),
        (
            "Oban's pruner deletes what is done, most rows of the database",
            with(&[("public.oban_jobs", 227_678)])
                .now(|now| set_rows(now, "public.oban_jobs", 8_402)),
            None,
        ),
        (
            "all tables of Solid Queue are drained at once",
            emptied(&[
                ("public.solid_queue_jobs", 9_000),
                ("public.solid_queue_ready_executions", 4_000),
                ("public.solid_queue_scheduled_executions", 3_000),
                ("public.solid_queue_claimed_executions", 200),
                ("public.solid_queue_semaphores", 150),
                ("public.solid_queue_recurring_tasks", 120),
            ]),
            None,
        ),
        (
            "pg-boss archives and deletes",
            emptied(&[("pgboss.job", 12_000), ("pgboss.archive", 30_000)]),
            None,
        ),
        (
            "clearsessions deletes Django's sessions",
            emptied(&[("public.django_session", 40_000)]),
            None,
        ),
        (
            "an outbox is sent",
            emptied(&[("public.event_outbox", 90_000)]),
            None,
        ),
        (
            "tokens and carts expire",
            emptied(&[("public.oauth_access_tokens", 4_000), ("public.carts", 800)]),
            None,
        ),
        (
            "an audit log, most rows of the database, is pruned",
            with(&[("public.audit_log", 300_000)])
                .now(|now| set_rows(now, "public.audit_log", 20_000)),
            None,
        ),
        (
            "measurements have a time to live for the first time",
            with(&[("public.measurements", 500_000)])
                .now(|now| set_rows(now, "public.measurements", 60_000)),
            None,
        ),
        (
            "a user asked to be forgotten",
            Sample::new().now(|now| {
                set_rows(now, "public.audit", 4_700);
                set_rows(now, "public.knowledge_nodes", 26_000);
            }),
            None,
        ),
        (
            "orders are archived, most of them",
            with(&[("public.orders", 90_000), ("public.orders_archive", 10_000)]).now(|now| {
                set_rows(now, "public.orders", 20_000);
                set_rows(now, "public.orders_archive", 80_000);
            }),
            None,
        ),
        (
            "old rows of a table without a rule are deleted",
            Sample::new().now(|now| set_rows(now, "public.audit", 500)),
            None,
        ),
        (
            "a crash empties unlogged tables, most rows of the database",
            emptied(&[("public.pages", 90_000), ("public.places", 80_000)]).both(|evidence| {
                unlog(evidence, "public.pages");
                unlog(evidence, "public.places");
            }),
            None,
        ),
        (
            "a crash empties an unlogged table that is listed without limits",
            emptied(&[("public.pages", 90_000)])
                .both(|evidence| unlog(evidence, "public.pages"))
                .wanted(|spec| spec.verification.tables.push(rule("public.pages"))),
            None,
        ),
    ]
}

/// Tables that are renamed, swapped, detached, recreated.
pub(super) fn renamed() -> Vec<Scenario> {
    let new = Sample::new;
    vec![
        (
            "a table is renamed",
            new().now(|now| rename(now, "public.audit", "public.audit_trail")),
            None,
        ),
        (
            "a table with a rule is renamed",
            new().now(|now| rename(now, "public.experts", "public.people")),
            None,
        ),
        (
            "a table is moved to another schema",
            new().now(|now| rename(now, "public.audit", "app.audit")),
            None,
        ),
        (
            "a new table takes the place of the old one",
            with(&[("public.orders", 90_000), ("public.orders_new", 90_000)]).now(|now| {
                rename(now, "public.orders", "public.orders_old");
                rename(now, "public.orders_new", "public.orders");
            }),
            None,
        ),
        (
            "the old table is dropped a day after the swap",
            drop_all(
                with(&[("public.orders_old", 90_000)]),
                &["public.orders_old"],
            ),
            None,
        ),
        (
            "CREATE TABLE AS, DROP, RENAME",
            with(&[("public.orders", 90_000)]).now(|now| recreate(now, "public.orders")),
            None,
        ),
        (
            "most partitions are detached",
            with(&[("public.events", 120_000)]).now(|now| {
                set_rows(now, "public.events", 40_000);
                add_table(now, MAIN, "public.events_p2024_01", 40_000);
                add_table(now, MAIN, "public.events_p2024_02", 40_000);
            }),
            None,
        ),
        (
            "most partitions of a listed table are detached",
            with(&[("public.events", 120_000)])
                .wanted(|spec| spec.verification.tables.push(rule("public.events")))
                .now(|now| {
                    set_rows(now, "public.events", 40_000);
                    add_table(now, MAIN, "archive.events_p2024_01", 80_000);
                }),
            None,
        ),
        (
            "a detached partition is dropped later",
            drop_all(
                with(&[("public.events_p2024_01", 9_000)]),
                &["public.events_p2024_01"],
            ),
            None,
        ),
        (
            "what a swap left is dropped later, most rows of the database",
            drop_all(
                with(&[("public.orders", 90_000), ("public.orders_legacy", 150_000)]),
                &["public.orders_legacy"],
            ),
            None,
        ),
        (
            "detached partitions, most rows of the database, are dropped later",
            drop_all(
                with(&[
                    ("public.events", 40_000),
                    ("public.events_p2024_01", 40_000),
                    ("archive.events_p2024_02", 40_000),
                ]),
                &["public.events_p2024_01", "archive.events_p2024_02"],
            ),
            None,
        ),
        (
            "two reports are computed again every night, by TRUNCATE RESTART IDENTITY",
            with(&[("public.report_days", 900), ("public.report_weeks", 300)])
                .both(|evidence| {
                    add_sequence(evidence, MAIN, "public.report_days_id_seq", 900);
                    add_sequence(evidence, MAIN, "public.report_weeks_id_seq", 300);
                    add_sequence(evidence, MAIN, "public.experts_id_seq", 85);
                })
                .now(|now| {
                    for (position, name, rows) in [
                        (0, "public.report_days", 890),
                        (1, "public.report_weeks", 298),
                    ] {
                        set_rows(now, name, rows);
                        now.sequences[position].last_value = rows;
                    }
                }),
            None,
        ),
        (
            "fixtures are loaded again, with the same rows",
            Sample::new()
                .both(|evidence| add_sequence(evidence, MAIN, "public.experts_id_seq", 85))
                .now(|now| {
                    let names: Vec<String> =
                        now.tables.iter().map(|table| table.name.clone()).collect();
                    for name in &names {
                        recreate(now, name);
                    }
                }),
            None,
        ),
        (
            "two tables of work are emptied by TRUNCATE RESTART IDENTITY, and filled a little",
            with(&[("public.work", 800), ("public.steps", 400)])
                .both(|evidence| {
                    add_sequence(evidence, MAIN, "public.work_id_seq", 80_000);
                    add_sequence(evidence, MAIN, "public.steps_id_seq", 90_000);
                    add_sequence(evidence, MAIN, "public.experts_id_seq", 85);
                })
                .now(|now| {
                    set_rows(now, "public.work", 12);
                    set_rows(now, "public.steps", 30);
                    now.sequences[0].last_value = 12;
                    now.sequences[1].last_value = 30;
                }),
            None,
        ),
        (
            "a queue is emptied by TRUNCATE RESTART IDENTITY",
            emptied(&[("public.queue", 5_000)])
                .both(|evidence| {
                    add_sequence(evidence, MAIN, "public.queue_id_seq", 80_000);
                    add_sequence(evidence, MAIN, "public.experts_id_seq", 85);
                    add_sequence(evidence, MAIN, "public.nodes_id_seq", 26_400);
                })
                .now(|now| now.sequences[0].last_value = 1),
            None,
        ),
    ]
}

/// What tools and migrations drop.
pub(super) fn dropped() -> Vec<Scenario> {
    let names: Vec<String> = (0..30)
        .map(|position| format!("analytics.model_{}__dbt_backup", letters(position)))
        .collect();
    let backups: Vec<&str> = names.iter().map(String::as_str).collect();
    let before: Vec<(&str, i64)> = backups.iter().map(|name| (*name, 50_000)).collect();
    let preview: Vec<String> = (0..40)
        .map(|position| format!("dbt_cloud_pr_7_12.model_{}", letters(position)))
        .collect();
    let preview: Vec<&str> = preview.iter().map(String::as_str).collect();
    let preview_before: Vec<(&str, i64)> = preview.iter().map(|name| (*name, 50_000)).collect();
    vec![
        (
            "dbt drops its backups",
            drop_all(with(&before), &backups),
            None,
        ),
        (
            "the schema of a pull request is dropped",
            drop_all(with(&preview_before), &preview),
            None,
        ),
        (
            "dbt builds all models again, some of them smaller",
            with(&[
                ("analytics.orders", 50_000),
                ("analytics.customers", 9_000),
                ("analytics.days", 3_650),
            ])
            .now(|now| {
                for name in ["analytics.orders", "analytics.customers", "analytics.days"] {
                    recreate(now, name);
                }
                set_rows(now, "analytics.customers", 8_990);
                set_rows(now, "analytics.orders", 50_400);
            }),
            None,
        ),
        (
            "pg_repack and pg-osc drop their copies",
            drop_all(
                with(&[
                    ("repack.table_16412", 90_000),
                    ("public.pgosc_st_users_815", 90_000),
                ]),
                &["repack.table_16412", "public.pgosc_st_users_815"],
            ),
            None,
        ),
        (
            "a loader drops its temporary tables",
            drop_all(
                with(&[
                    ("public._airbyte_tmp_a", 90_000),
                    ("public.tmp_orders", 90_000),
                    ("public.orders_staging", 90_000),
                ]),
                &[
                    "public._airbyte_tmp_a",
                    "public.tmp_orders",
                    "public.orders_staging",
                ],
            ),
            None,
        ),
        (
            "a migration drops a table that nobody needs any more",
            drop_all(Sample::new(), &["public.audit"]),
            None,
        ),
        (
            "the small tables of six months are dropped, more than half of all",
            with(&[
                ("public.totals_2024_01", 15),
                ("public.totals_2024_02", 15),
                ("public.totals_2024_03", 15),
                ("public.totals_2024_04", 15),
                ("public.totals_2024_05", 15),
                ("public.totals_2024_06", 15),
            ])
            .now(|now| now.tables.retain(|table| !table.name.contains("totals")))
            .now(|now| now.table_count -= 6),
            None,
        ),
        (
            "a migration drops three tables of forty",
            drop_all(
                application(40),
                &["app.thing_aax", "app.thing_abx", "app.thing_acx"],
            ),
            None,
        ),
        (
            "the tables of one tenant of many are dropped",
            application(60).now(|now| {
                for position in 0..12 {
                    drop_table(now, &format!("app.thing_{}", letters(position)));
                }
            }),
            None,
        ),
        (
            "TRUNCATE of a table without a rule",
            Sample::new().now(|now| set_rows(now, "public.audit", 0)),
            None,
        ),
        (
            "two reports are computed again",
            emptied(&[("public.report_days", 900), ("public.report_weeks", 300)]),
            None,
        ),
        (
            "a known table of more than there is space for is dropped",
            Sample::new()
                .both(|evidence| {
                    for position in 0..EVIDENCE_TABLE_LIMIT - 5 {
                        let name = format!("public.part_{position}");
                        add_table(evidence, MAIN, &name, 1_000);
                    }
                    evidence.table_count = 900;
                })
                .now(|now| {
                    drop_table(now, "public.audit");
                    now.missing_tables = Some(vec![crate::api::TableName {
                        database: MAIN.to_owned(),
                        name: "public.audit".to_owned(),
                    }]);
                }),
            None,
        ),
        (
            "another database of the server is dropped, and one has rows",
            Sample::new()
                .before(|before| {
                    add_database(before, "scratch");
                    before.other_databases.push(other("scratch", 900));
                })
                .now(|now| {
                    add_database(now, "shop");
                    now.databases
                        .last_mut()
                        .into_iter()
                        .for_each(|shop| shop.oid = 30_000);
                    now.other_databases.push(other("shop", 20_400));
                }),
            None,
        ),
        (
            "a queue that is listed as volatile is dropped and created again",
            emptied(&[("public.queue", 5_000)])
                .wanted(|spec| {
                    spec.verification.tables.push(TableRule {
                        volatile: true,
                        ..rule("public.queue")
                    });
                })
                .now(|now| recreate(now, "public.queue")),
            None,
        ),
    ]
}

/// A database that no check connects to.
pub(super) fn other(name: &str, rows: i64) -> OtherDatabase {
    OtherDatabase {
        name: name.to_owned(),
        oid: 30_000,
        size_bytes: None,
        estimated_rows: Some(rows),
        table_count: Some(12),
    }
}
