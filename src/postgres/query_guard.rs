//! Code that a user's query would run although nobody has granted that: what the owners of tables
//! have put where a query on them goes. A query has conditions and expressions, so that is more than
//! for a count.

use super::owner_code;
use super::quote_literal;

/// Functions of somebody who is no superuser.
const FOREIGN: &str = "not in (select a.oid from pg_catalog.pg_roles as a where a.rolsuper)";

/// A question about the text of a query, to be asked before the server has parsed it: what of its
/// words names a function or operator that somebody could have put before one of the server's own.
/// `public` is searched after `pg_catalog`, but what fits the types of a column better is taken.
pub(super) fn build_question_about_text(query: &str) -> String {
    let text = format!("pg_catalog.lower({})", quote_literal(query));
    let holds = |name: &str| format!("pg_catalog.strpos({text}, pg_catalog.lower({name})) > 0");
    let words = format!("pg_catalog.regexp_split_to_array({text}, '[^a-z0-9_]+')");
    let names = |name: &str| {
        format!(
            "(pg_catalog.lower({name}) = any ({words}) or {name} ~ '[^A-Za-z0-9_]' and {})",
            holds(name)
        )
    };
    let (function, operator, schema, table, kind) = (
        names("p.proname::text"),
        holds("o.oprname::text"),
        names("n.nspname::text"),
        names("c.relname::text"),
        names("y.typname::text"),
    );
    // Every table has a type of its name.
    let named_types = format!(
        "select y.oid from pg_catalog.pg_type as y join pg_catalog.pg_namespace as n on n.oid = \
         y.typnamespace where y.typowner {FOREIGN} and {kind} and (n.nspname = 'public' or {schema}) \
         and not exists (select from pg_catalog.pg_class as c where c.oid = y.typrelid and c.relkind \
         <> 'c')"
    );
    // LIKE, IN and BETWEEN name no operator and use one.
    let own_operator = "o.oprname in (select b.oprname from pg_catalog.pg_operator as b where \
                        b.oprnamespace = 'pg_catalog'::pg_catalog.regnamespace)";
    format!(
        "select 'function ' || p.oid::pg_catalog.regprocedure::text as code from \
         pg_catalog.pg_proc as p join pg_catalog.pg_namespace as n on n.oid = p.pronamespace where \
         p.proowner {FOREIGN} and p.prokind in ('f', 'a', 'w') and {function} and (n.nspname = \
         'public' or {schema}) union all select 'operator ' || o.oid::pg_catalog.regoperator::text \
         from pg_catalog.pg_operator as o join pg_catalog.pg_namespace as n on n.oid = \
         o.oprnamespace join pg_catalog.pg_proc as p on p.oid = o.oprcode where p.proowner {FOREIGN} \
         and (n.nspname = 'public' and ({operator} or {own_operator}) or {schema} and {operator}) \
         union all select 'type ' || y.oid::pg_catalog.regtype::text from ({named_types}) as k join \
         pg_catalog.pg_type as y on y.oid = k.oid where y.typtype in ('d', 'r', 'm', 'c') union all \
         select code from ({}) as of_types(code) limit 1",
        build_question_about_types(&format!(
            "select t.atttypid from pg_catalog.pg_class as c join pg_catalog.pg_attribute as t on \
             {COLUMNS} and t.attrelid = c.oid where c.relkind in ('r', 'p', 'm', 'v', 'f') and {table} \
             union select k.oid from ({named_types}) as k"
        ))
    )
}

/// Columns with a type, as `t`.
const COLUMNS: &str = "t.attnum > 0 and not t.attisdropped";

/// A question about the tables that the server has locked for the query, and all below them; it
/// fails where one has code of its owner.
pub(super) fn build_question_about_tables() -> String {
    let tables = "with recursive below(oid) as (select l.relation from pg_catalog.pg_locks as l \
                  join pg_catalog.pg_class as c on c.oid = l.relation and c.oid >= 16384 where \
                  l.pid = pg_catalog.pg_backend_pid() and l.locktype = 'relation' and c.relkind in \
                  ('r', 'p', 'm', 'v', 'f') union select i.inhrelid from below as b join \
                  pg_catalog.pg_inherits as i on i.inhparent = b.oid) select oid from below";
    format!(
        "select code from ({}) as of_types(code) union all select 'view or foreign table ' || \
         c.oid::pg_catalog.regclass::text from pg_catalog.pg_class as c where c.relkind in ('v', \
         'f') and c.oid in ({tables}) union all select 'generated column of ' || \
         c.oid::pg_catalog.regclass::text from pg_catalog.pg_class as c join \
         pg_catalog.pg_attribute as t on t.attrelid = c.oid and t.attgenerated = 'v' join \
         pg_catalog.pg_attrdef as v on v.adrelid = c.oid and v.adnum = t.attnum join \
         pg_catalog.pg_depend as d on d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass and \
         d.objid = v.oid and d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass join \
         pg_catalog.pg_proc as p on p.oid = d.refobjid and p.proowner {FOREIGN} where c.oid in \
         ({tables}) union all select found.code from ({}) as found(oid, code) where found.oid in \
         ({tables}) limit 1",
        build_question_about_types(&format!(
            "select t.atttypid from pg_catalog.pg_attribute as t where {COLUMNS} and t.attrelid in \
             ({tables})"
        )),
        owner_code::build_tables_query()
    )
}

/// Which of these types have code, or are made of some that have: domains with a check, ranges with
/// functions, and those that are cast by a function.
fn build_question_about_types(types: &str) -> String {
    format!(
        "with recursive types(oid) as ({types} union select inner_type from types as u join \
         pg_catalog.pg_type as y on y.oid = u.oid cross join lateral (select y.typelem union all \
         select y.typbasetype union all select r.rngsubtype from pg_catalog.pg_range as r where \
         r.rngtypid = y.oid union all select r.rngtypid from pg_catalog.pg_range as r where y.typtype \
         = 'm' and pg_catalog.to_jsonb(r) ->> 'rngmultitypid' = y.oid::text union all select \
         t.atttypid from pg_catalog.pg_attribute as t where y.typtype = 'c' and t.attrelid = \
         y.typrelid and t.attnum > 0) as parts(inner_type) where inner_type <> 0) select 'domain ' || \
         y.oid::pg_catalog.regtype::text as code from pg_catalog.pg_type as y where y.oid in (select \
         oid from types) and y.typtype = 'd' and y.typowner {FOREIGN} and exists (select from \
         pg_catalog.pg_constraint as k where k.contypid = y.oid) union all select 'function ' || \
         p.oid::pg_catalog.regprocedure::text from pg_catalog.pg_range as r join pg_catalog.pg_proc \
         as p on p.oid in (r.rngcanonical, r.rngsubdiff) and p.proowner {FOREIGN} where r.rngtypid in \
         (select oid from types) union all select 'cast by ' || p.oid::pg_catalog.regprocedure::text \
         from pg_catalog.pg_cast as k join pg_catalog.pg_proc as p on p.oid = k.castfunc and \
         p.proowner {FOREIGN} where k.castsource in (select oid from types) or k.casttarget in \
         (select oid from types)"
    )
}
