//! Counting rows: tables with rules as far as they need to be, the others within a budget of time, the small ones first. Each statement is a transaction
//! of its own, so that a check holds no snapshot and few locks for long.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::api::TableRule;

use super::effort::{Effort, Pace};
use super::selection::{Counted, Told, build_evidence, select};
use super::{
    CountOrder, CountedTables, ListedTable, PostgresError, PostgresErrorKind, Session, TableList, quote_identifier, quote_qualified,
};

/// How many tables one statement counts at most; each takes a lock for itself and its indexes while it runs.
const BATCH: usize = 50;
/// A table with more pages than this is counted by a statement of its own.
const BATCH_PAGES: i64 = 128;
/// So many pages of tables without a rule are counted whatever the budget, the smallest tables first: what a reset leaves is small, and must be seen also on a
/// busy server. 4 MiB, about 6 ms.
const ALWAYS_PAGES: i64 = 512;
/// How many rows are counted of tables that do not fit into the budget, to know that they are there: more and more, while there is time.
const PROBES: [i64; 4] = [10_000, 100_000, 1_000_000, 10_000_000];
/// How long a table without a rule may be waited for that somebody has locked.
const SHORT_LOCK: Duration = Duration::from_millis(100);
/// What is left of the deadline for the answer that says that a count was too slow, and for the report.
const RESERVE: Duration = Duration::from_millis(500);

/// What has been counted so far.
#[derive(Debug, Default)]
struct Tally {
    counts: BTreeMap<i64, Counted>,
    /// Tables that were dropped since they were listed.
    gone: BTreeSet<i64>,
    failures: Vec<PostgresError>,
    pace: Pace,
}

/// Counts the tables of the session's database.
pub async fn count_tables(session: &Session, list: &TableList, order: &CountOrder<'_>) -> Result<CountedTables, PostgresError> {
    let told = select(list, order);
    let mut tally = Tally::default();
    let mut needed = Effort::until(session.deadline().checked_sub(RESERVE).unwrap_or_else(Instant::now));
    for table in &told {
        if let Some(rule) = table.rule.filter(|_| table.is_needed()) {
            count_ruled(session, table, rule, &mut needed, &mut tally).await?;
        }
    }
    let budget_left = if order.count_all { count_others(session, &told, needed, order.budget, &mut tally).await? } else { order.budget };
    let evidence = build_evidence(session.database(), list, order, &told, &tally.counts, &tally.gone);
    Ok(CountedTables { failures: tally.failures, budget_left, ..evidence })
}

/// Counts a table with a rule, part by part, to its end or to what is enough.
async fn count_ruled(
    session: &Session,
    told: &Told<'_>,
    rule: &TableRule,
    effort: &mut Effort,
    tally: &mut Tally,
) -> Result<(), PostgresError> {
    let enough = told.enough();
    let mut rows = 0;
    for member in &told.members {
        if let Some(counted) = tally.counts.get(&member.oid).filter(|counted| counted.is_all) {
            rows += counted.rows;
            continue;
        }
        if let Some(problem) = refusal(session, member) {
            tally.failures.push(problem);
            continue;
        }
        let left = enough.map(|enough| enough.saturating_sub(rows));
        if left.is_some_and(|left| left <= 0) || effort.is_used_up() {
            return Ok(());
        }
        match count(session, &[member], left, effort, &mut tally.pace, None).await {
            Ok(counted) => {
                rows += counted.values().map(|counted| counted.rows).sum::<i64>();
                tally.counts.extend(counted);
            }
            Err(error) if error.kind == PostgresErrorKind::ConnectionFailed => return Err(error),
            Err(error) if error.kind == PostgresErrorKind::TableGone => {
                tally.gone.insert(member.oid);
            }
            Err(error) => {
                tracing::warn!(table = member.qualified_name(), "not counted: {error}");
                // A count that ran out of time stays an estimate, which the operator tells apart; anything else is a failure.
                if error.kind != PostgresErrorKind::Timeout {
                    let message = format!("table {} (`spec.verification.tables`): {}", rule.name, error.message);
                    tally.failures.push(PostgresError::new(error.kind, message));
                }
            }
        }
    }
    Ok(())
}

