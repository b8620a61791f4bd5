//! Counting rows within a budget of time: tables with rules first, then the small ones; what does not fit is estimated and says so.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::api::{CountKind, TableEvidence, TableRule};

use super::{ListedTable, PostgresError, PostgresErrorKind, Session, TableList, fetch_tables, quote_identifier, quote_qualified};

/// Up to this estimate a table is counted to its end even where a threshold would do: it takes a blink and says more.
const THRESHOLD_FROM: i64 = 1_000_000;

/// The tables of one database with their rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountedTables {
    /// Every ordinary table, and the partitioned ones that have a rule.
    pub tables: Vec<TableEvidence>,
    /// How many ordinary tables there are.
    pub table_count: i64,
    /// Rows in the ordinary tables that were counted to their end.
    pub total_rows: i64,
    /// Why tables with a rule could not be counted.
    pub failures: Vec<PostgresError>,
}

type Counts = BTreeMap<i64, (i64, CountKind)>;

/// Lists and counts the tables of the session's database in one transaction. `rules` are those of this database.
pub async fn count_tables(session: &Session, rules: &[&TableRule], count_all: bool) -> Result<CountedTables, PostgresError> {
    session.fetch_rows("begin transaction isolation level repeatable read, read only").await?;
    let list = fetch_tables(session).await?;
    let mut failures = Vec::new();
    let mut counts = Counts::new();
    let last_start = last_start(session.deadline());
    for (table, enough) in counting_order(&list, rules, count_all) {
        let has_rule = rules.iter().any(|rule| rule.name == table.qualified_name()) || is_below_rule(&list, rules, table.oid);
        if let Some(problem) = refusal(session, table) {
            if has_rule {
                failures.push(problem);
            } else {
                tracing::warn!(table = table.qualified_name(), "not counted: {problem}");
            }
            continue;
        }
        if Instant::now() >= last_start {
            tracing::warn!(table = table.qualified_name(), "only estimated: the time is nearly used up");
            continue;
        }
        match count_table(session, table, enough).await {
            Ok(count) => {
                counts.insert(table.oid, count);
            }
            Err(error) if error.kind == PostgresErrorKind::ConnectionFailed => return Err(error),
            Err(error) => {
                tracing::warn!(table = table.qualified_name(), "not counted: {error}");
                session.fetch_rows("rollback to savepoint holdfast").await?;
                // A count that ran out of time stays an estimate, which the operator tells apart; anything else is a failure.
                if has_rule && error.kind != PostgresErrorKind::Timeout {
                    let message = format!("table {} (`spec.verification.tables`): {}", table.qualified_name(), error.message);
                    failures.push(PostgresError::new(error.kind, message));
                }
            }
        }
    }
    session.fetch_rows("rollback").await?;
    Ok(build_evidence(session.database(), &list, rules, &counts, failures))
}

/// The moment from which no further count is begun: a tenth of what is left, so that a report can still be made.
fn last_start(deadline: Instant) -> Instant {
    let left = deadline.saturating_duration_since(Instant::now());
    deadline.checked_sub((left / 10).min(Duration::from_secs(5))).unwrap_or(deadline)
}

/// Ordinary tables in the order to count them, each with the number of rows that is enough to know, if there is one.
fn counting_order<'list>(list: &'list TableList, rules: &[&TableRule], count_all: bool) -> Vec<(&'list ListedTable, Option<i64>)> {
    let mut order: Vec<(&ListedTable, Option<i64>)> = Vec::new();
    for rule in rules {
        let Some(table) = list.tables.iter().find(|table| table.qualified_name() == rule.name) else { continue };
        if table.partitioned {
            order.extend(list.leaves(table.oid).into_iter().map(|leaf| (leaf, None)));
        } else {
            let threshold_is_all = !count_all && rule.max_drop_percent.is_none() && table.estimated_rows > THRESHOLD_FROM;
            order.push((table, rule.min_rows.filter(|_| threshold_is_all)));
        }
    }
    if count_all {
        let mut others: Vec<_> = list.tables.iter().filter(|table| !table.partitioned).collect();
        others.sort_by_key(|table| table.pages);
        order.extend(others.into_iter().map(|table| (table, None)));
    }
    let mut seen = std::collections::BTreeSet::new();
    order.retain(|(table, _)| seen.insert(table.oid));
    order
}

