//! Whether a role could dump all of a database: what `pg_dump` locks and reads, asked of the catalog and
//! not of the data.

use super::identifier::quote_literal;
use super::{PostgresError, PostgresErrorKind, Session};

/// What of a database a dump by this role would fail at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpObstacle {
    /// Permission denied, or row security.
    pub kind: PostgresErrorKind,
    /// Tables and sequences, or large objects.
    pub what: &'static str,
    /// How many.
    pub count: i64,
    /// The first of them, by name.
    pub first: String,
}

/// Tables, partitions and sequences outside of the server's own schemas. Of the tables of an extension only
/// those that it asks to be dumped. Row security hides rows only of what is read itself: of a partitioned
/// table that are its partitions, each by its own policies; of tables whose rows are left out it is none.
const RELATIONS: &str = "select case when not pg_catalog.has_schema_privilege(n.oid, 'USAGE') or not \
    case c.relkind when 'S' then pg_catalog.has_sequence_privilege(c.oid, 'SELECT') else \
    pg_catalog.has_table_privilege(c.oid, 'SELECT') end then 'denied' when c.relkind = 'r' and \
    c.oid not in (select l.oid from left_out as l) and pg_catalog.row_security_active(c.oid) then 'hidden' end as kind, n.nspname || '.' || c.relname as name \
    from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace where \
    c.relkind in ('r', 'p', 'S') and c.relpersistence <> 't' and n.nspname <> 'information_schema' and not \
    pg_catalog.starts_with(n.nspname::text, 'pg_') and (not exists (select from pg_catalog.pg_depend as d \
    where d.deptype = 'e' and d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid) \
    or exists (select from pg_catalog.pg_extension as e where c.oid = any (e.extconfig)))";
/// Large objects whose owner the role is not, and that nobody has granted to it.
const LARGE_OBJECTS: &str = "select 'object' as kind, m.oid::text as name from \
    pg_catalog.pg_largeobject_metadata as m where pg_catalog.current_setting('lo_compat_privileges') = \
    'off' and not pg_catalog.pg_has_role(m.lomowner, 'USAGE') and not exists (select from \
    pg_catalog.aclexplode(m.lomacl) as a where a.privilege_type = 'SELECT' and (a.grantee = 0 or \
    pg_catalog.pg_has_role(a.grantee, 'USAGE')))";

/// The tables whose rows are left out, and the partitions of those.
fn left_out(names: &[String]) -> String {
    let mut literals: Vec<String> = names.iter().map(|name| quote_literal(name)).collect();
    literals.push("null".to_owned());
    format!(
        "with recursive left_out(oid) as (select c.oid from pg_catalog.pg_class as c join \
         pg_catalog.pg_namespace as n on n.oid = c.relnamespace where n.nspname || '.' || c.relname in ({}) \
         union select i.inhrelid from pg_catalog.pg_inherits as i join left_out as l on l.oid = i.inhparent \
         join pg_catalog.pg_class as p on p.oid = i.inhparent where p.relkind = 'p')",
        literals.join(", ")
    )
}

/// What a dump by the role of this session would fail at first, if anything. Of `without_rows`
/// (`schema.table`) it leaves the rows out.
pub async fn fetch_dump_obstacle(
    session: &Session,
    without_rows: &[String],
) -> Result<Option<DumpObstacle>, PostgresError> {
    let left_out = left_out(without_rows);
    let rows = session
        .fetch_rows(&format!(
            "{left_out} select kind, pg_catalog.count(*)::text as count, pg_catalog.min(name) as name from \
             ({RELATIONS} union all {LARGE_OBJECTS}) as found where kind is not null group by kind order \
             by kind"
        ))
        .await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let (kind, what) = match row.get("kind") {
        Some("hidden") => (PostgresErrorKind::RowSecurity, "tables"),
        Some("object") => (PostgresErrorKind::PermissionDenied, "large objects"),
        _ => (PostgresErrorKind::PermissionDenied, "tables and sequences"),
    };
    Ok(Some(DumpObstacle {
        kind,
        what,
        count: session.number(row, "count")?,
        first: row.get("name").unwrap_or_default().to_owned(),
    }))
}
