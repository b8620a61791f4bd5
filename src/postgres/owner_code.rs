//! Code that the owner of a table has written, and that the server runs as our role before it even
//! reads the table: it evaluates the constant parts of index expressions, partial predicates,
//! extended statistics and partition keys while it plans a statement.

/// The object id of `satisfies_hash_partition`, on every version. It evaluates the partition key of
/// the table whose number it is given, and a number leaves no dependency.
const SATISFIES_HASH_PARTITION: &str = "5028";

/// The tables with code, by object id and name of the code.
///
/// Everything that leads from a function to a table goes by dependencies that the server itself
/// notes: other functions, operators, types and constraints of types. What came with the server
/// leaves no such note. A domain is code as well: its owner may add a check at any time. So is a row
/// type, to which its owner may add a domain.
///
/// What is reached is noted once, whichever code it was reached from: an owner could make very many
/// functions that call each other. Which one to name is looked up at the end.
pub(super) fn build_tables_query() -> String {
    let class = |name: &str| format!("'pg_catalog.{name}'::pg_catalog.regclass::pg_catalog.oid");
    let (function, kind, relation, statistics, constraint, operator) = (
        class("pg_proc"),
        class("pg_type"),
        class("pg_class"),
        class("pg_statistic_ext"),
        class("pg_constraint"),
        class("pg_operator"),
    );
    let superusers = "(select a.oid from pg_catalog.pg_roles as a where a.rolsuper)";
    // With expressions that are evaluated while a statement is planned. Not every version has those
    // of statistics, and nothing else in their row looks like them.
    let planned = format!(
        "select {relation} as class, i.indexrelid as object, i.indrelid as relation, \
         pg_catalog.concat(i.indexprs, i.indpred) as tree from pg_catalog.pg_index as i where \
         (i.indexprs is not null or i.indpred is not null) and i.indrelid >= 16384 union all select \
         {relation}, p.partrelid, p.partrelid, p.partexprs::text from \
         pg_catalog.pg_partitioned_table as p where p.partexprs is not null union all select \
         {statistics}, s.oid, s.stxrelid, pg_catalog.to_jsonb(s) ->> 'stxexprs' from \
         pg_catalog.pg_statistic_ext as s"
    );
    format!(
        "with recursive planned as ({planned}), reached(class, object) as (select \
         {function}, p.oid from pg_catalog.pg_proc as p where p.proowner not in {superusers} union \
         select {kind}, t.oid from pg_catalog.pg_type as t where t.typtype = 'd' and t.typowner not \
         in {superusers} union select d.class, d.object from reached as r cross join lateral \
         (select classid, objid from pg_catalog.pg_depend where refclassid = r.class and refobjid = \
         r.object and objsubid = 0 and classid in ({relation}, {statistics}, {function}, {operator}, \
         {kind}, {constraint}) union all select {kind}, w.reltype from pg_catalog.pg_depend as a \
         join pg_catalog.pg_class as w on w.oid = a.objid and w.reltype <> 0 where r.class = {kind} \
         and a.refclassid = r.class and a.refobjid = r.object and a.classid = {relation} and \
         a.objsubid <> 0 union all select {kind}, contypid from pg_catalog.pg_constraint where \
         r.class = {constraint} and oid = r.object and contypid <> 0) as d(class, object) where \
         r.class not in ({relation}, {statistics})), found(relation, rank, code) as (select \
         p.relation, case when d.refclassid = {function} then 1 when d.refclassid = {kind} then 2 \
         else 3 end, case d.refclassid when {function} then pg_catalog.format('function %s', \
         d.refobjid::pg_catalog.regprocedure) when {kind} then pg_catalog.format('type %s', \
         d.refobjid::pg_catalog.regtype) else pg_catalog.format('operator %s', \
         d.refobjid::pg_catalog.regoperator) end from planned as p join pg_catalog.pg_depend as d on \
         d.classid = p.class and d.objid = p.object and d.objsubid = 0 join reached as r on r.class \
         = d.refclassid and r.object = d.refobjid and r.class in ({function}, {kind}, {operator}) \
         union all select p.relation, 2, pg_catalog.format('type %s', t.oid::pg_catalog.regtype) \
         from planned as p join pg_catalog.pg_depend as d on d.classid = p.class and d.objid = \
         p.object and d.objsubid = 0 and d.refclassid = {kind} join pg_catalog.pg_type as t on t.oid \
         = d.refobjid join pg_catalog.pg_type as y on y.oid in (t.oid, t.typelem) and y.typtype = \
         'c' and y.typowner not in {superusers} union all select p.relation, 4, 'the partition key \
         of another table' from planned as p where pg_catalog.strpos(p.tree, ':funcid \
         {SATISFIES_HASH_PARTITION} ') > 0) select f.relation as oid, f.code from (select distinct \
         on (relation) relation, code from found order by relation, rank, code) as f"
    )
}
