//! Counting what is limited in time: small tables together, and those without a rule within a budget;
//! of what does not fit, enough to know that it has rows.

use std::collections::BTreeSet;
use std::time::Duration;

use super::count_statement::{Reach, count, pages_of, refusal};
use super::effort::{Allowance, Effort};
use super::selection::Told;
use super::{ListedTable, PostgresError, PostgresErrorKind, Session, Tally};

/// How many tables one statement counts at most; each takes a lock for itself and its indexes while
/// it runs.
const BATCH: usize = 50;
/// A table with more pages than this is counted by a statement of its own.
const BATCH_PAGES: i64 = 128;
/// How long one table that does not fit into the budget is copied, to know that it has rows.
const SHORTEST_LOOK: Duration = Duration::from_millis(1);
const LONGEST_LOOK: Duration = Duration::from_millis(20);
/// How many rows are counted of others, which can be told to stop: more and more, while there is time.
const PROBES: [i64; 4] = [10_000, 100_000, 1_000_000, 10_000_000];
/// Tables that seem to have lost most of their rows are counted whatever the budget, within this
/// part of the time that is left.
const SHARE_OF_THE_SHRUNK: u32 = 3;

/// Counts the tables without a rule that are left: those that have shrunk, and the larger ones
/// within the budget; of those that do not fit, enough to know that they have rows.
pub(super) async fn count_others(
    session: &Session,
    told: &[Told<'_>],
    mut needed: Effort,
    allowance: &mut Allowance,
    tally: &mut Tally,
) -> Result<(), PostgresError> {
    let mut seen = BTreeSet::new();
    let mut tables: Vec<&ListedTable> = told
        .iter()
        .filter(|told| !told.is_needed())
        .flat_map(|told| &told.members)
        .copied()
        .filter(|table| {
            seen.insert(table.oid) && tally.is_left(table) && refusal(session, table).is_none()
        })
        .collect();
    tables.sort_by_key(|table| (table.pages, table.oid));
    let (shrunk, others): (Vec<_>, Vec<_>) = tables.into_iter().partition(|table| table.has_shrunk);
    let mut looking = needed.of(needed.time() / SHARE_OF_THE_SHRUNK);
    count_in_batches(session, &shrunk, &mut looking, tally).await?;
    needed = looking.of(Duration::MAX);
    // A part is kept for looking into the tables that are too large to be counted.
    let kept = allowance.budget / 4;
    let mut counting = needed.of(allowance.budget.saturating_sub(kept));
    count_in_batches(session, &others, &mut counting, tally).await?;
    let mut probing = counting.of(counting.left().saturating_add(kept));
    let probed = probe(session, &others, &mut probing, tally).await;
    *allowance = Allowance {
        budget: probing.left(),
        idle: probing.idle(),
    };
    probed
}

/// Counts a few rows of each table that is left, more and more while there is time. Each that is
/// copied is looked into once, and gets its share of the time: what is cut short begins at the first
/// row again.
async fn probe(
    session: &Session,
    tables: &[&ListedTable],
    effort: &mut Effort,
    tally: &mut Tally,
) -> Result<(), PostgresError> {
    let (planned, copied): (Vec<&ListedTable>, Vec<_>) =
        tables.iter().partition(|table| table.is_planned);
    let mut left = u32::try_from(copied.len()).unwrap_or(u32::MAX);
    for table in copied.iter().rev() {
        let time = length_of_look(effort.time(), left);
        left = left.saturating_sub(1);
        if tally.is_left(table)
            && !tally.counts.contains_key(&table.oid)
            && !look_into(session, table, time, effort, tally).await?
        {
            return Ok(());
        }
    }
    for enough in PROBES {
        for table in planned.iter().rev() {
            if tally.is_left(table)
                && !count_batch(session, &[table], Some(enough), effort, tally).await?
            {
                tracing::info!(
                    "the tables that are left are only estimated: spec.verification.countingBudget \
                     is used up"
                );
                return Ok(());
            }
        }
    }
    Ok(())
}

/// How long each of so many tables may be looked into.
fn length_of_look(time: Duration, tables: u32) -> Duration {
    (time / tables.max(1)).clamp(SHORTEST_LOOK, LONGEST_LOOK)
}

/// Copies rows of one table for so long; says whether there is time for more.
async fn look_into(
    session: &Session,
    table: &ListedTable,
    time: Duration,
    effort: &mut Effort,
    tally: &mut Tally,
) -> Result<bool, PostgresError> {
    if effort.is_used_up() {
        return Ok(false);
    }
    let reach = Reach {
        enough: None,
        time,
        lock: effort.wait(),
    };
    if let Some(error) = try_count(session, &[table], reach, effort, tally).await? {
        tally.note(table, error);
    }
    Ok(!effort.is_used_up())
}

/// Counts tables completely, small ones together, while there is time.
pub(super) async fn count_in_batches(
    session: &Session,
    tables: &[&ListedTable],
    effort: &mut Effort,
    tally: &mut Tally,
) -> Result<(), PostgresError> {
    let mut pending = tables;
    while !pending.is_empty() {
        let mut pages = 0_i64;
        let fits_in = |table: &&&ListedTable| {
            pages = pages.saturating_add(table.pages);
            table.pages <= BATCH_PAGES && tally.pace.least_time(None, pages) <= effort.time()
        };
        let together = pending.iter().take(BATCH).take_while(fits_in).count();
        let (batch, rest) = pending.split_at(together.max(1));
        if !count_batch(session, batch, None, effort, tally).await? {
            break;
        }
        pending = rest;
    }
    Ok(())
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
    let reach = Reach {
        enough,
        time: Duration::MAX,
        lock: effort.wait(),
    };
    if let Some(error) = try_count(session, batch, reach, effort, tally).await? {
        if let [table] = batch {
            tally.note(table, error);
        } else {
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

/// Counts tables together. Returns why that failed, if it did, and the session is still there.
async fn try_count(
    session: &Session,
    tables: &[&ListedTable],
    reach: Reach,
    effort: &mut Effort,
    tally: &mut Tally,
) -> Result<Option<PostgresError>, PostgresError> {
    match count(session, tables, reach, effort, &mut tally.pace).await {
        Ok(counted) => {
            tally.counts.extend(counted);
            Ok(None)
        }
        Err(error) if error.kind.is_of_the_connection() => Err(error),
        Err(error) => {
            if error.kind == PostgresErrorKind::Locked {
                effort.note_wait(reach.lock);
            }
            Ok(Some(error))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_looked_into_while_there_is_time() {
        let milliseconds = Duration::from_millis;
        assert_eq!(
            length_of_look(milliseconds(250), 20),
            milliseconds(12) + milliseconds(1) / 2
        );
        assert_eq!(length_of_look(milliseconds(2), 20), SHORTEST_LOOK);
        assert_eq!(length_of_look(milliseconds(9_000), 1), LONGEST_LOOK);
    }
}
