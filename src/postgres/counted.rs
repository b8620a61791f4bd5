//! What was counted, as evidence. Pure.

use std::collections::BTreeSet;

use crate::api::{Coverage, TableEvidence};

use super::coverage::build_coverage;
use super::selection::{select, sum};
use super::{CountOrder, ListedTable, TableList, Tally};

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
    /// How much of the database was counted.
    pub coverage: Coverage,
}

/// Joins what was counted into evidence. What was dropped meanwhile is not there any more.
#[must_use]
pub fn build_tables(
    database: &str,
    list: &TableList,
    order: &CountOrder<'_>,
    tally: &Tally,
) -> CountedTables {
    let told = &select(list, order);
    let Tally { counts, gone, .. } = tally;
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
        .chain(order.known.iter().map(|known| known.name.as_str()))
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
                    unlogged: told.table.unlogged || parts.iter().any(|part| part.unlogged),
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
        coverage: build_coverage(database, list, told, tally),
    }
}

#[cfg(test)]
mod tests {
    use super::super::selection::Counted;
    use super::super::tables::tests::listed;
    use super::*;
    use crate::api::{KnownTable, TableRule};

    fn rule(name: &str) -> TableRule {
        TableRule {
            name: format!("public.{name}"),
            ..TableRule::default()
        }
    }

    #[test]
    fn what_was_asked_for_and_does_not_exist_is_named() {
        let list = TableList {
            tables: vec![listed(1, "known", false, 5), listed(2, "ruled", false, 0)],
            ..TableList::default()
        };
        let (ruled, gone) = (rule("ruled"), rule("no_such_table"));
        let known_table = |name: &str| KnownTable {
            database: "d".to_owned(),
            name: format!("public.{name}"),
            rows: None,
        };
        let (known, dropped) = (known_table("known"), known_table("dropped"));
        let order = CountOrder {
            rules: vec![&ruled, &gone],
            known: vec![&known, &dropped],
            ..CountOrder::default()
        };
        let found = build_tables("d", &list, &order, &Tally::default());
        assert_eq!(found.absent, ["public.dropped", "public.no_such_table"]);
        assert_eq!(
            (found.table_count, found.tables.len()),
            (2, 1),
            "there was space for those with rules only"
        );
    }

    #[test]
    fn the_rows_of_a_partition_with_a_rule_are_there_once() {
        let mut list = TableList {
            tables: vec![
                listed(5, "events", true, 0),
                listed(6, "events_1", false, 7),
            ],
            parents: [(6, 5)].into(),
        };
        list.tables[1].unlogged = true;
        let named = rule("events_1");
        let order = CountOrder {
            rules: vec![&named],
            table_limit: 9,
            ..CountOrder::default()
        };
        let all = Counted {
            rows: 8,
            is_all: true,
        };
        let tally = Tally {
            counts: [(6, all)].into(),
            ..Tally::default()
        };
        let found = build_tables("d", &list, &order, &tally);
        let rows: Vec<_> = found
            .tables
            .iter()
            .map(|table| (table.rows, table.unlogged))
            .collect();
        assert_eq!(rows, [(8, true), (8, true)]);
        assert_eq!((found.total_rows, found.table_count), (8, 1));
    }
}
