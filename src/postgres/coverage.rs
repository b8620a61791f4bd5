//! How much of a database was counted, and why the rest was not. Pure.

use std::collections::BTreeMap;

use crate::api::{CountKind, Coverage, NOT_COUNTED_NAME_LIMIT, NotCounted, NotCountedReason};

use super::selection::{Told, sum};
use super::{ListedTable, TableList, Tally};

/// What the role can't or must not read of a table, before anything else is known of it.
fn inherent_reason(table: &ListedTable) -> Option<NotCountedReason> {
    if table.stored_elsewhere {
        Some(NotCountedReason::StoredElsewhere)
    } else if !table.readable {
        Some(NotCountedReason::NotReadable)
    } else if table.row_security {
        Some(NotCountedReason::RowSecurity)
    } else if !table.can_be_named {
        Some(NotCountedReason::Failed)
    } else {
        None
    }
}

/// Builds the coverage of one database: of all its tables, also of those that evidence has no space
/// for. Partitions and inheriting tables are part of theirs.
pub(super) fn build_coverage(
    database: &str,
    list: &TableList,
    told: &[Told<'_>],
    tally: &Tally,
) -> Coverage {
    let members = list.members();
    let enough: BTreeMap<i64, i64> = told
        .iter()
        .filter_map(|told| Some((told.table.oid, told.enough()?)))
        .collect();
    let mut coverage = Coverage {
        database: database.to_owned(),
        ..Coverage::default()
    };
    let mut missed: BTreeMap<NotCountedReason, Vec<(i64, String)>> = BTreeMap::new();
    for table in list
        .roots()
        .filter(|table| !tally.gone.contains(&table.oid))
    {
        let parts: Vec<&ListedTable> = members
            .get(&table.oid)
            .into_iter()
            .flatten()
            .filter(|part| !tally.gone.contains(&part.oid))
            .copied()
            .collect();
        let enough = enough.get(&table.oid).copied();
        let (rows, count, lower_bound) = sum(&parts, enough, &tally.counts);
        let is_counted = count != CountKind::Estimated;
        // A partitioned table itself is never read.
        let root = Some(table).filter(|root| root.stored_elsewhere);
        let reason = root
            .into_iter()
            .chain(parts.iter().copied())
            .find_map(inherent_reason)
            .or_else(|| {
                let reasons = parts.iter().map(|part| tally.reasons.get(&part.oid));
                (!is_counted).then(|| {
                    reasons
                        .flatten()
                        .max()
                        .copied()
                        .unwrap_or(NotCountedReason::Budget)
                })
            });
        let surely = if is_counted {
            rows
        } else {
            lower_bound.unwrap_or(0)
        };
        coverage.table_count += 1;
        coverage.counted_rows = coverage.counted_rows.saturating_add(surely);
        coverage.estimated_rows = coverage.estimated_rows.saturating_add(rows);
        match reason {
            None => coverage.counted_tables += 1,
            Some(reason) => missed
                .entry(reason)
                .or_default()
                .push((rows, table.qualified_name())),
        }
    }
    coverage.not_counted = missed.into_iter().map(describe).collect();
    coverage
}

fn describe((reason, mut tables): (NotCountedReason, Vec<(i64, String)>)) -> NotCounted {
    tables.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    NotCounted {
        reason,
        table_count: i64::try_from(tables.len()).unwrap_or(i64::MAX),
        tables: tables
            .into_iter()
            .take(NOT_COUNTED_NAME_LIMIT)
            .map(|(_, name)| name)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::selection::{CountOrder, Counted, select};
    use super::super::tables::tests::listed;
    use super::*;

    #[test]
    fn every_table_is_counted_or_has_a_reason() {
        let mut list = TableList {
            tables: vec![
                listed(1, "counted", false, 7),
                listed(2, "large", false, 9_000),
                listed(3, "secret", false, 10),
                listed(4, "failed", false, 20),
                listed(5, "locked", false, 30),
                listed(6, "events", true, 0),
                listed(7, "events_1", false, 40),
                listed(8, "events_2", false, 50),
                listed(9, "gone", false, 60),
            ],
            parents: [(7, 6), (8, 6)].into(),
        };
        list.tables[2].readable = false;
        list.tables[7].stored_elsewhere = true;
        let all = |rows| Counted { rows, is_all: true };
        let tally = Tally {
            counts: [(1, all(8)), (7, all(44))].into(),
            gone: [9].into(),
            reasons: [(4, NotCountedReason::Failed), (5, NotCountedReason::Locked)].into(),
            ..Tally::default()
        };
        let order = CountOrder {
            table_limit: 1,
            ..CountOrder::default()
        };
        let coverage = build_coverage("shop", &list, &select(&list, &order), &tally);
        insta::assert_debug_snapshot!(coverage);
    }
}
