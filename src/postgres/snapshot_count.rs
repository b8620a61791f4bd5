//! Counting in the transaction of a snapshot: what a dump does not say by itself.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::count_statement::refusal;
use super::session::LOCK_LIMIT;
use super::tables::CopiedPart;
use super::{ListedTable, PostgresError, PostgresErrorKind, Session, TableList, quote_qualified};

/// The tables that belong to extensions: a dump has their rows only as far as the extension says.
pub async fn fetch_extension_tables(session: &Session) -> Result<BTreeSet<i64>, PostgresError> {
    let rows = session
        .fetch_rows(
            "select d.objid::bigint::text as oid from pg_catalog.pg_depend as d where d.deptype = 'e' \
             and d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refclassid = \
             'pg_catalog.pg_extension'::pg_catalog.regclass",
        )
        .await?;
    rows.iter().map(|row| session.number(row, "oid")).collect()
}

/// Counts these tables completely, as the snapshot shows them.
pub async fn count_in_snapshot(
    session: &Session,
    list: &TableList,
    wanted: impl Fn(&ListedTable) -> bool,
) -> Result<BTreeMap<i64, i64>, PostgresError> {
    let mut counted = BTreeMap::new();
    let tables = list
        .tables
        .iter()
        .filter(|table| !table.partitioned && !table.stored_elsewhere && wanted(table));
    for table in tables {
        // All columns are copied, so none has to be known.
        let mut known = table.clone();
        known.copied = CopiedPart::NoColumn;
        if let Some(error) = refusal(session, &known) {
            return Err(error);
        }
        let remaining = session.deadline().saturating_duration_since(Instant::now());
        let answers = session
            .fetch_answers(&build_count(table), remaining, LOCK_LIMIT)
            .await?;
        let rows = match answers.last() {
            Some(answer) if table.is_planned => answer
                .rows
                .first()
                .map(|row| session.number(row, "rows"))
                .transpose()?,
            Some(answer) => i64::try_from(answer.count).ok(),
            None => None,
        };
        let rows = rows.ok_or_else(|| {
            PostgresError::new(
                PostgresErrorKind::QueryFailed,
                format!(
                    "the count of table {} got no answer",
                    table.qualified_name()
                ),
            )
        })?;
        counted.insert(table.oid, rows);
    }
    session.take_copied();
    Ok(counted)
}

/// Whoever owns a table can have code run when a statement about it is planned; COPY plans nothing.
fn build_count(table: &ListedTable) -> String {
    let name = quote_qualified(&table.schema, &table.name);
    if table.is_planned {
        format!("select pg_catalog.count(*)::text as rows from only {name}")
    } else {
        format!("copy {name} to stdout (encoding 'SQL_ASCII')")
    }
}
