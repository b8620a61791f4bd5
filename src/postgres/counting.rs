//! Counting rows in two parts: first what is small, which also says whether something is lost; then
//! tables with rules as far as they need to be, and the others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::api::TableRule;

use super::count_in_budget::{count_in_batches, count_others};
use super::count_statement::{Reach, count, measure, refusal};
use super::effort::{Allowance, Effort, Pace};
use super::selection::{Counted, Told, select};
use super::short_column::fetch_copied_parts;
use super::{CountOrder, ListedTable, PostgresError, PostgresErrorKind, Session, TableList, Tally};

/// So many pages are counted whatever the budget, the smallest tables first: what a reset leaves is
/// small, and must be seen also on a busy server. 4 MiB, about 6 ms. Tables without pages are not
/// counted at all, so these are so many tables at most.
const ALWAYS_PAGES: i64 = 512;
/// What is left of the deadline for the answer that says that a count was too slow, and for the
/// report.
const RESERVE: Duration = Duration::from_millis(500);
/// How long a table with a rule may be waited for that somebody has locked; never longer than this
/// part of the time that is left, so that many of them leave some for the others.
const LONG_LOCK: Duration = Duration::from_secs(5);
const SHARE_OF_A_LOCK: u32 = 4;
/// How long a table is read at first of which a number of rows is enough: some hundred thousand.
const FIRST_LIMIT: Duration = Duration::from_millis(50);
/// Counting a small table takes no time, unless its server is held up: one that gets no processor may
/// need seconds. None may take longer than this, and all together no more than this part of the time
/// that is left: the others must be seen anyway.
const SMALL: Duration = Duration::from_secs(5);
const SHARE_OF_THE_SMALL: u32 = 3;
/// Measures the tables of the session's database and counts the small ones.
pub async fn count_small(
    session: &Session,
    list: &mut TableList,
    order: &CountOrder<'_>,
    allowance: &mut Allowance,
) -> Result<Tally, PostgresError> {
    let mut tally = Tally::default();
    let mut effort = effort(session, allowance);
    mark_shrunk(list, order);
    let asked = measurable(list, order);
    let sizes = measure(session, &asked, &mut effort).await?;
    // Of what has no pages nothing is asked.
    let is_copied = |table: &&ListedTable| {
        !table.is_planned
            && sizes.get(&table.oid) != Some(&0)
            && asked.binary_search(&table.oid).is_ok()
    };
    let copied: Vec<i64> = list
        .tables
        .iter()
        .filter(is_copied)
        .map(|table| table.oid)
        .collect();
    let mut copied = fetch_copied_parts(session, &copied, &mut effort).await?;
    for table in &mut list.tables {
        if let Some(pages) = sizes.get(&table.oid) {
            (table.pages, table.is_measured) = (*pages, true);
        }
        table.copied = copied.remove(&table.oid).unwrap_or_default();
    }
    let told = select(list, order);
    let mut seen = BTreeSet::new();
    // Whether nothing can be said without it, and the table: those with rules come first.
    let mut tables: Vec<(bool, &ListedTable)> = Vec::new();
    for (is_needed, table) in told
        .iter()
        .filter(|told| order.count_all || told.is_needed())
        .flat_map(|told| told.members.iter().map(|table| (told.is_needed(), *table)))
        .filter(|(_, table)| seen.insert(table.oid) && !table.stored_elsewhere)
    {
        if table.is_surely_empty() {
            let counted = Counted {
                rows: 0,
                is_all: true,
            };
            tally.counts.insert(table.oid, counted);
        } else if is_countable(session, table) {
            tables.push((is_needed, table));
        }
    }
    tables.sort_by_key(|(_, table)| (table.pages, table.oid));
    let mut pages = 0_i64;
    let mut is_small = |table: &ListedTable| {
        pages = pages.saturating_add(table.pages.max(1));
        pages <= ALWAYS_PAGES
    };
    let (needed, others): (Vec<_>, Vec<_>) = tables
        .into_iter()
        .take_while(|(_, table)| is_small(table))
        .partition(|(is_needed, _)| *is_needed);
    let mut looking = effort.of(effort.time() / SHARE_OF_THE_SMALL).each(SMALL);
    for small in [needed, others] {
        let small: Vec<&ListedTable> = small.into_iter().map(|(_, table)| table).collect();
        count_in_batches(session, &small, &mut looking, &mut tally).await?;
    }
    // A small table that somebody has locked was waited for, which is no work.
    allowance.budget = allowance.budget.saturating_sub(tally.pace.worked());
    allowance.idle = looking.idle();
    Ok(tally)
}

/// Marks tables that seem to have far fewer rows than the last good check has counted.
fn mark_shrunk(list: &mut TableList, order: &CountOrder<'_>) {
    let mut shrunk = BTreeSet::new();
    {
        let members = list.members();
        let by_name: BTreeMap<String, i64> = list
            .tables
            .iter()
            .map(|table| (table.qualified_name(), table.oid))
            .collect();
        for (known, rows) in order
            .known
            .iter()
            .filter_map(|known| Some((known, known.rows?)))
        {
            let parts = by_name.get(&known.name).and_then(|oid| members.get(oid));
            let parts = parts.map(Vec::as_slice).unwrap_or_default();
            let estimated = parts
                .iter()
                .map(|part| part.estimated_rows)
                .fold(0, i64::saturating_add);
            if estimated < rows / 2 {
                shrunk.extend(parts.iter().map(|part| part.oid));
            }
        }
    }
    for table in &mut list.tables {
        table.has_shrunk |= shrunk.contains(&table.oid);
    }
}