fn is_below_rule(list: &TableList, rules: &[&TableRule], oid: i64) -> bool {
    let parents = list.tables.iter().filter(|table| table.partitioned && rules.iter().any(|rule| rule.name == table.qualified_name()));
    parents.into_iter().any(|parent| list.leaves(parent.oid).iter().any(|leaf| leaf.oid == oid))
}

/// Why a count of this table would fail, or lie.
fn refusal(session: &Session, table: &ListedTable) -> Option<PostgresError> {
    let role = quote_identifier(&session.login().username);
    let name = table.qualified_name();
    let quoted = quote_qualified(&table.schema, &table.name);
    let database = session.database();
    if !table.readable {
        return Some(PostgresError::new(
            PostgresErrorKind::PermissionDenied,
            format!(
                "role {role} may not read table {name} in database {database}, so its rows can't be counted. Grant it: `GRANT pg_read_all_data TO {role}`, \
                 or before Postgres 14 `GRANT USAGE ON SCHEMA {} TO {role}; GRANT SELECT ON {quoted} TO {role}`",
                quote_identifier(&table.schema)
            ),
        ));
    }
    table.row_security.then(|| {
        PostgresError::new(
            PostgresErrorKind::RowSecurity,
            format!(
                "row security hides rows of table {name} in database {database} from role {role}, so a count would lie. Let the role see all rows: \
                 `ALTER ROLE {role} BYPASSRLS`"
            ),
        )
    })
}

async fn count_table(session: &Session, table: &ListedTable, enough: Option<i64>) -> Result<(i64, CountKind), PostgresError> {
    let left = session.deadline().saturating_duration_since(Instant::now());
    // Half a second is left for the answer that says it was too slow, and for the report.
    let milliseconds = left.saturating_sub(Duration::from_millis(500)).as_millis().max(1);
    // ONLY: rows of inheriting tables are counted where they are, once.
    let from = format!("from only {}", quote_qualified(&table.schema, &table.name));
    let select = match enough {
        Some(enough) => format!("select pg_catalog.count(*)::text as rows from (select 1 {from} limit {enough}) as enough"),
        None => format!("select pg_catalog.count(*)::text as rows {from}"),
    };
    let row = session
        .fetch_row(&format!("savepoint holdfast; set local statement_timeout = {milliseconds}; {select}; release savepoint holdfast"))
        .await?;
    let rows = session.number(&row, "rows")?;
    let kind = if enough.is_some_and(|enough| rows >= enough) { CountKind::AtLeast } else { CountKind::Exact };
    Ok((rows, kind))
}

fn build_evidence(database: &str, list: &TableList, rules: &[&TableRule], counts: &Counts, failures: Vec<PostgresError>) -> CountedTables {
    let count_of = |table: &ListedTable| counts.get(&table.oid).copied().unwrap_or((table.estimated_rows, CountKind::Estimated));
    let mut counted = CountedTables { failures, ..CountedTables::default() };
    for table in &list.tables {
        let (rows, count) = if table.partitioned {
            if !rules.iter().any(|rule| rule.name == table.qualified_name()) {
                continue;
            }
            list.leaves(table.oid).into_iter().map(count_of).fold((0, CountKind::Exact), |(sum, kind), (rows, leaf)| {
                (sum + rows, if leaf == CountKind::Exact { kind } else { CountKind::Estimated })
            })
        } else {
            counted.table_count += 1;
            count_of(table)
        };
        if !table.partitioned && count == CountKind::Exact {
            counted.total_rows += rows;
        }
        counted.tables.push(TableEvidence {
            database: database.to_owned(),
            name: table.qualified_name(),
            oid: table.oid,
            file_node: table.file_node,
            rows,
            count,
            at_least: None,
        });
    }
    counted
}
