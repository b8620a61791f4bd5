//! What differs between what was expected and what was found, printed from the findings of the
//! check: tables, and identity, server and volume side by side. Nothing is compared here. Pure.

use std::cmp::Reverse;

use super::model::{Comparison, TableDifference, TableDifferences};
use super::phrases::share_gone;
use super::safe_text::SafeText;
use super::selection::{CheckView, Selection};
use crate::api::{Finding, Identity, MountedVolume, RowCount, TableChange};
use crate::verdict;
use crate::wording::{count, date};

/// The most tables that are listed.
const LISTED: usize = 60;
/// The most characters of a name.
const NAME_LIMIT: usize = 120;
/// What is written where nothing is known.
const NOT_SEEN: &str = "not seen";

/// A property of the identity: its name, how it is written, whether its difference is alarming.
type OfIdentity<'a> = (&'a str, fn(&Identity) -> String, bool);

/// The tables that the findings name, each once, those that lost most first.
pub(super) fn list_tables(selection: &Selection<'_>) -> TableDifferences {
    let findings = selection.findings();
    let main = selection
        .spec()
        .map(|spec| spec.connection.database.as_str());
    let mut named: Vec<&TableChange> = Vec::new();
    for table in findings.iter().flat_map(Finding::tables) {
        let is_named = named
            .iter()
            .any(|other| (&other.database, &other.name) == (&table.database, &table.name));
        if !is_named {
            named.push(table);
        }
    }
    named.sort_by_key(|table| Reverse(lost_rows(table)));
    let surplus = i64::try_from(named.len().saturating_sub(LISTED)).unwrap_or(i64::MAX);
    let left_out = findings
        .iter()
        .map(Finding::left_out)
        .fold(surplus, i64::saturating_add);
    TableDifferences {
        is_known: !named.is_empty() || selection.has_counted(),
        listed: named
            .into_iter()
            .take(LISTED)
            .map(|table| describe_difference(table, main))
            .collect(),
        left_out,
    }
}

/// A table's name, with its database if that is not the main one.
pub(super) fn name_table(database: &str, name: &str, main: Option<&str>) -> SafeText {
    let name = SafeText::from(name).cut(NAME_LIMIT);
    let database = SafeText::from(database).cut(NAME_LIMIT);
    let main = main.map(|main| SafeText::from(main).cut(NAME_LIMIT));
    let main = main.as_ref().map(SafeText::as_str);
    verdict::name_table(database.as_str(), name.as_str(), main).into()
}

fn describe_difference(table: &TableChange, main: Option<&str>) -> TableDifference {
    let rows = |counted: Option<RowCount>| counted.map_or(0, |counted| counted.rows);
    let change = match (table.before, table.now) {
        (Some(before), None) => format!("the table is gone, with {}", count(before.rows, "row")),
        (None, _) => "no good check has counted it".to_owned(),
        (Some(before), Some(now)) => match share_gone(before.rows, now.rows) {
            Some(share) => format!("−{} ({share} gone)", count(before.rows - now.rows, "row")),
            None => format!("+{}", count(now.rows - before.rows, "row")),
        },
    };
    TableDifference {
        table: name_table(&table.database, &table.name, main),
        expected: table.before,
        found: table.now,
        change: change.into(),
        lost: rows(table.now) < rows(table.before),
    }
}

fn lost_rows(table: &TableChange) -> i64 {
    let rows = |counted: Option<RowCount>| counted.map_or(0, |counted| counted.rows);
    rows(table.before) - rows(table.now)
}

/// Both checks side by side, a property per row. With one check only, the other side says so. What
/// the findings are about is alarming.
pub(super) fn list_properties(selection: &Selection<'_>) -> Vec<Comparison> {
    let (expected, found) = (selection.expected.as_ref(), selection.found.as_ref());
    if expected.is_none() && found.is_none() {
        return Vec::new();
    }
    let row =
        |what: &str, of: &dyn Fn(&CheckView<'_>) -> Option<String>, alarming: bool| Comparison {
            what: what.into(),
            expected: side(expected, of),
            found: side(found, of),
            alarming,
        };
    let has = |is: fn(&Finding) -> bool| selection.findings().iter().any(is);
    let moved = selection.moved_from().is_some();
    let off_volume = has(|finding| matches!(finding, Finding::DataOffVolume { .. }));
    let rolled_back = has(|finding| matches!(finding, Finding::RolledBack { .. }));
    let other_cluster = selection.is_other_cluster();
    let mut rows = vec![
        row("check", &|check| Some(check.name.to_owned()), false),
        row("ended at", &|check| Some(date(&check.time)), false),
        row("verdict", &|check| Some(say_verdict(check)), false),
        row("rows", &rows_in_all, false),
        row(
            "volume of the data",
            &|check| volume(check, |volume| volume.volume.clone()),
            moved,
        ),
        row(
            "its claim",
            &|check| volume(check, |volume| volume.claim.clone()),
            false,
        ),
        row(
            "its handle",
            &|check| volume(check, |volume| volume.volume_handle.clone()),
            moved,
        ),
        row(
            "volume created",
            &|check| check.data_volume()?.created_at.as_ref().map(date),
            false,
        ),
    ];
    let of_identity: [OfIdentity<'_>; 8] = [
        (
            "system identifier",
            |identity| identity.system_identifier.clone(),
            other_cluster,
        ),
        (
            "initialized",
            |identity| date(&identity.initialized_at),
            other_cluster,
        ),
        (
            "timeline",
            |identity| identity.timeline.to_string(),
            rolled_back,
        ),
        (
            "WAL position",
            |identity| identity.wal_position.clone(),
            rolled_back,
        ),
        (
            "next transaction",
            |identity| identity.next_transaction_id.clone(),
            false,
        ),
        (
            "server version",
            |identity| identity.server_version.clone(),
            false,
        ),
        (
            "data directory",
            |identity| identity.data_directory.clone(),
            off_volume,
        ),
        (
            "server started",
            |identity| date(&identity.postmaster_started_at),
            false,
        ),
    ];
    rows.extend(of_identity.map(|(what, of, alarming)| {
        let of = |check: &CheckView<'_>| check.evidence.map(|evidence| of(&evidence.identity));
        row(what, &of, alarming)
    }));
    rows
}

fn side(check: Option<&CheckView<'_>>, of: &dyn Fn(&CheckView<'_>) -> Option<String>) -> SafeText {
    check
        .and_then(of)
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| NOT_SEEN.to_owned())
        .into()
}

fn say_verdict(check: &CheckView<'_>) -> String {
    match check.verdict {
        Some(verdict) => format!("{:?} ({})", verdict.outcome, verdict.reason),
        None => "good, as it was remembered".to_owned(),
    }
}

fn rows_in_all(check: &CheckView<'_>) -> Option<String> {
    let evidence = check.evidence?;
    Some(format!(
        "{} in {}",
        count(evidence.total_rows, "row"),
        count(evidence.table_count, "table")
    ))
}

fn volume(check: &CheckView<'_>, of: impl Fn(&MountedVolume) -> String) -> Option<String> {
    check.data_volume().map(of)
}