/// Whether [`count_rest`] will take its time: tables are left that are counted whatever the budget.
#[must_use]
pub fn takes_long(
    session: &Session,
    list: &TableList,
    order: &CountOrder<'_>,
    tally: &Tally,
) -> bool {
    select(list, order).iter().any(|told| {
        told.members.iter().any(|table| {
            (told.is_needed() || order.count_all && table.has_shrunk)
                && tally.is_left(table)
                && refusal(session, table).is_none()
        })
    })
}

/// Counts what [`count_small`] has left: tables with rules, those that have shrunk, and the others
/// within the budget.
pub async fn count_rest(
    session: &Session,
    list: &TableList,
    order: &CountOrder<'_>,
    allowance: &mut Allowance,
    tally: &mut Tally,
) -> Result<(), PostgresError> {
    let told = select(list, order);
    let mut needed = effort(session, allowance);
    for table in &told {
        if let Some(rule) = table.rule.filter(|_| table.is_needed()) {
            count_ruled(session, table, rule, &mut needed, tally).await?;
        }
    }
    if order.count_all {
        count_others(session, &told, needed, allowance, tally).await?;
    } else {
        allowance.idle = needed.idle();
    }
    Ok(())
}

fn effort(session: &Session, allowance: &Allowance) -> Effort {
    let end = session
        .deadline()
        .checked_sub(RESERVE)
        .unwrap_or_else(Instant::now);
    Effort::until(end, allowance.idle)
}

/// The tables of which it is asked how large they are.
fn measurable(list: &TableList, order: &CountOrder<'_>) -> Vec<i64> {
    let mut oids: Vec<i64> = select(list, order)
        .iter()
        .filter(|told| order.count_all || told.is_needed())
        .flat_map(|told| &told.members)
        .filter(|table| !table.stored_elsewhere)
        .map(|table| table.oid)
        .collect();
    oids.sort_unstable();
    oids.dedup();
    oids
}

/// Counts a table with a rule, part by part, completely or up to what is enough.
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
        if member.stored_elsewhere {
            continue;
        }
        // What can't be counted is reported even where it has no pages at the moment.
        if let Some(problem) = refusal(session, member) {
            tally.failures.push(problem);
            continue;
        }
        if !tally.is_left(member) {
            rows += tally
                .counts
                .get(&member.oid)
                .map_or(0, |counted| counted.rows);
            continue;
        }
        let left = enough.map(|enough| enough.saturating_sub(rows));
        if left.is_some_and(|left| left <= 0) || effort.is_used_up() {
            return Ok(());
        }
        match count_up_to(session, member, left, effort, &mut tally.pace).await {
            Ok(counted) => {
                rows += counted.rows;
                tally.counts.insert(member.oid, counted);
            }
            Err(error) if error.kind.is_of_the_connection() => return Err(error),
            Err(error) => {
                let error = tally.note(member, error);
                // A count that ran out of time stays an estimate, which the operator distinguishes;
                // anything else is a failure.
                if let Some(error) = error.filter(|error| !is_passing(error.kind)) {
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

/// Counts one table completely, or until so many rows are surely there.
///
/// COPY has no limit of rows, so one of time takes its place: more and more, until they were enough.
async fn count_up_to(
    session: &Session,
    table: &ListedTable,
    enough: Option<i64>,
    effort: &mut Effort,
    pace: &mut Pace,
) -> Result<Counted, PostgresError> {
    let is_limited = enough.is_some() && !table.is_planned;
    let mut time = if is_limited {
        FIRST_LIMIT
    } else {
        Duration::MAX
    };
    loop {
        let reach = Reach {
            enough,
            time,
            lock: LONG_LOCK.min(effort.time() / SHARE_OF_A_LOCK),
        };
        let answer = count(session, &[table], reach, effort, pace).await;
        let is_last = !is_limited || time >= effort.time();
        match answer {
            Ok(counted) => {
                let counted = counted.get(&table.oid).copied().unwrap_or(Counted {
                    rows: 0,
                    is_all: false,
                });
                let is_enough = enough.is_some_and(|enough| counted.rows >= enough);
                if is_last || counted.is_all || is_enough {
                    return Ok(counted);
                }
            }
            Err(error) if is_last || error.kind != PostgresErrorKind::Timeout => return Err(error),
            Err(_) => {}
        }
        time = time.saturating_mul(4);
    }
}

/// Whether the next check may be able to count what this one could not.
const fn is_passing(kind: PostgresErrorKind) -> bool {
    matches!(
        kind,
        PostgresErrorKind::Timeout | PostgresErrorKind::Locked | PostgresErrorKind::TableChanged
    )
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
