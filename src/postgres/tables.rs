//! Which tables there are, what belongs to what, and whether the role may count them. Views,
//! foreign and temporary tables are never listed.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::SimpleQueryRow;

use super::{PostgresError, Session};

/// Both statements give all that counting needs of the catalog; they run in one round trip.
pub(super) const TABLES_QUERY: &str = "select c.oid::bigint::text as oid, n.nspname::text as \
     schema, c.relname::text as name, c.relkind = 'p' as partitioned, \
     coalesce(pg_catalog.pg_relation_filenode(c.oid), 0)::bigint::text as relfilenode, \
     greatest(c.reltuples, 0)::bigint::text as estimated, c.relpages::text as pages, \
     coalesce(pg_catalog.row_security_active(c.oid), false) as row_security, \
     coalesce(pg_catalog.has_schema_privilege(n.oid, 'USAGE') and \
     pg_catalog.has_any_column_privilege(c.oid, 'SELECT'), false) as readable from \
     pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace where \
     c.relkind in ('r', 'p') and c.relpersistence <> 't' and n.nspname <> 'information_schema' and \
     not pg_catalog.starts_with(n.nspname::text, 'pg_') order by n.nspname, c.relname; select \
     inhrelid::bigint::text as child, inhparent::bigint::text as parent from \
     pg_catalog.pg_inherits order by inhrelid, inhseqno";

/// An ordinary table, or a partitioned one, which holds no rows itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedTable {
    /// Its object id.
    pub oid: i64,
    pub schema: String,
    pub name: String,
    /// Whether it is partitioned.
    pub partitioned: bool,
    /// Its file; none for a partitioned table.
    pub relfilenode: Option<i64>,
    /// The planner's estimate of its rows, never below 0.
    pub estimated_rows: i64,
    /// Its size in pages: at the last analyze, or as measured since.
    pub pages: i64,
    /// Whether row security would hide rows from the role.
    pub row_security: bool,
    /// Whether the role may read it.
    pub readable: bool,
}

impl ListedTable {
    /// `schema.table`, as rules and evidence spell it.
    #[must_use]
    pub fn qualified_name(&self) -> String {
        format!("{}.{}", self.schema, self.name)
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

/// Lists the tables of the session's database.
pub async fn fetch_tables(session: &Session) -> Result<TableList, PostgresError> {
    read_tables(session, &session.fetch_sets(TABLES_QUERY).await?)
}

/// Reads the answer to [`TABLES_QUERY`].
pub(super) fn read_tables(
    session: &Session,
    sets: &[Vec<SimpleQueryRow>],
) -> Result<TableList, PostgresError> {
    let mut list = TableList::default();
    for row in sets.first().into_iter().flatten() {
        list.tables.push(ListedTable {
            oid: session.number(row, "oid")?,
            schema: session.text(row, "schema")?.to_owned(),
            name: session.text(row, "name")?.to_owned(),
            partitioned: session.truth(row, "partitioned")?,
            relfilenode: Some(session.number(row, "relfilenode")?).filter(|node| *node != 0),
            estimated_rows: session.number(row, "estimated")?,
            pages: session.number(row, "pages")?,
            row_security: session.truth(row, "row_security")?,
            readable: session.truth(row, "readable")?,
        });
    }
    for row in sets.get(1).into_iter().flatten() {
        list.parents
            .entry(session.number(row, "child")?)
            .or_insert(session.number(row, "parent")?);
    }
    Ok(list)
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
            pages: estimated_rows / 100,
            row_security: false,
            readable: true,
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
