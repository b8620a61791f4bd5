//! Losses that a share of one table hides, and older states over newer ones: scenarios that must be
//! suspected.

use super::incidents::{Scenario, rule};
use super::ordinary_life::{application, letters, with};
use super::sample::{
    Sample, add_database, add_sequence, add_table, drop_table, recreate, rename, set_rows,
};
use crate::api::{BestCount, TableRule};

const MAIN: &str = "knowledge_os";

/// No rule: every table is one of many.
pub(super) fn plain(sample: Sample) -> Sample {
    sample.wanted(|spec| spec.verification.tables.clear())
}

/// A small database of settings, without rules.
fn settings() -> Sample {
    plain(Sample::new()).both(|evidence| {
        evidence.tables.clear();
        evidence.table_count = 0;
        for (name, rows) in [
            ("public.schema_migrations", 40),
            ("public.settings", 12),
            ("public.users", 25),
            ("public.roles", 4),
        ] {
            add_table(evidence, MAIN, name, rows);
        }
    })
}

fn with_sequences(sample: Sample) -> Sample {
    sample.both(|evidence| {
        for (name, value) in [
            ("public.experts_id_seq", 85),
            ("public.knowledge_nodes_id_seq", 26_337),
            ("public.audit_id_seq", 5_000),
        ] {
            add_sequence(evidence, MAIN, name, value);
        }
    })
}

fn recreate_all(now: &mut crate::api::Evidence) {
    let names: Vec<String> = now.tables.iter().map(|table| table.name.clone()).collect();
    for name in &names {
        recreate(now, name);
    }
}

/// Yesterday's rows: a tenth fewer.
fn yesterday(now: &mut crate::api::Evidence) {
    set_rows(now, "public.knowledge_nodes", 24_000);
    set_rows(now, "public.audit", 4_500);
}

fn sequences_back(now: &mut crate::api::Evidence) {
    now.sequences[1].last_value = 24_000;
    now.sequences[2].last_value = 4_500;
}

/// An older state over the newer one.
pub(super) fn older() -> Vec<Scenario> {
    let new = Sample::new;
    vec![
        (
            "yesterday's dump is restored with pg_restore --clean",
            with_sequences(new()).now(|now| {
                recreate_all(now);
                sequences_back(now);
                yesterday(now);
            }),
            Some("older_data"),
        ),
        (
            "the same, and the application has gone on since",
            with_sequences(new()).now(|now| {
                recreate_all(now);
                sequences_back(now);
                now.sequences[0].last_value = 90;
                set_rows(now, "public.experts", 90);
                set_rows(now, "public.knowledge_nodes", 24_000);
            }),
            Some("older_data"),
        ),
        (
            "yesterday's rows are restored into the tables",
            with_sequences(new()).now(|now| {
                sequences_back(now);
                yesterday(now);
            }),
            Some("older_data"),
        ),
        (
            "yesterday's dump of a database without sequences",
            new().now(|now| {
                recreate_all(now);
                yesterday(now);
                set_rows(now, "public.experts", 84);
            }),
            Some("older_data"),
        ),
        (
            "the dump of an hour ago: no row fewer than allowed, one sequence back",
            with_sequences(new()).now(|now| {
                recreate_all(now);
                now.sequences[2].last_value = 4_999;
                set_rows(now, "public.audit", 4_999);
            }),
            Some("older_data"),
        ),
        (
            "yesterday's dump, and the only sequence is of the migrations",
            new()
                .both(|evidence| add_sequence(evidence, MAIN, "public.migrations_id_seq", 60))
                .now(|now| {
                    recreate_all(now);
                    yesterday(now);
                    set_rows(now, "public.experts", 84);
                }),
            Some("older_data"),
        ),
        (
            "yesterday's rows are restored into the tables, and most sequences stand still",
            with_sequences(new())
                .both(|evidence| {
                    for name in ["places", "kinds", "roles", "migrations", "settings"] {
                        add_sequence(evidence, MAIN, &format!("public.{name}_id_seq"), 60);
                    }
                })
                .now(|now| {
                    sequences_back(now);
                    yesterday(now);
                }),
            Some("older_data"),
        ),
        (
            "yesterday's rows are restored into the tables, and there is only one sequence",
            new()
                .both(|evidence| add_sequence(evidence, MAIN, "public.nodes_id_seq", 26_337))
                .now(|now| {
                    now.sequences[0].last_value = 24_000;
                    yesterday(now);
                }),
            Some("older_data"),
        ),
        (
            "all tables are emptied and filled with yesterday's rows, few of which have changed",
            with_sequences(new())
                .both(|evidence| add_table(evidence, MAIN, "public.places", 900_000))
                .now(|now| {
                    now.tables
                        .iter_mut()
                        .for_each(|table| table.relfilenode = Some(table.oid + 7));
                    now.sequences[1].last_value = 26_300;
                    now.sequences[2].last_value = 4_900;
                    set_rows(now, "public.audit", 4_900);
                }),
            Some("older_data"),
        ),
        (
            "a table dwindles, by less than is allowed each time",
            {
                let mut sample = new().now(|now| set_rows(now, "public.knowledge_nodes", 22_000));
                sample.best = vec![BestCount {
                    database: MAIN.to_owned(),
                    name: "public.knowledge_nodes".to_owned(),
                    rows: 30_000,
                    time: super::sample::time("2026-01-29T09:00:00Z"),
                }];
                sample
            },
            Some("rows_dwindled"),
        ),
    ]
}

