//! Which tables there are and whether the role may count them. Views, foreign and temporary tables are never listed.

use std::collections::BTreeMap;

use super::{PostgresError, Session};

/// An ordinary table, or a partitioned one, which holds no rows itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedTable {
    /// Its object id.
    pub oid: i64,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Whether it is partitioned.
    pub partitioned: bool,
    /// Its file; none for a partitioned table.
    pub file_node: Option<i64>,
    /// The planner's estimate of its rows, never below 0.
    pub estimated_rows: i64,
    /// Its size in pages at the last analyze.
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

/// The tables of one database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableList {
    /// All of them.
    pub tables: Vec<ListedTable>,
    /// For each partitioned table its direct partitions.
    pub partitions: BTreeMap<i64, Vec<i64>>,
}

impl TableList {
    /// The ordinary tables below a partitioned one, at any depth.
    #[must_use]
    pub fn leaves(&self, parent: i64) -> Vec<&ListedTable> {
        let mut pending = vec![parent];
        let mut below = Vec::new();
        while let Some(oid) = pending.pop() {
            for partition in self.partitions.get(&oid).into_iter().flatten() {
                pending.push(*partition);
                below.push(*partition);
            }
        }
        self.tables.iter().filter(|table| !table.partitioned && below.contains(&table.oid)).collect()
    }
}

/// Lists the tables of the session's database.
pub async fn fetch_tables(session: &Session) -> Result<TableList, PostgresError> {
    let rows = session
        .fetch_rows(
            "select c.oid::bigint::text as oid, n.nspname::text as schema, c.relname::text as name, c.relkind = 'p' as partitioned, \
             coalesce(pg_catalog.pg_relation_filenode(c.oid), 0)::bigint::text as file_node, \
             greatest(c.reltuples, 0)::bigint::text as estimated, c.relpages::text as pages, \
             coalesce(pg_catalog.row_security_active(c.oid), false) as row_security, \
             coalesce(pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
                 and pg_catalog.has_any_column_privilege(c.oid, 'SELECT'), false) as readable \
             from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace \
             where c.relkind in ('r', 'p') and c.relpersistence <> 't' and n.nspname <> 'information_schema' \
             and not pg_catalog.starts_with(n.nspname::text, 'pg_') order by n.nspname, c.relname",
        )
        .await?;
    let mut list = TableList::default();
    for row in &rows {
        list.tables.push(ListedTable {
            oid: session.number(row, "oid")?,
            schema: session.text(row, "schema")?.to_owned(),
            name: session.text(row, "name")?.to_owned(),
            partitioned: session.truth(row, "partitioned")?,
            file_node: Some(session.number(row, "file_node")?).filter(|node| *node != 0),
            estimated_rows: session.number(row, "estimated")?,
            pages: session.number(row, "pages")?,
            row_security: session.truth(row, "row_security")?,
            readable: session.truth(row, "readable")?,
        });
    }
    let rows = session
        .fetch_rows(
            "select i.inhparent::bigint::text as parent, i.inhrelid::bigint::text as partition from pg_catalog.pg_inherits as i \
             join pg_catalog.pg_class as c on c.oid = i.inhparent where c.relkind = 'p'",
        )
        .await?;
    for row in &rows {
        list.partitions.entry(session.number(row, "parent")?).or_default().push(session.number(row, "partition")?);
    }
    Ok(list)
}
