//! Code that the owner of a table has written, and that the server runs as our role before it even
//! reads the table: it evaluates the constant parts of index expressions, partial predicates,
//! extended statistics and partition keys while it plans a statement. Such tables are not read.

use std::collections::{BTreeMap, BTreeSet};

use super::{PostgresError, Session, name_column};

/// Which tables a statement can't be planned for without running code of somebody who is not a
/// superuser, and what else may run because it was seen to be harmless.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OwnerCode {
    /// A function or type for each of these tables, by the table's object id.
    pub functions: BTreeMap<i64, String>,
    /// Indexes with expressions or predicates, and extended statistics, of each of the others.
    pub harmless: BTreeMap<i64, BTreeSet<i64>>,
}

/// Everything that leads from a function to a table goes by dependencies that the server itself
/// notes: other functions, operators, types and constraints of types. What came with the server
/// leaves no such note. A domain is code as well: its owner may add a check at any time.
pub(super) fn build_query() -> String {
    format!(
        "select f.oid::bigint::text as oid, {} as code from ({}) as f; {OWN_OBJECTS}",
        name_column("f.code"),
        build_tables_query()
    )
}

/// The tables with code, by object id and name of the code.
pub(super) fn build_tables_query() -> String {
    let class = |name: &str| format!("'pg_catalog.{name}'::pg_catalog.regclass::pg_catalog.oid");
    let (function, kind, index, statistics, constraint) = (
        class("pg_proc"),
        class("pg_type"),
        class("pg_class"),
        class("pg_statistic_ext"),
        class("pg_constraint"),
    );
    let operator = class("pg_operator");
    let superusers = "(select a.oid from pg_catalog.pg_roles as a where a.rolsuper)";
    format!(
        "with recursive reached(class, object, is_type, code) as (select {function}, p.oid, false, \
         p.oid from pg_catalog.pg_proc as p where p.proowner not in {superusers} union select \
         {kind}, t.oid, true, t.oid from pg_catalog.pg_type as t where t.typtype = 'd' and \
         t.typowner not in {superusers} union select d.class, d.object, r.is_type, r.code from \
         reached as r cross join lateral (select classid, objid from pg_catalog.pg_depend where \
         refclassid = r.class and refobjid = r.object and objsubid = 0 and classid in ({index}, \
         {statistics}, {function}, {operator}, {kind}, {constraint}) union all select {kind}, \
         contypid from pg_catalog.pg_constraint where r.class = {constraint} and oid = r.object \
         and contypid <> 0) as d(class, object)), found(relation, is_type, code) as (select \
         i.indrelid, r.is_type, r.code from reached as r join pg_catalog.pg_index as i on r.class \
         = {index} and i.indexrelid = r.object union all select p.partrelid, r.is_type, r.code \
         from reached as r join pg_catalog.pg_partitioned_table as p on r.class = {index} and \
         p.partrelid = r.object union all select s.stxrelid, r.is_type, r.code from reached as r \
         join pg_catalog.pg_statistic_ext as s on r.class = {statistics} and s.oid = r.object) \
         select f.relation as oid, case when f.is_type then pg_catalog.format('type %s', \
         f.code::pg_catalog.regtype) else pg_catalog.format('function %s', \
         f.code::pg_catalog.regprocedure) end as code from (select distinct on (relation) \
         relation, is_type, code from found order by relation, is_type, code) as f"
    )
}

/// Indexes with expressions or predicates, and extended statistics, of tables of users.
const OWN_OBJECTS: &str = "select i.indrelid::bigint::text as oid, i.indexrelid::bigint::text as \
    object from pg_catalog.pg_index as i where (i.indexprs is not null or i.indpred is not null) \
    and i.indrelid >= 16384 union all select s.stxrelid::bigint::text, s.oid::bigint::text from \
    pg_catalog.pg_statistic_ext as s";

/// Reads the two answers to [`build_query`].
pub(super) fn read(
    session: &Session,
    sets: &[Vec<tokio_postgres::SimpleQueryRow>],
) -> Result<OwnerCode, PostgresError> {
    let mut code = OwnerCode::default();
    for row in sets.first().into_iter().flatten() {
        code.functions
            .insert(session.number(row, "oid")?, session.name(row, "code")?.0);
    }
    for row in sets.get(1).into_iter().flatten() {
        code.harmless
            .entry(session.number(row, "oid")?)
            .or_default()
            .insert(session.number(row, "object")?);
    }
    Ok(code)
}

/// A question that fails if one of these tables has got an index or statistics since, with which
/// its owner may have added code: asked in the statement before a count, in its transaction.
pub(super) fn build_recheck(tables: &[(i64, &BTreeSet<i64>)]) -> String {
    let list = |numbers: &mut dyn Iterator<Item = i64>| {
        numbers
            .map(|number| number.to_string())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let relations = list(&mut tables.iter().map(|(oid, _)| *oid));
    // No object has the number 0: the list is never empty.
    let harmless = list(
        &mut std::iter::once(0).chain(tables.iter().flat_map(|(_, known)| known.iter().copied())),
    );
    format!(
        "select 1 / (case when pg_catalog.count(*) = 0 then 1 else 0 end) as unchanged from \
         (select i.indexrelid from pg_catalog.pg_index as i where i.indrelid in ({relations}) and \
         (i.indexprs is not null or i.indpred is not null) and i.indexrelid not in ({harmless}) \
         union all select s.oid from pg_catalog.pg_statistic_ext as s where s.stxrelid in \
         ({relations}) and s.oid not in ({harmless})) as added"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recheck_leaves_out_what_was_seen() {
        let (none, some) = (BTreeSet::new(), BTreeSet::from([7, 8]));
        let recheck = build_recheck(&[(5, &none), (6, &some)]);
        assert!(recheck.contains("i.indrelid in (5, 6)"), "{recheck}");
        assert!(recheck.contains("s.oid not in (0, 7, 8)"), "{recheck}");
    }
}
