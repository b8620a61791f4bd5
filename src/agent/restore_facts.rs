//! What a restore asks the server before it makes anything: what it has, what the role may do, and which
//! databases there are.

use std::collections::BTreeSet;

use crate::postgres::{
    DatabaseSetting, PostgresError, Writer, fetch_identity, name_column, quote_literal, read_major,
};

use super::restore_mark::Mark;
use super::restore_server_facts::{OfferedExtension, ServerFacts, SessionFact};
use super::restore_settings::{Grant, read_setting};
use super::restore_swap_state::{DatabaseRow, Found};

/// From this version on it is a right of its own to act as another role.
const HAS_SET_OPTION: u32 = 16;

/// From this version on a database has a version of its collation.
const HAS_DATABASE_COLLATIONS: u32 = 15;
/// What poolers call themselves.
const POOLERS: &str = "pgbouncer|pgcat|odyssey|pgpool|pgagroal|supavisor";

/// What hangs on the object id of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    pub owner: String,
    pub connection_limit: i64,
    pub grants: Vec<Grant>,
    pub settings: Vec<DatabaseSetting>,
    pub comment: Option<String>,
}

/// Reads what the server has. Only the extensions of these names are of interest.
pub async fn fetch_facts(
    writer: &Writer,
    extensions: &BTreeSet<String>,
) -> Result<ServerFacts, PostgresError> {
    let identity = fetch_identity(writer).await?.identity;
    let mut facts = ServerFacts {
        major: read_major(&identity.server_version).unwrap_or_default(),
        in_recovery: identity.in_recovery,
        ..ServerFacts::default()
    };
    let right = if facts.major >= HAS_SET_OPTION {
        "SET"
    } else {
        "MEMBER"
    };
    let role = format!(
        "select {} as name, rolsuper, rolcreatedb, rolcreaterole, rolbypassrls, rolconnlimit::text as connection_limit from pg_catalog.pg_roles where rolname = \
         session_user",
        name_column("rolname")
    );
    for row in writer.run(&role).await? {
        facts.role = writer.name(&row, "name")?.0;
        facts.is_superuser = writer.truth(&row, "rolsuper")?;
        facts.may_create_databases = writer.truth(&row, "rolcreatedb")?;
        facts.may_create_roles = writer.truth(&row, "rolcreaterole")?;
        facts.bypasses_row_security = writer.truth(&row, "rolbypassrls")?;
        let limit = row
            .get("connection_limit")
            .and_then(|limit| limit.parse().ok());
        facts.connection_limit = limit.filter(|limit| *limit >= 0);
    }
    let roles = format!(
        "select {} as name, pg_catalog.pg_has_role(oid, '{right}') as may from pg_catalog.pg_roles",
        name_column("rolname")
    );
    for row in writer.run(&roles).await? {
        facts
            .roles
            .insert(writer.name(&row, "name")?.0, writer.truth(&row, "may")?);
    }
    let tablespaces = format!(
        "select {} as name from pg_catalog.pg_tablespace",
        name_column("spcname")
    );
    for row in writer.run(&tablespaces).await? {
        facts.tablespaces.insert(writer.name(&row, "name")?.0);
    }
    fetch_extensions(writer, extensions, &mut facts).await?;
    fetch_what_holds(writer, &mut facts).await?;
    fetch_rights(writer, &mut facts).await?;
    // Without them the warnings are fewer, and nothing else is different.
    if let Err(error) = fetch_poolers(writer, &mut facts).await {
        tracing::warn!("sessions of poolers could not be looked for: {error}");
    }
    if let Err(error) = fetch_collations(writer, &mut facts).await {
        tracing::warn!("versions of collations could not be read: {error}");
    }
    Ok(facts)
}

/// Which databases the role can't rename, and which sessions it can't end.
async fn fetch_rights(writer: &Writer, facts: &mut ServerFacts) -> Result<(), PostgresError> {
    let of_others = format!(
        "select {} as database, {} as owner from pg_catalog.pg_database where not \
         pg_catalog.pg_has_role(datdba, 'USAGE')",
        name_column("datname"),
        name_column("pg_catalog.pg_get_userbyid(datdba)"),
    );
    for row in writer.run(&of_others).await? {
        let database = writer.name(&row, "database")?.0;
        facts
            .of_others
            .push((database, writer.name(&row, "owner")?.0));
    }
    let elsewhere = format!(
        "select {} as database, {} as tablespace from pg_catalog.pg_database as d join \
         pg_catalog.pg_tablespace as t on t.oid = d.dattablespace where t.spcname <> 'pg_default'",
        name_column("d.datname"),
        name_column("t.spcname"),
    );
    for row in writer.run(&elsewhere).await? {
        let database = writer.name(&row, "database")?.0;
        let tablespace = writer.name(&row, "tablespace")?.0;
        facts.elsewhere.push((database, tablespace));
    }
    let sessions = format!(
        "select distinct {} as database, {} as role, r.rolsuper as is_superuser, case when r.rolsuper then \
         (select m.rolsuper from pg_catalog.pg_roles as m where m.rolname = session_user) else \
         pg_catalog.pg_has_role(a.usesysid, 'USAGE') or pg_catalog.pg_has_role('pg_signal_backend', 'USAGE') \
         end as may from pg_catalog.pg_stat_activity as a join pg_catalog.pg_roles as r on r.oid = a.usesysid \
         where a.datname is not null",
        name_column("a.datname"),
        name_column("a.usename"),
    );
    for row in writer.run(&sessions).await? {
        facts.sessions.push(SessionFact {
            database: writer.name(&row, "database")?.0,
            role: writer.name(&row, "role")?.0,
            is_superuser: writer.truth(&row, "is_superuser")?,
            may_be_ended: writer.truth(&row, "may")?,
        });
    }
    Ok(())
}

