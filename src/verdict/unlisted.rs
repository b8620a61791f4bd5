//! What tables without a rule have lost, and whether that is a reset. Queues are emptied, logs are
//! pruned and migrations drop tables every day: a loss of theirs is a reset only together with
//! others, or with most rows of the database.

use std::collections::BTreeSet;

use crate::api::{CountKind, Evidence, Finding, RowCount, TableChange};

use super::habits::{is_made_by_tool, is_pruned, is_staging, is_used_up};
use super::identity::find_database;
use super::input::{Input, TablePair, is_absent};
use super::limits::{SMALL_TABLE_ROWS, allowed_drop, has_dropped};
use super::moved::{is_leftover, moved, rows_had};

/// So many tables that lose their rows at once are more than one that is meant to.
const SEVERAL: usize = 3;
/// Together with this share of all rows, in percent, several tables that have lost rows are a reset.
const SHARE_OF_SEVERAL_EMPTIED: i128 = 5;
/// Together with this share of all rows, in percent, several tables that are gone are a reset.
const SHARE_OF_SEVERAL_MISSING: i128 = 25;
/// If all tables are gone, what has at most one in so many of their rows does not replace them.
const REPLACED_SHARE: i128 = 20;

/// How a table has lost rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Missing,
    Emptied,
    Reduced,
}

/// A table without a rule that has lost rows, and is not meant to.
pub(super) struct Loss<'a> {
    pub table: TablePair<'a>,
    pub kind: Kind,
    /// Rows that are in no other table of its name.
    lost: i128,
    /// Whether tables of that name are meant to lose rows that way.
    is_usual: bool,
}

/// What the tables without a rule have lost; nothing where the baseline is off.
pub(super) fn losses<'a>(input: &Input<'a>) -> Vec<Loss<'a>> {
    let (Some(baseline), Some(evidence), Some(_)) = (
        input.baseline,
        input.evidence,
        input.spec.verification.baseline.max_drop_percent(),
    ) else {
        return Vec::new();
    };
    input
        .table_pairs()
        .into_iter()
        .filter(|table| table.rule.is_none() && !table.is_volatile())
        .filter_map(|table| loss(input, baseline.evidence, evidence, table))
        .collect()
}

fn loss<'a>(
    input: &Input<'a>,
    known: &Evidence,
    evidence: &Evidence,
    table: TablePair<'a>,
) -> Option<Loss<'a>> {
    let had = rows_had(table.before);
    let name = table.before.name.as_str();
    let kind = match table.now {
        // An agent that could not look everywhere says nothing about what it did not see.
        None if input.failure.is_none() && is_absent(evidence, &table) => Kind::Missing,
        None => return None,
        Some(now) if now.count != CountKind::Exact => return None,
        Some(now) if now.rows == 0 => Kind::Emptied,
        Some(now) => {
            let percent = allowed_drop(input, &table)?.value;
            if !has_dropped(table.before, now, percent) {
                return None;
            }
            Kind::Reduced
        }
    };
    let percent = input.spec.verification.baseline.max_drop_percent()?;
    if had <= 0 || kind != Kind::Missing && percent >= 100 {
        return None;
    }
    let is_usual = is_staging(name)
        || kind != Kind::Missing && is_used_up(name)
        || kind == Kind::Reduced && is_pruned(name)
        || kind == Kind::Missing && is_leftover(evidence, table.before);
    let lost = had
        - i128::from(table.now.map_or(0, |now| now.rows))
        - moved(known, evidence, table.before, false);
    (lost * 100 > had * i128::from(percent) || kind == Kind::Missing && lost > 0).then_some(Loss {
        table,
        kind,
        lost,
        is_usual,
    })
}

/// The databases in which what tables without a rule have lost is a reset.
fn reset_databases<'a>(input: &Input<'a>, losses: &[Loss<'a>]) -> BTreeSet<&'a str> {
    losses
        .iter()
        .map(|loss| loss.table.before.database.as_str())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .filter(|database| is_reset(input, database, losses))
        .collect()
}

fn is_reset(input: &Input<'_>, database: &str, losses: &[Loss<'_>]) -> bool {
    let Some(percent) = input.spec.verification.baseline.max_drop_percent() else {
        return false;
    };
    let unusual: Vec<&Loss<'_>> = losses
        .iter()
        .filter(|loss| loss.table.before.database == database && !loss.is_usual)
        .collect();
    let is_lost_as_usual = |name: &str| {
        losses.iter().any(|loss| {
            loss.is_usual
                && loss.table.before.name == name
                && loss.table.before.database == database
        })
    };
    let is_compared = |table: &TablePair<'_>| {
        let name = table.before.name.as_str();
        let is_usual = table.rule.is_none() && (is_used_up(name) || is_pruned(name));
        let is_lost = || unusual.iter().any(|loss| loss.table.before.name == name);
        !table.is_volatile()
            && !is_staging(name)
            && !is_lost_as_usual(name)
            && (!is_usual || is_lost())
    };
    let compared: Vec<TablePair<'_>> = input
        .table_pairs()
        .into_iter()
        .filter(|table| table.before.database == database && rows_had(table.before) > 0)
        .filter(is_compared)
        .collect();
    let had: i128 = compared.iter().map(|table| rows_had(table.before)).sum();
    let lost: i128 = unusual.iter().map(|loss| loss.lost.max(0)).sum();
    let is_share = |share: i128| lost * 100 > had * share;
    let missing = unusual
        .iter()
        .filter(|loss| loss.kind == Kind::Missing)
        .count();
    let is_several = unusual.len() >= SEVERAL
        && (unusual.len() * 2 > compared.len()
            && (families(&unusual) >= SEVERAL || is_share(SHARE_OF_SEVERAL_EMPTIED))
            || unusual.len() - missing >= SEVERAL && is_share(SHARE_OF_SEVERAL_EMPTIED)
            || is_share(SHARE_OF_SEVERAL_MISSING));
    is_share(i128::from(percent)) || is_several
}

