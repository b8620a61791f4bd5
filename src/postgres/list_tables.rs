//! Which tables there are, and whether the role may count them. Views and temporary tables are never
//! listed.

use std::collections::BTreeSet;

use tokio_postgres::SimpleQueryRow;

use super::{
    ListedTable, PostgresError, PostgresErrorKind, Session, TableList, elsewhere, name_column,
    owner_code,
};

/// How many sets of rows answer [`build_query`].
pub(super) const ANSWERS: usize = 4;

/// More tables than this are not listed. Whoever may create tables could otherwise make an answer
/// that the agent has no memory for.
const TABLE_LIMIT: usize = 200_000;

/// The planner's number of rows of `c`, as the last analyze has left it, or none as -1: a restore
/// or a superuser may have put any number there, and one that is no whole number would be an error.
pub(super) const PLANNED_ROWS: &str =
    "case when c.reltuples >= 0 and c.reltuples < 1e15 then c.reltuples::bigint else -1 end";

/// These statements give all that counting needs of the catalog; they run in one round trip. A
/// table of another server is listed where it is part of one of this server.
pub(super) fn build_query() -> String {
    format!(
        "select c.oid::bigint::text as oid, {} as schema, {} as name, c.relkind::text as kind, \
         coalesce(pg_catalog.pg_relation_filenode(c.oid), 0)::bigint::text as relfilenode, \
         ({PLANNED_ROWS})::text as analyzed, c.relpages::text as pages, c.relpersistence = 'u' \
         as unlogged, coalesce(c.relam, 0) = 2 as heap, c.relowner in (select a.oid from \
         pg_catalog.pg_roles as a where a.rolsuper) as of_superuser, \
         coalesce(pg_catalog.pg_stat_get_live_tuples(c.oid), 0)::text as live, \
         coalesce(pg_catalog.pg_stat_get_dead_tuples(c.oid), 0)::text as dead, \
         coalesce(pg_catalog.pg_stat_get_tuples_deleted(c.oid), 0)::text as deleted, \
         coalesce(pg_catalog.row_security_active(c.oid), false) as row_security, \
         coalesce(pg_catalog.has_schema_privilege(n.oid, 'USAGE') and \
         pg_catalog.has_table_privilege(c.oid, 'SELECT'), false) as readable from \
         pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace \
         where (c.relkind in ('r', 'p') or c.relkind = 'f' and exists (select from \
         pg_catalog.pg_inherits as i where i.inhrelid = c.oid)) and c.relpersistence <> 't' and \
         n.nspname <> 'information_schema' and not pg_catalog.starts_with(n.nspname::text, 'pg_') \
         order by n.nspname, c.relname limit {limit}; select inhrelid::bigint::text as child, \
         inhparent::bigint::text as parent from pg_catalog.pg_inherits order by inhrelid, \
         inhseqno limit {limit}; select f.oid::bigint::text as oid from ({}) as f; {}",
        name_column("n.nspname"),
        name_column("c.relname"),
        owner_code::build_tables_query(),
        elsewhere::RECOGNITION,
        limit = TABLE_LIMIT + 1,
    )
}

/// The best estimate without a count: the statistics go with every change, until a crash forgets
/// them; the planner's number is that of the last analyze, and none after an upgrade or restore.
fn estimate(analyzed: Option<i64>, live: i64, deleted: i64) -> i64 {
    if live > 0 || deleted > 0 {
        live
    } else {
        analyzed.unwrap_or(0)
    }
}

/// Whether a table may have lost most of its rows: rows were deleted and not cleaned up yet, fewer
/// are there than the planner knows of, or hardly any for its pages.
fn has_shrunk(analyzed: Option<i64>, live: i64, dead: i64, deleted: i64, pages: i64) -> bool {
    let is_known = analyzed.is_some() || live > 0 || deleted > 0;
    let was_more = analyzed.is_some_and(|analyzed| live < analyzed / 2);
    deleted > 0 && (dead >= live.max(1) || was_more)
        || is_known && estimate(analyzed, live, deleted) < pages
}

/// Lists the tables of the session's database.
pub async fn fetch_tables(session: &Session) -> Result<TableList, PostgresError> {
    read_tables(session, &session.fetch_sets(&build_query()).await?).await
}