/// Which databases have sessions of a pooler, by what these call themselves.
async fn fetch_poolers(writer: &Writer, facts: &mut ServerFacts) -> Result<(), PostgresError> {
    let query = format!(
        "select distinct {} as database, {} as name from pg_catalog.pg_stat_activity as a where a.datname is not \
         null and pg_catalog.lower(a.application_name) ~ '{POOLERS}'",
        name_column("a.datname"),
        name_column("a.application_name"),
    );
    for row in writer.run(&query).await? {
        let database = writer.name(&row, "database")?.0;
        facts.poolers.push((database, writer.name(&row, "name")?.0));
    }
    Ok(())
}

/// The versions of collations that the server has now: of each locale that one of its databases uses, of those
/// of ICU, and of libc, which has one for all.
async fn fetch_collations(writer: &Writer, facts: &mut ServerFacts) -> Result<(), PostgresError> {
    if facts.major < HAS_DATABASE_COLLATIONS {
        return Ok(());
    }
    // Each version has a column of its own for the locale.
    let locale = |of: &str, libc: &str| {
        format!(
            "coalesce(pg_catalog.to_jsonb({of}) ->> 'datlocale', pg_catalog.to_jsonb({of}) ->> 'daticulocale', \
             pg_catalog.to_jsonb({of}) ->> 'colllocale', pg_catalog.to_jsonb({of}) ->> 'colliculocale', {libc})"
        )
    };
    let query = format!(
        "select provider, {} as locale, {} as version from (select d.datlocprovider::text as provider, case \
         d.datlocprovider when 'c' then d.datcollate::text else {} end as locale, \
         pg_catalog.pg_database_collation_actual_version(d.oid) as version from pg_catalog.pg_database as d \
         union all select c.collprovider::text, {}, pg_catalog.pg_collation_actual_version(c.oid) from \
         pg_catalog.pg_collation as c where c.collprovider = 'i') as found where locale is not null and version \
         is not null",
        name_column("locale"),
        name_column("version"),
        locale("d", "d.datcollate::text"),
        locale("c", "c.collcollate::text"),
    );
    for row in writer.run(&query).await? {
        let key = (
            writer.text(&row, "provider")?.to_owned(),
            writer.name(&row, "locale")?.0,
        );
        facts
            .collations
            .insert(key, writer.name(&row, "version")?.0);
    }
    let libc = format!(
        "select {} as version from (select pg_catalog.pg_collation_actual_version(oid) as version from \
         pg_catalog.pg_collation where collprovider = 'c') as found where version is not null limit 1",
        name_column("version")
    );
    for row in writer.run(&libc).await? {
        facts.libc_version = Some(writer.name(&row, "version")?.0);
    }
    Ok(())
}

async fn fetch_extensions(
    writer: &Writer,
    wanted: &BTreeSet<String>,
    facts: &mut ServerFacts,
) -> Result<(), PostgresError> {
    if wanted.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = wanted.iter().map(|name| quote_literal(name)).collect();
    let offered = format!(
        "select {} as name, {} as version, v.version = e.default_version as is_default, v.superuser and \
         not v.trusted as for_superusers from pg_catalog.pg_available_extension_versions as v join \
         pg_catalog.pg_available_extensions as e on e.name = v.name where v.name in ({})",
        name_column("v.name"),
        name_column("v.version"),
        names.join(", ")
    );
    for row in writer.run(&offered).await? {
        facts.extensions.push(OfferedExtension {
            name: writer.name(&row, "name")?.0,
            version: writer.name(&row, "version")?.0,
            is_default: writer.truth(&row, "is_default")?,
            for_superusers: writer.truth(&row, "for_superusers")?,
        });
    }
    Ok(())
}

