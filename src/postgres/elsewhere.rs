//! Tables whose rows an extension keeps elsewhere: `TimescaleDB` compresses old chunks into tables of
//! its own, Citus moves rows to other servers. A count would find none of them.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::SimpleQueryRow;

use super::{PostgresError, Session, TableList, name_column};

/// Which of the catalogs of these extensions are there. Only those of superusers: whoever owns a
/// database can make a schema of that name.
pub(super) const RECOGNITION: &str = "select n.nspname::text as schema, c.relname::text as name \
    from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace join \
    pg_catalog.pg_roles as a on a.oid = c.relowner and a.rolsuper where c.relkind = 'r' and \
    (n.nspname = '_timescaledb_catalog' and c.relname in ('hypertable', 'chunk') or n.nspname = \
    'pg_catalog' and c.relname in ('pg_dist_partition', 'pg_dist_shard'))";

/// The schemas that `TimescaleDB` keeps its own tables in. Those come and go with compression, and
/// hold what other tables count.
const INTERNAL_SCHEMAS: &str = "_timescaledb_";

/// Marks the tables with rows elsewhere, and leaves out what only holds rows of others. `rows` is
/// the answer to [`RECOGNITION`].
pub(super) async fn apply(
    session: &Session,
    rows: &[SimpleQueryRow],
    list: &mut TableList,
) -> Result<(), PostgresError> {
    let mut names = BTreeSet::new();
    for row in rows {
        names.insert(session.text(row, "name")?);
    }
    let has = |wanted: [&str; 2]| wanted.iter().all(|name| names.contains(name));
    if has(["hypertable", "chunk"]) {
        apply_timescale(session, list).await?;
    }
    if names.contains("pg_dist_partition") {
        apply_citus(session, names.contains("pg_dist_shard"), list).await?;
    }
    Ok(())
}

/// A hypertable with a compressed chunk has rows elsewhere.
async fn apply_timescale(session: &Session, list: &mut TableList) -> Result<(), PostgresError> {
    let question = format!(
        "select {} as schema, {} as name, exists (select from _timescaledb_catalog.chunk as k where \
         k.hypertable_id = h.id and k.compressed_chunk_id is not null) as elsewhere from \
         _timescaledb_catalog.hypertable as h",
        name_column("h.schema_name"),
        name_column("h.table_name"),
    );
    let mut hypertables = BTreeMap::new();
    match session.fetch_rows(&question).await {
        Ok(rows) => {
            for row in &rows {
                hypertables.insert(
                    (session.name(row, "schema")?.0, session.name(row, "name")?.0),
                    session.truth(row, "elsewhere")?,
                );
            }
        }
        Err(error) if error.kind.is_of_the_connection() => return Err(error),
        // Another version keeps its catalog otherwise, or the role may not read it: every table
        // with parts in its schemas may be one.
        Err(error) => {
            tracing::info!("TimescaleDB's catalog could not be read: {error}");
            mark_parents_of_internal(list);
        }
    }
    for table in &mut list.tables {
        let name = (table.schema.clone(), table.name.clone());
        table.stored_elsewhere |= hypertables.get(&name).copied().unwrap_or(false);
    }
    let internal = internal_trees(list);
    list.tables.retain(|table| !internal.contains(&table.oid));
    Ok(())
}

/// The tables of the extension's schemas, with their parts, that belong to no table of a user.
fn internal_trees(list: &TableList) -> BTreeSet<i64> {
    let is_internal: BTreeMap<i64, bool> = list
        .tables
        .iter()
        .map(|table| (table.oid, table.schema.starts_with(INTERNAL_SCHEMAS)))
        .collect();
    let top = |table: i64| {
        let mut top = table;
        let mut seen = BTreeSet::new();
        while let Some(parent) = list.parents.get(&top).copied()
            && is_internal.contains_key(&parent)
            && seen.insert(parent)
        {
            top = parent;
        }
        top
    };
    let oids = list.tables.iter().map(|table| table.oid);
    oids.filter(|oid| is_internal.get(&top(*oid)).copied().unwrap_or(false))
        .collect()
}

fn mark_parents_of_internal(list: &mut TableList) {
    let parents: BTreeSet<i64> = list
        .tables
        .iter()
        .filter(|table| table.schema.starts_with(INTERNAL_SCHEMAS))
        .filter_map(|table| list.parents.get(&table.oid).copied())
        .collect();
    for table in &mut list.tables {
        table.stored_elsewhere |= parents.contains(&table.oid);
    }
}

/// A distributed table is a shell here; its shards, if some are on this server, hold its rows.
async fn apply_citus(
    session: &Session,
    has_shards: bool,
    list: &mut TableList,
) -> Result<(), PostgresError> {
    let shards = if has_shards {
        "select logicalrelid::pg_catalog.oid::bigint::text as oid, shardid::text as shard from \
         pg_catalog.pg_dist_shard"
    } else {
        "select '0' as oid, '0' as shard where false"
    };
    let question = format!(
        "select logicalrelid::pg_catalog.oid::bigint::text as oid from \
         pg_catalog.pg_dist_partition; {shards}"
    );
    let sets = match session.fetch_sets(&question).await {
        Ok(sets) => sets,
        Err(error) if error.kind.is_of_the_connection() => return Err(error),
        Err(error) => {
            tracing::warn!("Citus' catalog could not be read: {error}");
            return Ok(());
        }
    };
    let mut distributed = BTreeSet::new();
    for row in sets.first().into_iter().flatten() {
        distributed.insert(session.number(row, "oid")?);
    }
    let names: BTreeMap<i64, (String, String)> = list
        .tables
        .iter()
        .map(|table| (table.oid, (table.schema.clone(), table.name.clone())))
        .collect();
    let mut shards = BTreeSet::new();
    for row in sets.get(1).into_iter().flatten() {
        if let Some((schema, name)) = names.get(&session.number(row, "oid")?) {
            let shard = session.text(row, "shard")?;
            shards.insert((schema.clone(), format!("{name}_{shard}")));
        }
    }
    for table in &mut list.tables {
        table.stored_elsewhere |= distributed.contains(&table.oid);
    }
    list.tables
        .retain(|table| !shards.contains(&(table.schema.clone(), table.name.clone())));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tables::tests::listed;
    use super::*;

    #[test]
    fn what_an_extension_keeps_for_itself_is_no_table_of_a_user() {
        let mut list = TableList {
            tables: vec![
                listed(1, "metrics", false, 0),
                listed(2, "_hyper_1_1_chunk", false, 0),
                listed(3, "compress_hyper_2_2_chunk", false, 9),
                listed(4, "_materialized_hypertable_3", false, 0),
                listed(5, "_hyper_3_3_chunk", false, 5),
            ],
            parents: [(2, 1), (5, 4)].into(),
        };
        for table in list.tables.iter_mut().skip(1) {
            table.schema = "_timescaledb_internal".to_owned();
        }
        assert_eq!(internal_trees(&list), [3, 4, 5].into());
        mark_parents_of_internal(&mut list);
        let elsewhere: Vec<i64> = list
            .tables
            .iter()
            .filter(|table| table.stored_elsewhere)
            .map(|table| table.oid)
            .collect();
        assert_eq!(elsewhere, [1, 4]);
    }
}
