//! Counting rows: tables with rules as far as they need to be, the others within a budget of time,
//! the small ones first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::api::TableRule;

use super::count_statement::{SHORT_LOCK, count, measure, pages_of, refusal};
use super::effort::{Effort, Pace};
use super::selection::{Counted, Told, build_evidence, select};
use super::{
    CountOrder, CountedTables, ListedTable, PostgresError, PostgresErrorKind, Session, TableList,
};

/// How many tables one statement counts at most; each takes a lock for itself and its indexes while
/// it runs.
const BATCH: usize = 50;
/// A table with more pages than this is counted by a statement of its own.
const BATCH_PAGES: i64 = 128;
/// So many pages of tables without a rule are counted whatever the budget, the smallest tables
/// first: what a reset leaves is small, and must be seen also on a busy server. 4 MiB, about 6 ms.
const ALWAYS_PAGES: i64 = 512;
/// How many rows are counted of tables that do not fit into the budget, to know that they are
/// there: more and more, while there is time.
const PROBES: [i64; 4] = [10_000, 100_000, 1_000_000, 10_000_000];
/// What is left of the deadline for the answer that says that a count was too slow, and for the
/// report.
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
pub async fn count_tables(
    session: &Session,
    list: &TableList,
    order: &CountOrder<'_>,
) -> Result<CountedTables, PostgresError> {
    let told = select(list, order);
    let mut tally = Tally::default();
    let mut needed = Effort::until(
        session
            .deadline()
            .checked_sub(RESERVE)
            .unwrap_or_else(Instant::now),
    );
    for table in &told {
        if let Some(rule) = table.rule.filter(|_| table.is_needed()) {
            count_ruled(session, table, rule, &mut needed, &mut tally).await?;
        }
    }
    let budget_left = if order.count_all {
        count_others(session, &told, needed, order.budget, &mut tally).await?
    } else {
        order.budget
    };
    let evidence = build_evidence(
        session.database(),
        list,
        order,
        &told,
        &tally.counts,
        &tally.gone,
    );
    Ok(CountedTables {
        failures: tally.failures,
        budget_left,
        ..evidence
    })
}

/// Counts a table with a rule, part by part, completely or as far as is enough.
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
        if let Some(counted) = tally
            .counts
            .get(&member.oid)
            .filter(|counted| counted.is_all)
        {
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
                // A count that ran out of time stays an estimate, which the operator can see;
                // anything else is a failure.
                if error.kind != PostgresErrorKind::Timeout {
                    let message = format!(
                        "table {} (`spec.verification.tables`): {}",
                        rule.name, error.message
                    );
                    tally.failures.push(PostgresError::new(error.kind, message));
                }
            }
        }
    }
    Ok(())
}

/// Counts the tables without a rule: the small ones completely, the larger ones within the
/// budget, and of those that are left enough to know that they have rows. Returns what is left of
/// the budget.
async fn count_others(
    session: &Session,
    told: &[Told<'_>],
    mut needed: Effort,
    budget: Duration,
    tally: &mut Tally,
) -> Result<Duration, PostgresError> {
    let mut seen: BTreeSet<i64> = tally.counts.keys().chain(&tally.gone).copied().collect();
    let candidates = told
        .iter()
        .filter(|told| !told.is_needed())
        .flat_map(|told| &told.members)
        .copied();
    let candidates: Vec<&ListedTable> = candidates
        .filter(|table| seen.insert(table.oid) && is_countable(session, table))
        .collect();
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
    let mut probing = counting.of(counting.left().saturating_add(kept));
    for enough in PROBES {
        for table in large.iter().rev() {
            let is_known = tally.gone.contains(&table.oid)
                || tally
                    .counts
                    .get(&table.oid)
                    .is_some_and(|counted| counted.is_all);
            if !is_known
                && !count_batch(session, &[table], Some(enough), &mut probing, tally).await?
            {
                tracing::info!(
                    "the tables that are left are only estimated: spec.verification.countingBudget \
                     is used up"
                );
                return Ok(probing.left());
            }
        }
    }
    Ok(probing.left())
}

/// Counts tables completely, small ones together, while there is time.
async fn count_in_batches(
    session: &Session,
    tables: &[ListedTable],
    effort: &mut Effort,
    tally: &mut Tally,
) -> Result<(), PostgresError> {
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

/// Counts tables together; one by one when that fails. Says whether there is time for more; what
/// can't end in time is not begun.
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
    match count(
        session,
        batch,
        enough,
        effort,
        &mut tally.pace,
        Some(SHORT_LOCK),
    )
    .await
    {
        Ok(counted) => tally.counts.extend(counted),
        Err(error) if error.kind == PostgresErrorKind::ConnectionFailed => return Err(error),
        Err(error) if batch.len() == 1 => {
            if error.kind == PostgresErrorKind::TableGone {
                tally.gone.extend(batch.iter().map(|table| table.oid));
            } else {
                tracing::info!(
                    table = batch.first().map(|table| table.qualified_name()),
                    "not counted completely: {error}"
                );
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
