//! The tables of a database, and what belongs to what. Pure.

use std::collections::{BTreeMap, BTreeSet};

/// An ordinary table, a partitioned one, which holds no rows itself, or a part of either that is
/// on another server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "answers of the catalog, each of which is yes or no by itself"
)]
pub struct ListedTable {
    /// Its object id.
    pub oid: i64,
    pub schema: String,
    pub name: String,
    /// Whether it is partitioned.
    pub partitioned: bool,
    /// Its file; none for a partitioned table.
    pub relfilenode: Option<i64>,
    /// The best estimate of its rows without a count, never below 0.
    pub estimated_rows: i64,
    /// Whether the statistics say that it has lost rows since it was analyzed, or that it has far
    /// more pages than its rows need.
    pub has_shrunk: bool,
    /// Its size in pages: at the last analyze, or as measured since.
    pub pages: i64,
    /// Whether no pages mean no rows, now.
    pub is_measured: bool,
    /// Whether it is stored in Postgres' own way, so that no pages are no rows.
    pub is_heap: bool,
    /// Whether a superuser owns it, so that nobody else can change it.
    pub of_superuser: bool,
    /// Whether row security would hide rows from the role.
    pub row_security: bool,
    /// Whether the role may read it.
    pub readable: bool,
    /// Whether a crash empties it, and a replica has none of its rows.
    pub unlogged: bool,
    /// Whether planning a statement about it would run code that no superuser has written.
    pub runs_code: bool,
    /// A column whose values take little to send; none as long as nobody has asked, or there is none.
    pub short_column: Option<String>,
    /// Whether rows of it are kept elsewhere, on other servers or by an extension.
    pub stored_elsewhere: bool,
    /// Whether its name can be written in SQL.
    pub can_be_named: bool,
}

impl ListedTable {
    /// `schema.table`, as rules and evidence spell it.
    #[must_use]
    pub fn qualified_name(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// Whether it is counted by COPY: to plan another statement may run what its owner has written, or
    /// writes in this moment.
    pub(super) const fn is_copied(&self) -> bool {
        !self.of_superuser || self.runs_code
    }

    /// Whether it is known to have no rows, without a count.
    pub(super) const fn is_surely_empty(&self) -> bool {
        self.is_heap && self.is_measured && self.pages == 0
    }
}

/// The tables of one database, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableList {
    /// All of them.
    pub tables: Vec<ListedTable>,
    /// For each partition, and each table that inherits, the table that it belongs to: the first
    /// one that it names.
    pub parents: BTreeMap<i64, i64>,
}

impl TableList {
    /// The tables that belong to no other one of the list.
    pub fn roots(&self) -> impl Iterator<Item = &ListedTable> {
        let listed: BTreeSet<i64> = self.tables.iter().map(|table| table.oid).collect();
        self.tables.iter().filter(move |table| {
            self.parents
                .get(&table.oid)
                .is_none_or(|parent| !listed.contains(parent))
        })
    }

    /// The tables with rows of their own that a table consists of, itself and all below it, by the
    /// object id of each table of the list.
    #[must_use]
    pub fn members(&self) -> BTreeMap<i64, Vec<&ListedTable>> {
        let mut members: BTreeMap<i64, Vec<&ListedTable>> = BTreeMap::new();
        for table in self.tables.iter().filter(|table| !table.partitioned) {
            let mut seen = BTreeSet::new();
            let mut above = Some(table.oid);
            while let Some(oid) = above.filter(|oid| seen.insert(*oid)) {
                members.entry(oid).or_default().push(table);
                above = self.parents.get(&oid).copied();
            }
        }
        members
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn listed(oid: i64, name: &str, partitioned: bool, estimated_rows: i64) -> ListedTable {
        ListedTable {
            oid,
            schema: "public".to_owned(),
            name: name.to_owned(),
            partitioned,
            relfilenode: Some(oid).filter(|_| !partitioned),
            estimated_rows,
            has_shrunk: false,
            pages: estimated_rows / 100,
            is_measured: false,
            is_heap: !partitioned,
            of_superuser: true,
            row_security: false,
            readable: true,
            unlogged: false,
            runs_code: false,
            short_column: None,
            stored_elsewhere: false,
            can_be_named: true,
        }
    }

    #[test]
    fn partitions_and_inheriting_tables_belong_to_the_table_above_all() {
        let list = TableList {
            tables: vec![
                listed(1, "events", true, 0),
                listed(2, "events_low", false, 0),
                listed(3, "events_high", true, 0),
                listed(4, "events_high_a", false, 0),
                listed(5, "parent", false, 0),
                listed(6, "child", false, 0),
                listed(7, "of_a_foreign_table", false, 0),
            ],
            parents: [(2, 1), (3, 1), (4, 3), (6, 5), (7, 99)].into(),
        };
        assert_eq!(
            list.roots()
                .map(|table| table.name.as_str())
                .collect::<Vec<_>>(),
            ["events", "parent", "of_a_foreign_table"]
        );
        let members = list.members();
        let names = |oid| {
            members.get(&oid).map(|tables| {
                tables
                    .iter()
                    .map(|table| table.name.as_str())
                    .collect::<Vec<_>>()
            })
        };
        assert_eq!(names(1), Some(vec!["events_low", "events_high_a"]));
        assert_eq!(names(3), Some(vec!["events_high_a"]));
        assert_eq!(
            names(5),
            Some(vec!["parent", "child"]),
            "its own rows, and those below"
        );
    }
}
