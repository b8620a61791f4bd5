//! Losses that look like ordinary life, because the data was put away, has a name that says so, or
//! went piece by piece: scenarios that must be suspected.

use super::incidents::{Scenario, rule};
use super::more_losses::plain;
use super::ordinary_life::with;
use super::sample::{
    Sample, add_sequence, add_table, drop_table, recreate, rename, set_rows, time, unlog,
};
use crate::api::{BestCount, Evidence, TableRule};

const MAIN: &str = "knowledge_os";

/// A database of these tables only, without rules.
fn only(tables: &[(&str, i64)]) -> Sample {
    plain(Sample::new()).both(|evidence| {
        evidence.tables.clear();
        evidence.table_count = 0;
        for (name, rows) in tables {
            add_table(evidence, MAIN, name, *rows);
        }
    })
}

fn shop() -> Sample {
    only(&[
        ("public.users", 50_000),
        ("public.orders", 90_000),
        ("public.settings", 12),
    ])
    .both(|evidence| {
        add_sequence(evidence, MAIN, "public.users_id_seq", 50_000);
        add_sequence(evidence, MAIN, "public.orders_id_seq", 90_000);
    })
}

/// A shop whose users are listed, with these numbers.
fn listed(users: &TableRule) -> Sample {
    shop().wanted(|spec| spec.verification.tables.push(users.clone()))
}

/// `ALTER SCHEMA public RENAME TO public_old`.
fn rename_schema(now: &mut Evidence) {
    for table in &mut now.tables {
        table.name = table.name.replace("public.", "public_old.");
    }
    for sequence in &mut now.sequences {
        sequence.name = sequence.name.replace("public.", "public_old.");
    }
}

/// A table that the application creates where another one had the name.
fn create(now: &mut Evidence, name: &str, rows: i64) {
    add_table(now, MAIN, name, rows);
    recreate(now, name);
}

/// Tables that were gone before the last good check.
fn gone(names: &[&str]) -> Vec<BestCount> {
    names
        .iter()
        .map(|name| BestCount {
            database: MAIN.to_owned(),
            name: (*name).to_owned(),
            rows: 100_000,
            time: time("2026-01-30T09:00:00Z"),
        })
        .collect()
}

/// Tables that exist under another name, while the application works on new ones.
pub(super) fn put_away() -> Vec<Scenario> {
    vec![
        (
            "a schema is renamed, and the application creates and seeds it again",
            shop().now(|now| {
                rename_schema(now);
                create(now, "public.users", 1);
                create(now, "public.orders", 0);
                create(now, "public.settings", 12);
                add_sequence(now, MAIN, "public.users_id_seq", 1);
            }),
            Some("tables_emptied"),
        ),
        (
            "a schema is renamed, and the migration fails after its first table",
            listed(&TableRule {
                min_rows: Some(10_000),
                ..rule("public.users")
            })
            .now(|now| {
                rename_schema(now);
                create(now, "public.schema_migrations", 1);
            }),
            Some("tables_missing"),
        ),
        (
            "every table is renamed, and the application creates and seeds them again",
            shop().now(|now| {
                for name in ["public.users", "public.orders", "public.settings"] {
                    rename(now, name, &format!("{name}_before"));
                }
                create(now, "public.users", 400);
                create(now, "public.orders", 700);
                now.sequences[0].last_value = 400;
                now.sequences[1].last_value = 700;
                create(now, "public.settings", 12);
            }),
            Some("rows_dropped"),
        ),
        (
            "a schema is renamed, and a listed table of the new one has a seed",
            listed(&rule("public.users")).now(|now| {
                rename_schema(now);
                create(now, "public.users", 3);
                create(now, "public.orders", 90_000);
                create(now, "public.settings", 12);
            }),
            Some("rows_dropped"),
        ),
        (
            "a listed table is put away, and a seeded one has its name",
            listed(&rule("public.users")).now(|now| {
                rename(now, "public.users", "public.users_old");
                create(now, "public.users", 3);
            }),
            Some("rows_dropped"),
        ),
        (
            "what a swap left is dropped, and the new table has only a seed",
            only(&[("public.users", 3), ("public.users_legacy", 50_000)])
                .now(|now| drop_table(now, "public.users_legacy")),
            Some("tables_missing"),
        ),
        (
            "a table and its old copy are dropped",
            only(&[
                ("public.users", 50_000),
                ("public.users_legacy", 50_000),
                ("public.pages", 9_000),
            ])
            .now(|now| {
                drop_table(now, "public.users");
                drop_table(now, "public.users_legacy");
            }),
            Some("tables_missing"),
        ),
    ]
}

/// Tables whose names, numbers or kinds say that they come and go.
pub(super) fn looks_ordinary() -> Vec<Scenario> {
    vec![
        (
            "DROP SCHEMA dbt_prod CASCADE, and nothing else is there",
            only(&[
                ("dbt_prod.orders", 90_000),
                ("dbt_prod.customers", 9_000),
                ("dbt_prod.days", 3_650),
            ])
            .now(|now| {
                now.tables.clear();
                now.table_count = 0;
            }),
            Some("tables_missing"),
        ),
        (
            "the tables of a schema named staging are emptied",
            only(&[("staging.orders", 90_000), ("staging.customers", 9_000)]).now(|now| {
                set_rows(now, "staging.orders", 0);
                set_rows(now, "staging.customers", 0);
            }),
            Some("tables_emptied"),
        ),
        (
            "everything is dropped, and all names are those of copies",
            only(&[
                ("public.users_old", 90_000),
                ("public.orders__dbt_backup", 9_000),
            ])
            .now(|now| {
                now.tables.clear();
                add_table(now, MAIN, "public.readme_to_recover", 1);
                now.table_count = 1;
            }),
            Some("tables_missing"),
        ),
        (
            "all small tables are dropped, and the large one is kept",
            plain(with(&[
                ("public.orders", 90_000),
                ("public.roles", 4),
                ("public.settings", 25),
            ]))
            .both(|evidence| {
                drop_table(evidence, "public.knowledge_nodes");
                drop_table(evidence, "public.audit");
            })
            .now(|now| {
                for name in ["public.experts", "public.roles", "public.settings"] {
                    drop_table(now, name);
                }
            }),
            Some("tables_missing"),
        ),
        (
            "a table became unlogged, and a crash emptied it",
            plain(with(&[("public.orders", 90_000)])).now(|now| {
                unlog(now, "public.orders");
                set_rows(now, "public.orders", 0);
            }),
            Some("tables_emptied"),
        ),
        (
            "tables are dropped one after the other, one per check",
            {
                let mut sample = only(&[("public.herons", 100_000), ("public.larks", 100_000)])
                    .now(|now| drop_table(now, "public.larks"));
                sample.best = gone(&["public.finches", "public.jays"]);
                sample
            },
            Some("rows_dwindled"),
        ),
    ]
}
