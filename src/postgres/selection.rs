//! Which tables of a database are reported, and how far each is to be counted. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::api::{CountKind, TableEvidence, TableRule};

use super::{ListedTable, PostgresError, TableList};

/// Up to this estimate a table is counted completely even where a threshold would do: it takes no
/// time and says more.
const THRESHOLD_FROM: i64 = 100_000;

/// What is asked about one database.
#[derive(Clone, Debug, Default)]
pub struct CountOrder<'a> {
    /// The rules of its tables.
    pub rules: Vec<&'a TableRule>,
    /// Names of tables that the last good check found.
    pub known: Vec<&'a str>,
    /// Whether tables without a rule are counted too.
    pub count_all: bool,
    /// How long counting those may take.
    pub budget: Duration,
    /// The most tables to report, those with rules not among them.
    pub table_limit: usize,
}

/// A table to be reported, and what it consists of.
#[derive(Clone, Debug)]
pub(super) struct Told<'a> {
    pub table: &'a ListedTable,
    /// The tables with rows that it consists of.
    pub members: Vec<&'a ListedTable>,
    pub rule: Option<&'a TableRule>,
}

impl Told<'_> {
    /// Whether nothing can be said of the data without its rows.
    pub fn is_needed(&self) -> bool {
        self.rule
            .is_some_and(|rule| !rule.volatile || rule.min_rows.is_some())
    }

    /// The number of rows that is enough to know, if there is one.
    pub fn enough(&self) -> Option<i64> {
        let rule = self.rule?;
        let estimated: i64 = self
            .members
            .iter()
            .map(|member| member.estimated_rows)
            .fold(0, i64::saturating_add);
        rule.min_rows
            .filter(|_| rule.max_drop_percent.is_none() && estimated > THRESHOLD_FROM)
    }
}

/// The rows of one table as far as they were counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub rows: i64,
    /// Whether that is all of them.
    pub is_all: bool,
}

/// The tables of one database with their rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountedTables {
    /// The tables that are reported.
    pub tables: Vec<TableEvidence>,
    /// How many tables there are; partitions and inheriting tables are part of theirs.
    pub table_count: i64,
    /// Rows in the tables that were counted completely.
    pub total_rows: i64,
    /// Names of tables that were asked for and do not exist.
    pub absent: Vec<String>,
    /// Why tables with a rule could not be counted.
    pub failures: Vec<PostgresError>,
    /// What is left of the budget.
    pub budget_left: Duration,
}

/// Chooses what is reported: tables with rules, those that the last good check found, and then the
/// largest.
pub(super) fn select<'a>(list: &'a TableList, order: &CountOrder<'a>) -> Vec<Told<'a>> {
    let members = list.members();
    let told = |table: &'a ListedTable, rule| Told {
        table,
        members: members.get(&table.oid).cloned().unwrap_or_default(),
        rule,
    };
    let by_name: BTreeMap<String, &ListedTable> = list
        .tables
        .iter()
        .map(|table| (table.qualified_name(), table))
        .collect();
    let mut seen = BTreeSet::new();
    let ruled = order
        .rules
        .iter()
        .filter_map(|rule| Some((*by_name.get(&rule.name)?, *rule)));
    let mut chosen: Vec<Told<'a>> = ruled
        .filter(|(table, _)| seen.insert(table.oid))
        .map(|(table, rule)| told(table, Some(rule)))
        .collect();
    let size = |table: &ListedTable| {
        let parts = members.get(&table.oid).into_iter().flatten();
        parts.fold((0, 0), |(rows, pages): (i64, i64), part| {
            (
                rows.saturating_add(part.estimated_rows),
                pages.saturating_add(part.pages),
            )
        })
    };
    let known: BTreeSet<&str> = order.known.iter().copied().collect();
    let is_known = |table: &ListedTable| known.contains(table.qualified_name().as_str());
    let mut others: Vec<&ListedTable> = list
        .roots()
        .filter(|table| seen.insert(table.oid))
        .collect();
    others.sort_by_cached_key(|table| (!is_known(table), std::cmp::Reverse(size(table))));
    others.truncate(order.table_limit);
    chosen.extend(others.into_iter().map(|table| told(table, None)));
    chosen
}