/// Reads the answer to [`build_query`], and asks the extensions that keep rows elsewhere.
pub(super) async fn read_tables(
    session: &Session,
    sets: &[Vec<SimpleQueryRow>],
) -> Result<TableList, PostgresError> {
    if sets.iter().take(2).any(|rows| rows.len() > TABLE_LIMIT) {
        return Err(PostgresError::new(
            PostgresErrorKind::QueryFailed,
            format!(
                "database {} has more than {TABLE_LIMIT} tables or partitions, which are more than \
                 a check lists, so nothing was counted. Drop those that nobody needs",
                session.database()
            ),
        ));
    }
    let mut list = TableList::default();
    let with_code = sets.get(2).into_iter().flatten();
    let with_code: BTreeSet<i64> = with_code
        .map(|row| session.number(row, "oid"))
        .collect::<Result<_, _>>()?;
    for row in sets.first().into_iter().flatten() {
        let oid = session.number(row, "oid")?;
        let kind = session.text(row, "kind")?;
        // Of a table that was never analyzed the planner says -1, older releases 0.
        let analyzed = Some(session.number(row, "analyzed")?).filter(|rows| *rows >= 0);
        let (live, dead, deleted) = (
            session.number(row, "live")?,
            session.number(row, "dead")?,
            session.number(row, "deleted")?,
        );
        let pages = session.number(row, "pages")?;
        let (schema, is_schema_exact) = session.name(row, "schema")?;
        let (name, is_name_exact) = session.name(row, "name")?;
        list.tables.push(ListedTable {
            oid,
            schema,
            name,
            partitioned: kind == "p",
            relfilenode: Some(session.number(row, "relfilenode")?).filter(|node| *node != 0),
            estimated_rows: estimate(analyzed, live, deleted),
            has_shrunk: has_shrunk(analyzed, live, dead, deleted, pages),
            pages,
            is_measured: false,
            is_heap: session.truth(row, "heap")?,
            of_superuser: session.truth(row, "of_superuser")?,
            row_security: session.truth(row, "row_security")?,
            readable: session.truth(row, "readable")?,
            unlogged: session.truth(row, "unlogged")?,
            runs_code: with_code.contains(&oid),
            short_column: None,
            stored_elsewhere: kind == "f",
            can_be_named: is_schema_exact && is_name_exact,
        });
    }
    for row in sets.get(1).into_iter().flatten() {
        list.parents
            .entry(session.number(row, "child")?)
            .or_insert(session.number(row, "parent")?);
    }
    pass_owner_code_down(&mut list);
    let recognized = sets.get(ANSWERS - 1).map(Vec::as_slice);
    elsewhere::apply(session, recognized.unwrap_or_default(), &mut list).await?;
    Ok(list)
}

/// What is true of a partitioned table is true of its parts.
fn pass_owner_code_down(list: &mut TableList) {
    let of_partitioned: BTreeSet<i64> = list
        .tables
        .iter()
        .filter(|table| table.partitioned && table.runs_code)
        .map(|table| table.oid)
        .collect();
    if of_partitioned.is_empty() {
        return;
    }
    for table in &mut list.tables {
        let mut seen = BTreeSet::new();
        let mut above = list.parents.get(&table.oid).copied();
        while let Some(oid) = above.filter(|oid| seen.insert(*oid)) {
            table.runs_code |= of_partitioned.contains(&oid);
            above = list.parents.get(&oid).copied();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tables::tests::listed;
    use super::*;

    #[test]
    fn the_statistics_say_more_than_the_last_analyze_until_a_crash_forgets_them() {
        // Analyzed, live, dead, deleted since the statistics began, pages: estimate, shrunk.
        let cases = [
            (
                (Some(1_000_000), 1_000_000, 0, 0, 9_000),
                (1_000_000, false),
            ),
            ((Some(1_000_000), 0, 0, 0, 9_000), (1_000_000, false)),
            ((None, 0, 0, 0, 9_000), (0, false)),
            // DELETE of all, then a few new rows: before anything, after analyze, after VACUUM.
            (
                (Some(1_000_000), 85, 1_000_000, 1_000_000, 9_000),
                (85, true),
            ),
            ((Some(85), 85, 1_000_000, 1_000_000, 9_000), (85, true)),
            ((Some(85), 85, 0, 1_000_000, 9_000), (85, true)),
            ((Some(85), 0, 0, 0, 9_000), (85, true)),
            (
                (Some(1_000_000), 990_000, 10_000, 10_000, 9_000),
                (990_000, false),
            ),
            ((Some(0), 0, 0, 0, 0), (0, false)),
        ];
        for ((analyzed, live, dead, deleted, pages), expected) in cases {
            assert_eq!(
                (
                    estimate(analyzed, live, deleted),
                    has_shrunk(analyzed, live, dead, deleted, pages)
                ),
                expected,
                "{analyzed:?} {live} {dead} {deleted} {pages}"
            );
        }
    }

    #[test]
    fn the_parts_of_a_table_are_read_by_its_partition_key() {
        let mut list = TableList {
            tables: vec![
                listed(1, "events", true, 0),
                listed(2, "events_low", false, 0),
                listed(3, "other", false, 0),
            ],
            parents: [(2, 1)].into(),
        };
        list.tables[0].runs_code = true;
        pass_owner_code_down(&mut list);
        let code: Vec<bool> = list.tables.iter().map(|table| table.runs_code).collect();
        assert_eq!(code, [true, true, false]);
    }
}