/// What holds a database by its object id.
async fn fetch_what_holds(writer: &Writer, facts: &mut ServerFacts) -> Result<(), PostgresError> {
    let prepared = format!(
        "select {} as name, {} as database from pg_catalog.pg_prepared_xacts",
        name_column("gid"),
        name_column("database")
    );
    for row in writer.run(&prepared).await? {
        let database = writer.name(&row, "database")?.0;
        facts
            .prepared
            .push((writer.name(&row, "name")?.0, database));
    }
    let slots = format!(
        "select {} as name, {} as database from pg_catalog.pg_replication_slots where database is not null",
        name_column("slot_name"),
        name_column("database")
    );
    for row in writer.run(&slots).await? {
        let database = writer.name(&row, "database")?.0;
        facts.slots.push((writer.name(&row, "name")?.0, database));
    }
    let subscriptions = format!(
        "select {} as name, {} as database, s.subenabled as enabled from pg_catalog.pg_subscription as s \
         join pg_catalog.pg_database as d on d.oid = s.subdbid",
        name_column("s.subname"),
        name_column("d.datname")
    );
    for row in writer.run(&subscriptions).await? {
        facts.subscriptions.push((
            writer.name(&row, "name")?.0,
            writer.name(&row, "database")?.0,
            writer.truth(&row, "enabled")?,
        ));
    }
    Ok(())
}

/// Reads which databases there are. One whose name is no text can have no name of ours.
pub async fn fetch_databases(writer: &Writer) -> Result<Vec<DatabaseRow>, PostgresError> {
    let query = format!(
        "select {} as name, d.oid::bigint::text as oid, d.datallowconn as open, coalesce({}, '') as \
         comment, d.datdba = (select r.oid from pg_catalog.pg_roles as r where r.rolname = session_user) as \
         is_own, coalesce((select r.rolsuper from pg_catalog.pg_roles as r where r.oid = d.datdba), false) as \
         is_of_superuser from pg_catalog.pg_database as d",
        name_column("d.datname"),
        name_column("pg_catalog.shobj_description(d.oid, 'pg_database')"),
    );
    let mut databases = Vec::new();
    for row in writer.run(&query).await? {
        let (name, is_exact) = writer.name(&row, "name")?;
        if !is_exact {
            continue;
        }
        let comment = writer.name(&row, "comment")?.0;
        let is_open = writer.truth(&row, "open")?;
        let is_own = writer.truth(&row, "is_own")?;
        // Any owner can write a comment.
        let is_trusted = is_own || writer.truth(&row, "is_of_superuser")?;
        let mark = Mark::read(&comment).filter(|mark| is_trusted || !mark.is_of_own_database());
        databases.push(DatabaseRow {
            name,
            found: Found {
                oid: writer.number(&row, "oid")?,
                is_open,
                mark,
                is_unmarked: comment.is_empty() && !is_open && is_own,
            },
            comment: Some(comment).filter(|comment| !comment.is_empty()),
        });
    }
    Ok(databases)
}

/// Reads what hangs on the object id of a database, whose own name is or was this one.
pub async fn fetch_properties(
    writer: &Writer,
    oid: i64,
    name: &str,
) -> Result<Properties, PostgresError> {
    let mut found = Properties::default();
    let query = format!(
        "select {} as owner, d.datconnlimit::text as connection_limit, coalesce({}, '') as comment from \
         pg_catalog.pg_database as d where d.oid = {oid}",
        name_column("pg_catalog.pg_get_userbyid(d.datdba)"),
        name_column("pg_catalog.shobj_description(d.oid, 'pg_database')"),
    );
    for row in writer.run(&query).await? {
        found.owner = writer.name(&row, "owner")?.0;
        found.connection_limit = writer.number(&row, "connection_limit")?;
        let comment = writer.name(&row, "comment")?.0;
        found.comment = Mark::before(&comment, name);
    }
    let grants = format!(
        "select {} as grantor, case when a.grantee = 0 then '' else {} end as grantee, a.privilege_type as \
         privilege, a.is_grantable as grantable from pg_catalog.pg_database as d cross join lateral \
         pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) as a where d.oid = \
         {oid}",
        name_column("pg_catalog.pg_get_userbyid(a.grantor)"),
        name_column("pg_catalog.pg_get_userbyid(a.grantee)"),
    );
    for row in writer.run(&grants).await? {
        let grantee = writer.name(&row, "grantee")?.0;
        found.grants.push(Grant {
            grantor: writer.name(&row, "grantor")?.0,
            grantee: Some(grantee).filter(|grantee| !grantee.is_empty()),
            privilege: writer.text(&row, "privilege")?.to_ascii_lowercase(),
            grantable: writer.truth(&row, "grantable")?,
        });
    }
    let settings = format!(
        "select coalesce({}, '') as role, {} as setting from pg_catalog.pg_db_role_setting as s left join \
         pg_catalog.pg_roles as r on r.oid = s.setrole cross join lateral \
         pg_catalog.unnest(s.setconfig) as one(setting) where s.setdatabase = {oid}",
        name_column("r.rolname"),
        name_column("one.setting"),
    );
    for row in writer.run(&settings).await? {
        let setting = writer.name(&row, "setting")?.0;
        found
            .settings
            .push(read_setting(&writer.name(&row, "role")?.0, &setting));
    }
    Ok(found)
}