/// Losses of many tables, of small ones, and of one that is most of the database.
pub(super) fn hidden() -> Vec<Scenario> {
    vec![
        (
            "5,000,000 rows become 1,500, and minRows is 1,000",
            with(&[("public.orders", 5_000_000)])
                .wanted(|spec| {
                    spec.verification.tables.push(TableRule {
                        min_rows: Some(1_000),
                        ..rule("public.orders")
                    });
                })
                .now(|now| set_rows(now, "public.orders", 1_500)),
            Some("rows_dropped"),
        ),
        (
            "all tables of a small database are dropped",
            settings().now(|now| {
                now.tables.clear();
                now.table_count = 0;
            }),
            Some("tables_missing"),
        ),
        (
            "all tables of a small database are emptied",
            settings().now(|now| now.tables.iter_mut().for_each(|table| table.rows = 0)),
            Some("tables_emptied"),
        ),
        (
            "of 100,000 tables 600 are left",
            Sample::new()
                .both(super::incidents::cut)
                .before(|before| before.table_count = 100_000)
                .now(|now| now.table_count = 600),
            Some("table_count_dropped"),
        ),
        (
            "TRUNCATE CASCADE empties six tables of forty",
            application(40)
                .both(|evidence| {
                    for position in 0..6 {
                        let name = format!("app.thing_{}", letters(position));
                        set_rows(evidence, &name, 9_000);
                    }
                })
                .now(|now| {
                    for position in 0..6 {
                        set_rows(now, &format!("app.thing_{}", letters(position)), 0);
                    }
                }),
            Some("tables_emptied"),
        ),
        (
            "DROP SCHEMA CASCADE of most tables",
            application(20).now(|now| {
                for position in 0..20 {
                    drop_table(now, &format!("app.thing_{}", letters(position)));
                }
            }),
            Some("tables_missing"),
        ),
        (
            "DELETE without WHERE of the largest table",
            plain(Sample::new()).now(|now| set_rows(now, "public.knowledge_nodes", 0)),
            Some("tables_emptied"),
        ),
        (
            "the largest table is emptied and seeded",
            plain(with(&[("public.orders", 1_000_000)]))
                .now(|now| set_rows(now, "public.orders", 5_000)),
            Some("rows_dropped"),
        ),
        (
            "the only table is dropped",
            plain(Sample::new())
                .both(|evidence| {
                    evidence.tables.retain(|table| table.name == "public.audit");
                    evidence.table_count = 1;
                })
                .now(|now| drop_table(now, "public.audit")),
            Some("tables_missing"),
        ),
        (
            "a log that is most of the database is dropped",
            with(&[("public.audit_log", 300_000)]).now(|now| drop_table(now, "public.audit_log")),
            Some("tables_missing"),
        ),
        (
            "a queue that is listed is emptied",
            with(&[("public.queue", 5_000)])
                .wanted(|spec| spec.verification.tables.push(rule("public.queue")))
                .now(|now| set_rows(now, "public.queue", 0)),
            Some("tables_emptied"),
        ),
        (
            "a further database is emptied, and the main one is as before",
            Sample::new()
                .wanted(|spec| spec.connection.additional_databases.push("bi".to_owned()))
                .both(|evidence| {
                    add_database(evidence, "bi");
                    add_table(evidence, "bi", "public.sales", 700);
                    add_table(evidence, "bi", "public.regions", 30);
                })
                .now(|now| set_rows(now, "public.sales", 0)),
            Some("tables_emptied"),
        ),
        (
            "an empty table takes the place of a listed one",
            Sample::new().now(|now| {
                rename(now, "public.experts", "public.experts_old");
                add_table(now, MAIN, "public.experts", 0);
            }),
            Some("tables_emptied"),
        ),
        (
            "a schema is renamed as a whole",
            plain(Sample::new()).now(|now| {
                for table in &mut now.tables {
                    table.name = table.name.replace("public.", "put_away.");
                }
            }),
            Some("tables_missing"),
        ),
        (
            "everything is dropped for a ransom note",
            plain(Sample::new()).now(|now| {
                now.tables.clear();
                now.table_count = 0;
                add_table(now, MAIN, "public.readme_to_recover", 1);
            }),
            Some("tables_missing"),
        ),
        (
            "half of the tables were not in the dump",
            application(30).now(|now| {
                for position in 0..20 {
                    drop_table(now, &format!("app.thing_{}", letters(position)));
                }
            }),
            Some("tables_missing"),
        ),
        (
            "all tables without a rule dwindle",
            {
                let mut sample = plain(Sample::new())
                    .both(|evidence| set_rows(evidence, "public.knowledge_nodes", 16_000))
                    .now(|now| set_rows(now, "public.knowledge_nodes", 10_000));
                sample.best = vec![BestCount {
                    database: MAIN.to_owned(),
                    name: "public.knowledge_nodes".to_owned(),
                    rows: 26_337,
                    time: super::sample::time("2026-01-29T09:00:00Z"),
                }];
                sample
            },
            Some("rows_dwindled"),
        ),
    ]
}
