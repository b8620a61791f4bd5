//! A column for each table that is counted by COPY, which sends the values of one at least.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::effort::Effort;
use super::{PostgresError, Session, name_column};

/// Of how many tables one statement asks.
const AT_ONCE: usize = 1_000;

/// The column of each of these tables whose values take least to write and to send: numbers, other
/// types of a fixed length, those with a limit, any other. Generated ones are not copied.
/// <https://www.postgresql.org/docs/current/sql-copy.html>
///
/// A table is not there that has no such column, and one for which there was no time.
pub(super) async fn fetch_short_columns(
    session: &Session,
    oids: &[i64],
    effort: &mut Effort,
) -> Result<BTreeMap<i64, String>, PostgresError> {
    let mut columns = BTreeMap::new();
    for oids in oids.chunks(AT_ONCE) {
        if effort.is_used_up() {
            break;
        }
        let begin = Instant::now();
        let sets = session
            .fetch_within(&build_question(oids), effort.time(), effort.wait())
            .await?;
        tokio::time::sleep(effort.spend(begin.elapsed())).await;
        for row in sets.iter().flatten() {
            // What is no UTF-8 can't be written in a statement.
            if let (name, true) = session.name(row, "column_name")? {
                columns.insert(session.number(row, "oid")?, name);
            }
        }
    }
    Ok(columns)
}

fn build_question(oids: &[i64]) -> String {
    let oids: Vec<String> = oids.iter().map(ToString::to_string).collect();
    format!(
        "select distinct on (a.attrelid) a.attrelid::bigint::text as oid, {} as column_name from \
         pg_catalog.pg_attribute as a join pg_catalog.pg_type as t on t.oid = a.atttypid where \
         a.attrelid in ({}) and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order \
         by a.attrelid, case when t.typname in ('bool', 'int2', 'int4', 'int8') and t.oid < \
         16384 then 0 when t.typlen > 0 then 1 when a.atttypmod >= 0 then 2 else 3 end, a.attnum",
        name_column("a.attname"),
        oids.join(", ")
    )
}