/// Joins what was counted into evidence. What was dropped meanwhile is not there any more.
pub(super) fn build_evidence(
    database: &str,
    list: &TableList,
    order: &CountOrder<'_>,
    told: &[Told<'_>],
    counts: &BTreeMap<i64, Counted>,
    gone: &BTreeSet<i64>,
) -> CountedTables {
    let names: BTreeSet<String> = list
        .tables
        .iter()
        .filter(|table| !gone.contains(&table.oid))
        .map(ListedTable::qualified_name)
        .collect();
    let asked: BTreeSet<&str> = order
        .rules
        .iter()
        .map(|rule| rule.name.as_str())
        .chain(order.known.iter().copied())
        .collect();
    CountedTables {
        tables: told
            .iter()
            .filter(|told| !gone.contains(&told.table.oid))
            .map(|told| {
                let parts: Vec<_> = told
                    .members
                    .iter()
                    .filter(|member| !gone.contains(&member.oid))
                    .copied()
                    .collect();
                let (rows, count, lower_bound) = sum(&parts, told.enough(), counts);
                let (oid, relfilenode, name) = (
                    told.table.oid,
                    told.table.relfilenode,
                    told.table.qualified_name(),
                );
                TableEvidence {
                    database: database.to_owned(),
                    name,
                    oid,
                    relfilenode,
                    rows,
                    count,
                    lower_bound,
                }
            })
            .collect(),
        table_count: i64::try_from(
            list.roots()
                .filter(|table| !gone.contains(&table.oid))
                .count(),
        )
        .unwrap_or(i64::MAX),
        total_rows: counts
            .values()
            .filter(|counted| counted.is_all)
            .map(|counted| counted.rows)
            .fold(0, i64::saturating_add),
        absent: asked
            .into_iter()
            .filter(|name| !names.contains(*name))
            .map(ToOwned::to_owned)
            .collect(),
        failures: Vec::new(),
        budget_left: order.budget,
    }
}

/// The rows of a table that consists of these, how well they are known, and how many of them
/// surely.
fn sum(
    parts: &[&ListedTable],
    enough: Option<i64>,
    counts: &BTreeMap<i64, Counted>,
) -> (i64, CountKind, Option<i64>) {
    let (mut surely, mut best, mut is_all) = (0_i64, 0_i64, true);
    for part in parts {
        let counted = counts.get(&part.oid);
        let least = counted.map_or(0, |counted| counted.rows);
        surely = surely.saturating_add(least);
        if counted.is_some_and(|counted| counted.is_all) {
            best = best.saturating_add(least);
        } else {
            is_all = false;
            best = best.saturating_add(least.max(part.estimated_rows));
        }
    }
    match enough {
        _ if is_all => (surely, CountKind::Exact, None),
        Some(enough) if surely >= enough => (surely, CountKind::LowerBound, None),
        _ => (
            best,
            CountKind::Estimated,
            Some(surely).filter(|surely| *surely > 0),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tables::tests::listed;
    use super::*;

    fn rule(name: &str, min_rows: Option<i64>, max_drop_percent: Option<i32>) -> TableRule {
        TableRule {
            name: format!("public.{name}"),
            min_rows,
            max_drop_percent,
            ..TableRule::default()
        }
    }

    fn names(told: &[Told<'_>]) -> Vec<String> {
        told.iter().map(|told| told.table.name.clone()).collect()
    }

    #[test]
    fn tables_with_rules_come_first_then_known_ones_then_the_largest() {
        let list = TableList {
            tables: vec![
                listed(1, "tiny", false, 1),
                listed(2, "large", false, 9_000),
                listed(3, "known", false, 5),
                listed(4, "ruled", false, 0),
                listed(5, "events", true, 0),
                listed(6, "events_1", false, 100_000),
            ],
            parents: [(6, 5)].into(),
        };
        let (ruled, gone) = (rule("ruled", None, None), rule("no_such_table", None, None));
        let order = |table_limit| CountOrder {
            rules: vec![&ruled, &gone],
            known: vec!["public.known", "public.dropped"],
            table_limit,
            ..CountOrder::default()
        };
        assert_eq!(
            names(&select(&list, &order(9))),
            ["ruled", "known", "events", "large", "tiny"]
        );
        let few = order(2);
        let told = select(&list, &few);
        assert_eq!(names(&told), ["ruled", "known", "events"]);
        let evidence = build_evidence("d", &list, &few, &told, &BTreeMap::new(), &BTreeSet::new());
        assert_eq!(
            (evidence.table_count, evidence.absent),
            (
                5,
                vec![
                    "public.dropped".to_owned(),
                    "public.no_such_table".to_owned()
                ]
            )
        );
    }

    #[test]
    fn a_partition_is_told_by_itself_only_where_a_rule_names_it() {
        let list = TableList {
            tables: vec![
                listed(5, "events", true, 0),
                listed(6, "events_1", false, 7),
            ],
            parents: [(6, 5)].into(),
        };
        let named = rule("events_1", None, None);
        let order = CountOrder {
            rules: vec![&named],
            known: vec!["public.events_1"],
            table_limit: 9,
            ..CountOrder::default()
        };
        let told = select(&list, &order);
        assert_eq!(names(&told), ["events_1", "events"]);
        let counts = [(
            6,
            Counted {
                rows: 8,
                is_all: true,
            },
        )]
        .into();
        let evidence = build_evidence("d", &list, &order, &told, &counts, &BTreeSet::new());
        assert_eq!(
            evidence
                .tables
                .iter()
                .map(|table| table.rows)
                .collect::<Vec<_>>(),
            [8, 8]
        );
        assert_eq!(
            (evidence.total_rows, evidence.table_count),
            (8, 1),
            "its rows are there once"
        );
    }

    #[test]
    fn only_what_was_counted_to_its_end_is_exact() {
        let (one, two) = (listed(1, "one", false, 700), listed(2, "two", false, 900));
        let all = |rows| Counted { rows, is_all: true };
        let some = |rows| Counted {
            rows,
            is_all: false,
        };
        let sum = |enough, counts: &[(i64, Counted)]| {
            sum(&[&one, &two], enough, &counts.iter().copied().collect())
        };
        assert_eq!(
            sum(None, &[(1, all(5)), (2, all(6))]),
            (11, CountKind::Exact, None)
        );
        assert_eq!(
            sum(None, &[(1, all(5))]),
            (905, CountKind::Estimated, Some(5))
        );
        assert_eq!(
            sum(None, &[(1, all(5)), (2, some(100))]),
            (905, CountKind::Estimated, Some(105))
        );
        assert_eq!(sum(None, &[]), (1_600, CountKind::Estimated, None));
        assert_eq!(
            sum(Some(100), &[(2, some(100))]),
            (100, CountKind::LowerBound, None)
        );
        assert_eq!(
            sum(Some(100), &[(1, all(5)), (2, all(6))]),
            (11, CountKind::Exact, None)
        );
        assert_eq!(
            sum(Some(100), &[(1, all(50))]),
            (950, CountKind::Estimated, Some(50))
        );
    }

    #[test]
    fn a_minimum_is_enough_for_a_large_table_whose_share_nobody_asks_about() {
        let (large, small) = (
            listed(1, "large", false, 2_000_000),
            listed(2, "small", false, 900),
        );
        let enough = |table, rule: &TableRule| {
            Told {
                table,
                members: vec![table],
                rule: Some(rule),
            }
            .enough()
        };
        assert_eq!(enough(&large, &rule("large", Some(10), None)), Some(10));
        assert_eq!(enough(&large, &rule("large", Some(10), Some(20))), None);
        assert_eq!(enough(&small, &rule("small", Some(10), None)), None);
        assert_eq!(enough(&large, &rule("large", None, None)), None);
    }
}
