//! A column for each table that is counted by COPY, which sends the values of one at least.

use std::collections::BTreeMap;

use tokio_postgres::SimpleQueryRow;

use super::count_statement::{ask, join};
use super::effort::Effort;
use super::tables::CopiedPart;
use super::{PostgresError, Session, name_column};

/// Of how many tables one statement asks.
const AT_ONCE: usize = 1_000;
/// What is asked, in the log.
const WHAT: &str = "a short column of tables";

/// The column of each of these tables whose values take least to write and to send: numbers, then other
/// types of a fixed length, then what is shortest by the statistics. Generated ones are not copied.
/// <https://www.postgresql.org/docs/current/sql-copy.html>
///
/// A table is not there for which there was no time, or whose columns somebody has locked.
pub(super) async fn fetch_copied_parts(
    session: &Session,
    oids: &[i64],
    effort: &mut Effort,
) -> Result<BTreeMap<i64, CopiedPart>, PostgresError> {
    let mut parts = BTreeMap::new();
    for oids in oids.chunks(AT_ONCE) {
        let rows = ask(session, &build_question(oids), effort, WHAT).await?;
        read(session, &rows, &mut parts)?;
        let long: Vec<i64> = oids
            .iter()
            .filter(|oid| parts.get(oid) == Some(&CopiedPart::NoColumn))
            .copied()
            .collect();
        if !long.is_empty() {
            let rows = ask(session, &build_question_about_long(&long), effort, WHAT).await?;
            read(session, &rows, &mut parts)?;
        }
    }
    Ok(parts)
}

fn read(
    session: &Session,
    rows: &[SimpleQueryRow],
    parts: &mut BTreeMap<i64, CopiedPart>,
) -> Result<(), PostgresError> {
    for row in rows {
        let oid = session.number(row, "oid")?;
        if session.truth(row, "has_none")? {
            parts.insert(oid, CopiedPart::NoColumn);
            continue;
        }
        // What can't be written in a statement stays unknown.
        match session.name(row, "column_name")? {
            (name, true) if session.can_name(&name) => {
                parts.insert(oid, CopiedPart::Column(name));
            }
            _ => {
                parts.remove(&oid);
            }
        }
    }
    Ok(())
}

/// The columns that COPY sends.
const SENT: &str = "a.attnum > 0 and not a.attisdropped and a.attgenerated = ''";

/// Only columns of a fixed length: the first of numbers, or of others. Of nearly all tables that is
/// enough, and costs no look at statistics.
fn build_question(oids: &[i64]) -> String {
    format!(
        "select c.oid::bigint::text as oid, f.name is null as has_none, coalesce(f.name, '') as \
         column_name from pg_catalog.pg_class as c left join lateral (select {} as name from \
         pg_catalog.pg_attribute as a join pg_catalog.pg_type as t on t.oid = a.atttypid where \
         a.attrelid = c.oid and {SENT} and t.typlen > 0 order by t.oid not in (16, 20, 21, 23), \
         a.attnum limit 1) as f on true where c.oid in ({})",
        name_column("a.attname"),
        join(oids.iter())
    )
}

/// Of tables without such a column the one that is shortest on average; of one that was never
/// analyzed the first.
fn build_question_about_long(oids: &[i64]) -> String {
    format!(
        "select c.oid::bigint::text as oid, f.name is null as has_none, coalesce(f.name, '') as \
         column_name from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = \
         c.relnamespace left join lateral (select {} as name from pg_catalog.pg_attribute as a where \
         a.attrelid = c.oid and {SENT} order by (select s.avg_width * (1 - s.null_frac) from \
         pg_catalog.pg_stats as s where s.schemaname = n.nspname and s.tablename = c.relname and \
         s.attname = a.attname and not s.inherited) nulls last, a.attnum limit 1) as f on true where \
         c.oid in ({})",
        name_column("a.attname"),
        join(oids.iter())
    )
}
