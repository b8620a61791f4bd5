//! Which tables of a database are reported, and how far each is to be counted. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{CountKind, KnownTable, TableRule};

use super::{ListedTable, TableList};

/// Up to this estimate a table is counted completely even where a threshold would do: it takes no
/// time and says more.
const THRESHOLD_FROM: i64 = 100_000;

/// What is asked about one database.
#[derive(Clone, Debug, Default)]
pub struct CountOrder<'a> {
    /// The rules of its tables.
    pub rules: Vec<&'a TableRule>,
    /// Tables that the last good check found.
    pub known: Vec<&'a KnownTable>,
    /// Whether tables without a rule are counted too.
    pub count_all: bool,
    /// The most tables to tell, those with rules not among them.
    pub table_limit: usize,
}

/// A table to be reported, and what it consists of.
#[derive(Clone, Debug)]
pub(super) struct Told<'a> {
    pub table: &'a ListedTable,
    /// The tables with rows that it consists of.
    pub members: Vec<&'a ListedTable>,
    pub rule: Option<&'a TableRule>,
    /// Whether every table is judged by the share of its rows that is left, unless its rule says
    /// otherwise.
    pub is_share_judged: bool,
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
        // What the statistics say has shrunk is not enough to be estimated.
        let has_shrunk = self.members.iter().any(|member| member.has_shrunk);
        // A minimum says nothing about the share that was lost, which is judged as well.
        let is_share_judged = match rule.max_drop_percent {
            Some(percent) => percent < 100,
            None => self.is_share_judged && !rule.volatile,
        };
        rule.min_rows
            .filter(|_| !is_share_judged && !has_shrunk && estimated > THRESHOLD_FROM)
    }
}

/// The rows of one table as far as they were counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub rows: i64,
    /// Whether that is all of them.
    pub is_all: bool,
}

/// Chooses what is reported: tables with rules, those that the last good check found, and then the
/// largest.
pub(super) fn select<'a>(list: &'a TableList, order: &CountOrder<'a>) -> Vec<Told<'a>> {
    let members = list.members();
    let told = |table: &'a ListedTable, rule| Told {
        table,
        members: members.get(&table.oid).cloned().unwrap_or_default(),
        rule,
        is_share_judged: order.count_all,
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
    let known: BTreeSet<&str> = order
        .known
        .iter()
        .map(|known| known.name.as_str())
        .collect();
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

/// The rows of a table that consists of these, how well they are known, and how many of them
/// surely.
pub(super) fn sum(
    parts: &[&ListedTable],
    enough: Option<i64>,
    counts: &BTreeMap<i64, Counted>,
) -> (i64, CountKind, Option<i64>) {
    let (mut surely, mut best, mut is_all) = (0_i64, 0_i64, true);
    for part in parts {
        let counted = counts.get(&part.oid).filter(|_| !part.stored_elsewhere);
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

    fn known_table(name: &str) -> KnownTable {
        KnownTable {
            database: "d".to_owned(),
            name: format!("public.{name}"),
            rows: None,
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
        let (known, dropped) = (known_table("known"), known_table("dropped"));
        let order = |table_limit| CountOrder {
            rules: vec![&ruled, &gone],
            known: vec![&known, &dropped],
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
        let (named, known) = (rule("events_1", None, None), known_table("events_1"));
        let order = CountOrder {
            rules: vec![&named],
            known: vec![&known],
            table_limit: 9,
            ..CountOrder::default()
        };
        let told = select(&list, &order);
        assert_eq!(names(&told), ["events_1", "events"]);
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
        let shrunk = ListedTable {
            has_shrunk: true,
            ..large.clone()
        };
        let enough = |table, rule: &TableRule, is_share_judged| {
            Told {
                table,
                members: vec![table],
                rule: Some(rule),
                is_share_judged,
            }
            .enough()
        };
        let minimum = rule("large", Some(10), None);
        assert_eq!(enough(&large, &minimum, false), Some(10));
        assert_eq!(
            enough(&large, &minimum, true),
            None,
            "of 2,000,000 rows 1,500 may be left, and are more than 10"
        );
        let any = |share| enough(&large, &rule("large", Some(10), Some(share)), true);
        assert_eq!((any(20), any(100)), (None, Some(10)));
        assert_eq!(enough(&small, &rule("small", Some(10), None), false), None);
        assert_eq!(enough(&large, &rule("large", None, None), false), None);
        assert_eq!(enough(&shrunk, &rule("large", Some(10), None), false), None);
    }
}