/// How many tables that is, those that differ only in a number as one.
fn families(losses: &[&Loss<'_>]) -> usize {
    let letters =
        |name: &str| -> String { name.chars().filter(|one| one.is_alphabetic()).collect() };
    losses
        .iter()
        .map(|loss| letters(&loss.table.before.name))
        .collect::<BTreeSet<_>>()
        .len()
}

/// Whether every table of a database that had rows is gone, and next to nothing is there instead.
/// That is a reset whatever their names are.
fn is_all_gone(input: &Input<'_>, database: &str) -> bool {
    let Some(evidence) = input.evidence.filter(|_| input.failure.is_none()) else {
        return false;
    };
    let tables: Vec<TablePair<'_>> = input
        .table_pairs()
        .into_iter()
        .filter(|table| table.before.database == database && rows_had(table.before) > 0)
        .filter(|table| !table.is_volatile())
        .collect();
    let had: i128 = tables.iter().map(|table| rows_had(table.before)).sum();
    let left: i128 = evidence
        .tables
        .iter()
        .filter(|table| table.database == database)
        .map(|table| i128::from(table.rows.max(table.least_rows())))
        .sum();
    let is_gone = |table: &TablePair<'_>| table.now.is_none() && is_absent(evidence, table);
    !tables.is_empty() && tables.iter().all(is_gone) && left * REPLACED_SHARE <= had
}

/// The losses of one kind that are a reset.
pub(super) fn resets<'a>(input: &Input<'a>, earlier: &[Finding], kind: Kind) -> Vec<TablePair<'a>> {
    let losses = losses(input);
    let databases = reset_databases(input, &losses);
    let all_gone: BTreeSet<&str> = losses
        .iter()
        .map(|loss| loss.table.before.database.as_str())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .filter(|database| is_all_gone(input, database))
        .collect();
    // Another database cluster, or an older state, is a reset whatever the tables are, and so is a
    // seed. That one database is missing says nothing about another.
    let is_other_data = earlier.iter().any(|finding| match finding {
        Finding::DatabaseMissing { .. } => false,
        Finding::SeedRowsOnly { .. } => true,
        _ => finding.is_identity(),
    });
    let is_reset = |loss: &Loss<'_>| {
        let database = loss.table.before.database.as_str();
        let is_worth_a_word = is_other_data && !is_made_by_tool(&loss.table.before.name);
        is_worth_a_word
            || all_gone.contains(database)
            || !loss.is_usual && databases.contains(database)
    };
    losses
        .into_iter()
        .filter(|loss| loss.kind == kind && is_reset(loss))
        .map(|loss| loss.table)
        .collect()
}

/// Make sure that no table without a rule lost its rows or is gone, and if one is, say so; tables
/// that are part of a reset are named there.
pub(super) fn tables_changed(input: &Input<'_>, earlier: &[Finding]) -> Option<Finding> {
    let is_named = |table: &TablePair<'_>| {
        earlier.iter().flat_map(Finding::tables).any(|other| {
            (&other.database, &other.name) == (&table.before.database, &table.before.name)
        })
    };
    let is_worth_a_word = |loss: &Loss<'_>| {
        let is_large = loss.table.before.rows >= SMALL_TABLE_ROWS;
        let is_unusual = loss.kind != Kind::Reduced && !loss.is_usual;
        !is_made_by_tool(&loss.table.before.name) && (is_large || is_unusual)
    };
    let tables: Vec<TableChange> = losses(input)
        .into_iter()
        .filter(|loss| is_worth_a_word(loss) && !is_named(&loss.table))
        .map(|loss| TableChange {
            database: loss.table.before.database.clone(),
            name: loss.table.before.name.clone(),
            before: Some(RowCount::from(loss.table.before)),
            now: loss.table.now.map(RowCount::from),
            limit: None,
        })
        .collect();
    (!tables.is_empty()).then_some(Finding::TablesChanged {
        tables,
        left_out: 0,
    })
}

/// Make sure that a database with more tables than evidence lists still has most of them.
pub(super) fn table_count_dropped(input: &Input<'_>, earlier: &[Finding]) -> Option<Finding> {
    let (known, evidence) = (input.baseline?.evidence, input.evidence?);
    let percent = i64::from(input.spec.verification.baseline.max_drop_percent()?);
    if input.failure.is_some()
        || earlier
            .iter()
            .any(|finding| matches!(finding, Finding::DatabaseMissing { .. }))
    {
        return None;
    }
    let (database, before, now) = input
        .spec
        .connection
        .databases()
        .filter(|name| find_database(evidence, name).is_some())
        .find_map(|name| {
            let before = count_of(known, name)?;
            let listed = known.tables.iter().filter(|table| table.database == name);
            let is_cut = usize::try_from(before).is_ok_and(|before| before > listed.count());
            let now = count_of(evidence, name)?;
            let lost = before.saturating_sub(now).saturating_mul(100);
            (is_cut && lost > before.saturating_mul(percent)).then_some((name, before, now))
        })?;
    Some(Finding::TableCountDropped {
        tables_before: before,
        tables_now: now,
        database: database.to_owned(),
    })
}

/// How many tables a database has, as far as that is known of one database among several.
fn count_of(evidence: &Evidence, database: &str) -> Option<i64> {
    let covered = evidence
        .coverage
        .iter()
        .find(|coverage| coverage.database == database)
        .map(|coverage| coverage.table_count);
    covered.or_else(|| {
        let is_only = evidence
            .tables
            .iter()
            .all(|table| table.database == database);
        is_only.then_some(evidence.table_count)
    })
}
