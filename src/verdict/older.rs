//! Check of whether an older state was put over the data: a dump that was restored, by `pg_restore
//! --clean` or into emptied tables. The database cluster stays the same, and so may its tables.

use crate::api::{CountKind, Evidence, Finding, RowCount, SequenceChange, TableChange};

use super::identity::find_database;
use super::input::{Input, TablePair};
use super::moved::rows_had;

/// So many tables must be compared before it says something that all of them were recreated.
const COMPARED_TABLES: usize = 3;
/// So many of 100 tables recreated at once are all of them.
const RECREATED_PERCENT: usize = 80;

/// A sequence that has less than one in so many of its values was restarted.
const RESTARTED_SHARE: i64 = 10;

/// Make sure that no older state was put over the data. Sequences never go back by themselves: that
/// some do, and all tables were recreated, or that most do, and rows are missing, is a restore. A
/// full refresh of a warehouse recreates all tables as well, and moves no sequence.
pub(super) fn older_data(input: &Input<'_>, earlier: &[Finding]) -> Option<Finding> {
    let (known, evidence) = (input.baseline?.evidence, input.evidence?);
    let is_same_cluster = known.identity.system_identifier == evidence.identity.system_identifier;
    if !is_same_cluster || !earlier.is_empty() {
        return None;
    }
    input
        .spec
        .connection
        .databases()
        .filter(|name| is_same_database(known, evidence, name))
        .find_map(|name| older_database(input, known, evidence, name))
}

fn is_same_database(known: &Evidence, evidence: &Evidence, name: &str) -> bool {
    find_database(known, name)
        .zip(find_database(evidence, name))
        .is_some_and(|(was, is)| was.oid == is.oid)
}

fn older_database(
    input: &Input<'_>,
    known: &Evidence,
    evidence: &Evidence,
    database: &str,
) -> Option<Finding> {
    // A rule that allows a table to lose its rows says nothing about its sequence.
    let tables: Vec<TablePair<'_>> = input
        .table_pairs()
        .into_iter()
        .filter(|table| table.before.database == database && !table.is_volatile())
        .collect();
    let recreated = tables.iter().filter(|table| is_recreated(table)).count();
    let is_recreated_as_a_whole = is_whole(&tables, is_recreated);
    let fewer: Vec<TableChange> = tables.iter().filter_map(change).collect();
    let more = tables.iter().filter(|table| has_more(table)).count();
    let with_rows = tables.iter().filter(|table| table.before.rows > 0).count();
    let is_mostly_fewer = fewer.len() * 2 >= with_rows && !fewer.is_empty();
    let sequences = Sequences::compare(known, evidence, database);
    let is_back = sequences.back.len() > sequences.ahead;
    // One that stood still says nothing: many are of tables that hardly ever get a row.
    let is_mostly_back = is_back && (sequences.back.len() > 1 || sequences.compared == 1);
    // If no sequence has moved, only the rows show it: an older state has more of them nowhere.
    let is_smaller = sequences.back.is_empty()
        && sequences.ahead == 0
        && sequences.restarted == 0
        && tables.len() >= COMPARED_TABLES
        && more == 0
        && is_mostly_fewer;
    // A few tables that are emptied and filled again every night go back, too. An older state is of
    // most of the data, or all tables were written for it.
    let had: i128 = tables.iter().map(|table| rows_had(table.before)).sum();
    let had_by_fewer: i128 = fewer
        .iter()
        .filter_map(|table| table.before)
        .map(|before| i128::from(before.rows))
        .sum();
    let is_most = had_by_fewer * 2 > had
        || is_mostly_fewer
        || !fewer.is_empty() && is_whole(&tables, is_written_again);
    let is_older = is_recreated_as_a_whole && (is_back || is_smaller) || is_mostly_back && is_most;
    is_older.then(|| Finding::OlderData {
        tables: fewer,
        left_out: 0,
        sequences: sequences.back,
        recreated_tables: i64::try_from(recreated).unwrap_or(i64::MAX),
    })
}

/// Whether that is so of nearly all tables.
fn is_whole(tables: &[TablePair<'_>], is_so: impl Fn(&TablePair<'_>) -> bool) -> bool {
    let many = tables.iter().filter(|table| is_so(table)).count();
    many >= COMPARED_TABLES.min(tables.len()).max(1)
        && many * 100 >= tables.len() * RECREATED_PERCENT
}

/// Whether the rows of a table are in another file than before, as after `TRUNCATE`.
fn is_written_again(table: &TablePair<'_>) -> bool {
    let now = table.now.and_then(|now| now.relfilenode);
    now.zip(table.before.relfilenode)
        .is_some_and(|(now, before)| now != before)
}

/// Whether a table was dropped and created again under its name. A rewrite keeps the object id.
fn is_recreated(table: &TablePair<'_>) -> bool {
    table.now.is_some_and(|now| {
        now.oid != table.before.oid && table.before.oid != 0 && now.name == table.before.name
    })
}

fn has_more(table: &TablePair<'_>) -> bool {
    table
        .now
        .is_some_and(|now| now.least_rows() > table.before.rows)
}

/// A table that has fewer rows than before, both counted completely.
fn change(table: &TablePair<'_>) -> Option<TableChange> {
    let now = table.now?;
    let is_fewer = now.count == CountKind::Exact
        && table.before.count == CountKind::Exact
        && now.rows < table.before.rows;
    is_fewer.then(|| TableChange {
        database: table.before.database.clone(),
        name: table.before.name.clone(),
        before: Some(RowCount::from(table.before)),
        now: Some(RowCount::from(now)),
        limit: None,
    })
}

/// How the sequences of a database moved.
struct Sequences {
    /// How many had given a value, and are still there.
    compared: usize,
    /// Those that went back.
    back: Vec<SequenceChange>,
    /// How many went on.
    ahead: usize,
    /// How many began again.
    restarted: usize,
}

impl Sequences {
    fn compare(known: &Evidence, evidence: &Evidence, database: &str) -> Self {
        let mut found = Self {
            compared: 0,
            back: Vec::new(),
            ahead: 0,
            restarted: 0,
        };
        for before in known
            .sequences
            .iter()
            .filter(|one| one.database == database)
        {
            let now = evidence
                .sequences
                .iter()
                .find(|now| now.database == database && now.name == before.name);
            let Some(now) = now else { continue };
            found.compared += 1;
            if now.last_value > before.last_value {
                found.ahead += 1;
            }
            // One that begins again belongs to a table that was emptied, not to an older state.
            let is_restarted = now.last_value.saturating_mul(RESTARTED_SHARE) < before.last_value;
            found.restarted += usize::from(is_restarted);
            if now.last_value < before.last_value && !is_restarted {
                found.back.push(SequenceChange {
                    database: database.to_owned(),
                    name: before.name.clone(),
                    before: before.last_value,
                    now: now.last_value,
                });
            }
        }
        found
    }
}