/// Counts the tables without a rule: the small ones to their end, the larger ones within the budget, and of those that are left enough to know that they
/// have rows. Returns what is left of the budget.
async fn count_others(
    session: &Session,
    told: &[Told<'_>],
    mut needed: Effort,
    budget: Duration,
    tally: &mut Tally,
) -> Result<Duration, PostgresError> {
    let mut seen: BTreeSet<i64> = tally.counts.keys().chain(&tally.gone).copied().collect();
    let candidates = told.iter().filter(|told| !told.is_needed()).flat_map(|told| &told.members).copied();
    let candidates: Vec<&ListedTable> = candidates.filter(|table| seen.insert(table.oid) && is_countable(session, table)).collect();
    let mut tables = measure(session, &candidates, needed.time()).await?;
    tables.sort_by_key(|table| (table.pages, table.oid));
    let mut pages = 0_i64;
    let mut is_small = |table: &ListedTable| {
        pages = pages.saturating_add(table.pages);
        pages <= ALWAYS_PAGES
    };
    let always = tables.iter().take_while(|table| is_small(table)).count();
    let (small, large) = tables.split_at(always);
    let before = tally.pace.worked();
    count_in_batches(session, small, &mut needed, tally).await?;
    // A small table that somebody has locked was waited for, which is no work.
    let spent = tally.pace.worked().saturating_sub(before);
    // A part is kept for looking into the tables that are too large to be counted.
    let kept = budget / 4;
    let mut counting = needed.of(budget.saturating_sub(kept).saturating_sub(spent));
    count_in_batches(session, large, &mut counting, tally).await?;
    let mut probing = needed.of(counting.left().saturating_add(kept));
    for enough in PROBES {
        for table in large.iter().rev() {
            let is_known = tally.gone.contains(&table.oid) || tally.counts.get(&table.oid).is_some_and(|counted| counted.is_all);
            if !is_known && !count_batch(session, &[table], Some(enough), &mut probing, tally).await? {
                tracing::info!("the tables that are left are only estimated: spec.verification.countingBudget is used up");
                return Ok(probing.left());
            }
        }
    }
    Ok(probing.left())
}

/// Counts tables to their end, small ones together, while there is time.
async fn count_in_batches(session: &Session, tables: &[ListedTable], effort: &mut Effort, tally: &mut Tally) -> Result<(), PostgresError> {
    let mut pending = tables;
    while !pending.is_empty() {
        let mut pages = 0_i64;
        let fits_in = |table: &&ListedTable| {
            pages = pages.saturating_add(table.pages);
            table.pages <= BATCH_PAGES && tally.pace.least_time(None, pages) <= effort.time()
        };
        let together = pending.iter().take(BATCH).take_while(fits_in).count();
        let (batch, rest) = pending.split_at(together.max(1));
        let batch: Vec<&ListedTable> = batch.iter().collect();
        if !count_batch(session, &batch, None, effort, tally).await? {
            break;
        }
        pending = rest;
    }
    Ok(())
}

fn is_countable(session: &Session, table: &ListedTable) -> bool {
    match refusal(session, table) {
        Some(problem) => {
            tracing::warn!(table = table.qualified_name(), "not counted: {problem}");
            false
        }
        None => true,
    }
}

/// The tables with the size that they have now: what the catalog says is from the last analyze, and of a table that was just filled it says nothing.
async fn measure(session: &Session, tables: &[&ListedTable], time: Duration) -> Result<Vec<ListedTable>, PostgresError> {
    let mut measured: Vec<ListedTable> = tables.iter().map(|table| (*table).clone()).collect();
    if measured.is_empty() {
        return Ok(measured);
    }
    let oids = tables.iter().map(|table| table.oid.to_string()).collect::<Vec<_>>().join(", ");
    // A table that somebody has locked for himself would be waited for, and none of the others measured.
    let select = format!(
        "select c.oid::bigint::text as oid, \
         (coalesce(pg_catalog.pg_relation_size(c.oid), 0) / pg_catalog.current_setting('block_size')::bigint)::text as pages \
         from pg_catalog.pg_class as c where c.oid in ({oids}) and c.oid not in (select l.relation from pg_catalog.pg_locks as l \
         join pg_catalog.pg_database as d on d.oid = l.database \
         where d.datname = pg_catalog.current_database() and l.relation is not null and l.mode = 'AccessExclusiveLock')"
    );
    match session.fetch_rows(&format!("{}; {select}", limits(time, Some(SHORT_LOCK)))).await {
        Ok(rows) => {
            let mut pages = BTreeMap::new();
            for row in &rows {
                pages.insert(session.number(row, "oid")?, session.number(row, "pages")?);
            }
            for table in &mut measured {
                table.pages = pages.get(&table.oid).copied().unwrap_or(table.pages);
            }
        }
        Err(error) if error.kind == PostgresErrorKind::ConnectionFailed => return Err(error),
        // Somebody holds a lock that even this waits for: the catalog's figures must do.
        Err(error) => tracing::info!("the tables' sizes could not be read: {error}"),
    }
    Ok(measured)
}

/// Counts tables together; one by one when that fails. Says whether there is time for more; what can't end in time is not begun.
async fn count_batch(
    session: &Session,
    batch: &[&ListedTable],
    enough: Option<i64>,
    effort: &mut Effort,
    tally: &mut Tally,
) -> Result<bool, PostgresError> {
    if effort.is_used_up() || tally.pace.least_time(enough, pages_of(batch)) > effort.time() {
        return Ok(false);
    }
    match count(session, batch, enough, effort, &mut tally.pace, Some(SHORT_LOCK)).await {
        Ok(counted) => tally.counts.extend(counted),
        Err(error) if error.kind == PostgresErrorKind::ConnectionFailed => return Err(error),
        Err(error) if batch.len() == 1 => {
            if error.kind == PostgresErrorKind::TableGone {
                tally.gone.extend(batch.iter().map(|table| table.oid));
            } else {
                tracing::info!(table = batch.first().map(|table| table.qualified_name()), "not counted to its end: {error}");
            }
        }
        Err(error) => {
            tracing::info!("tables are counted one by one: {error}");
            for table in batch {
                if !Box::pin(count_batch(session, &[table], enough, effort, tally)).await? {
                    return Ok(false);
                }
            }
        }
    }
    Ok(!effort.is_used_up())
}

/// Counts the rows of each table in one statement, no further than `enough`.
async fn count(
    session: &Session,
    tables: &[&ListedTable],
    enough: Option<i64>,
    effort: &mut Effort,
    pace: &mut Pace,
    lock: Option<Duration>,
) -> Result<BTreeMap<i64, Counted>, PostgresError> {
    let selects: Vec<String> = tables
        .iter()
        .map(|table| {
            // ONLY: rows of inheriting tables are counted where they are, once.
            let from = format!("from only {}", quote_qualified(&table.schema, &table.name));
            let from = enough.map_or_else(|| from.clone(), |enough| format!("from (select 1 {from} limit {enough}) as enough"));
            format!("select '{}' as oid, pg_catalog.count(*)::text as rows {from}", table.oid)
        })
        .collect();
    let statement = format!("{}; {}", limits(effort.time(), lock), selects.join(" union all "));
    let begin = Instant::now();
    let answer = session.fetch_rows(&statement).await;
    let worked = begin.elapsed();
    tokio::time::sleep(effort.spend(worked)).await;
    let mut counted = BTreeMap::new();
    for row in &answer? {
        let rows = session.number(row, "rows")?;
        counted.insert(session.number(row, "oid")?, Counted { rows, is_all: enough.is_none_or(|enough| rows < enough) });
    }
    let only = if let [table] = tables { counted.get(&table.oid).zip(Some(table.pages)) } else { None };
    pace.note(worked, only.map(|(counted, _)| counted.rows), only.filter(|(counted, _)| counted.is_all).map(|(_, pages)| pages));
    Ok(counted)
}

fn pages_of(tables: &[&ListedTable]) -> i64 {
    tables.iter().map(|table| table.pages).fold(0, i64::saturating_add)
}

/// The time limits of the statements that follow.
fn limits(time: Duration, lock: Option<Duration>) -> String {
    let milliseconds = time.as_millis().max(1);
    let lock = lock.map_or_else(|| "reset lock_timeout".to_owned(), |lock| format!("set lock_timeout = {}", lock.as_millis().max(1)));
    format!("set statement_timeout = {milliseconds}; {lock}")
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
