//! What a restore needs to know of a database beside its dump: how it was created, who has permissions in
//! it, and what a dump can't bring along.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::SimpleQueryRow;

use super::{PostgresError, Session, name_column};

/// The most entries of each list; a database with more says how many there are.
pub const DESCRIPTION_LIMIT: usize = 1_000;
/// The longest text that is taken over, in characters.
pub const DESCRIBED_TEXT_LIMIT: usize = 500;

/// How a database was created and what belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DatabaseDescription {
    /// Its object id.
    pub oid: i64,
    /// Bytes that it took on disk before it was dumped, with its indexes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
    /// Encoding, by its name in Postgres.
    pub encoding: String,
    /// Who provides the locale: `c` libc, `i` ICU, `b` Postgres itself. Before Postgres 15 always
    /// libc.
    pub locale_provider: String,
    /// `LC_COLLATE`.
    pub collate: String,
    /// `LC_CTYPE`.
    pub ctype: String,
    /// The locale of ICU or of Postgres itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Further rules of ICU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icu_rules: Option<String>,
    /// Version of the collation when the database was created or refreshed. Where another machine has
    /// another one, indexes of a copy of the files are wrong; those of a restored dump are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collation_version: Option<String>,
    /// Who owns it.
    pub owner: String,
    /// The most connections; -1 is no limit.
    pub connection_limit: i64,
    /// Its privileges in Postgres' own form; none are the default ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acl: Option<String>,
    /// `ALTER DATABASE … SET`, and `ALTER ROLE … IN DATABASE … SET`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<DatabaseSetting>,
    /// Settings that decide how a value looks in a dump, as the role had them that dumped it. Only with
    /// the same ones another dump has the same bytes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub formats: BTreeMap<String, String>,
    /// Its comment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Roles that own something in it or have privileges on it: a restore needs them first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Those of them that were superusers. A set of an older version has none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub superusers: Vec<String>,
    /// How many sequences it has.
    pub sequences: u64,
    /// Extensions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<ExtensionDescription>,
    /// Publications.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub publications: Vec<PublicationDescription>,
    /// Subscriptions. `pg_dump` leaves them out unless a superuser runs it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subscriptions: Vec<SubscriptionDescription>,
    /// Logical replication slots. No dump has them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<SlotDescription>,
    /// What could not be read, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// One setting of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseSetting {
    /// The role that it is for; none for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    pub name: String,
    /// Its value; left out for parameters of extensions and applications, which may be secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// An extension.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtensionDescription {
    pub name: String,
    pub version: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub schema: String,
    /// Its tables whose rows a dump has, or some of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub configuration_tables: Vec<ConfigurationTable>,
}

/// A table of an extension whose rows a dump has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationTable {
    /// `schema.table`.
    pub table: String,
    /// Whether a condition of the extension chooses the rows: the extension makes the others.
    pub is_partial: bool,
}

/// A publication.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicationDescription {
    pub name: String,
    /// Whether it is of all tables, which only a superuser can create.
    pub all_tables: bool,
}

/// A subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionDescription {
    pub name: String,
    pub enabled: bool,
    /// The slot on the publisher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
    /// The publications that it is of. A set of an older version does not say it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub publications: Vec<String>,
}

/// A logical replication slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotDescription {
    pub name: String,
    pub plugin: String,
    pub active: bool,
}

/// Reads what it can. What fails is named, and is nobody's reason to have no backup.
pub async fn fetch_description(session: &Session) -> Result<DatabaseDescription, PostgresError> {
    let mut found = DatabaseDescription::default();
    read_database(session, &mut found).await?;
    let of = &mut found;
    let settings = format!(
        "select coalesce({}, '') as role, {} as setting from pg_catalog.pg_db_role_setting as s left \
         join pg_catalog.pg_roles as r on r.oid = s.setrole cross join lateral \
         pg_catalog.unnest(s.setconfig) as one(setting) where s.setdatabase = ({DATABASE}) order by 1, \
         2",
        name_column("r.rolname"),
        name_column("one.setting"),
    );
    for row in list(session, of, "settings", &settings).await? {
        of.settings.push(read_setting(
            &name(session, &row, "role")?,
            &name(session, &row, "setting")?,
        ));
    }
    let roles = format!(
        "select distinct {} as name, r.rolsuper as superuser from pg_catalog.pg_shdepend as d join pg_catalog.pg_roles as r on \
         r.oid = d.refobjid where d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass and \
         (d.dbid = ({DATABASE}) or d.dbid = 0 and d.classid = \
         'pg_catalog.pg_database'::pg_catalog.regclass and d.objid = ({DATABASE})) order by 1",
        name_column("r.rolname")
    );
    for row in list(session, of, "roles", &roles).await? {
        let role = name(session, &row, "name")?;
        if session.truth(&row, "superuser")? {
            of.superusers.push(role.clone());
        }
        of.roles.push(role);
    }
    let sequences = "select pg_catalog.count(*)::text as number from pg_catalog.pg_class where relkind \
        = 'S' and relpersistence <> 't'";
    for row in list(session, of, "sequences", sequences).await? {
        of.sequences = session.number(&row, "number")?.unsigned_abs();
    }
    let size = format!("select pg_catalog.pg_database_size(({DATABASE}))::text as bytes");
    for row in list(session, of, "size", &size).await? {
        of.size = Some(session.number(&row, "bytes")?);
    }
    read_comment(session, of).await?;
    read_extensions(session, of).await?;
    read_replication(session, of).await?;
    of.extensions
        .sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

/// The object id of the session's database.
const DATABASE: &str = "select oid from pg_catalog.pg_database where datname = \
    pg_catalog.current_database()";

async fn read_database(
    session: &Session,
    of: &mut DatabaseDescription,
) -> Result<(), PostgresError> {
    // As JSON: each version has columns of its own.
    let rows = session
        .fetch_rows(&format!(
            "select {} as database, pg_catalog.pg_encoding_to_char(d.encoding)::text as encoding, {} \
             as owner, d.oid::bigint::text as oid from pg_catalog.pg_database as d where d.datname = \
             pg_catalog.current_database()",
            name_column("pg_catalog.to_jsonb(d)"),
            name_column("pg_catalog.pg_get_userbyid(d.datdba)"),
        ))
        .await?;
    let Some(row) = rows.first() else {
        return Ok(());
    };
    session.text(row, "encoding")?.clone_into(&mut of.encoding);
    of.owner = name(session, row, "owner")?;
    of.oid = session.number(row, "oid")?;
    let columns = session.name(row, "database")?.0;
    match serde_json::from_str::<BTreeMap<String, Value>>(&columns) {
        Ok(columns) => read_columns(&columns, of),
        Err(error) => of.unknown.push(format!("locale and privileges: {error}")),
    }
    Ok(())
}

/// Reads a row of `pg_database` of whatever version.
fn read_columns(columns: &BTreeMap<String, Value>, of: &mut DatabaseDescription) {
    let text = |name: &str| columns.get(name)?.as_str().map(bounded);
    of.locale_provider = text("datlocprovider").unwrap_or_else(|| "c".to_owned());
    of.collate = text("datcollate").unwrap_or_default();
    of.ctype = text("datctype").unwrap_or_default();
    of.locale = text("datlocale").or_else(|| text("daticulocale"));
    of.icu_rules = text("daticurules");
    of.collation_version = text("datcollversion");
    of.connection_limit = columns
        .get("datconnlimit")
        .and_then(Value::as_i64)
        .unwrap_or(-1);
    // An array of texts, or one text, depending on how the version casts it.
    of.acl = match columns.get("datacl") {
        Some(Value::Array(items)) => {
            let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            Some(bounded(&format!("{{{}}}", items.join(","))))
        }
        Some(Value::String(text)) => Some(bounded(text)),
        _ => None,
    };
    if of.acl.as_ref().is_some_and(|acl| !acl.ends_with('}')) {
        let what = format!("privileges beyond {DESCRIBED_TEXT_LIMIT} characters");
        of.unknown.push(what);
    }
}

/// The settings that decide how a value looks in a dump and that `pg_dump` does not choose itself.
pub const FORMATS: [&str; 3] = ["TimeZone", "bytea_output", "lc_monetary"];

/// Reads them as a session of this role has them.
pub async fn fetch_formats(session: &Session) -> Result<BTreeMap<String, String>, PostgresError> {
    let rows: Vec<String> = FORMATS.iter().map(|name| format!("('{name}')")).collect();
    let query = format!(
        "select asked.name as name, {} as value from (values {}) as asked(name)",
        name_column("coalesce(pg_catalog.current_setting(asked.name, true), '')"),
        rows.join(", ")
    );
    let mut formats = BTreeMap::new();
    for row in session.fetch_rows(&query).await? {
        let value = name(session, &row, "value")?;
        if !value.is_empty() {
            formats.insert(session.text(&row, "name")?.to_owned(), value);
        }
    }
    Ok(formats)
}

/// The names in a list as JSON, as far as it is one.
fn read_names(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_default()
}

async fn read_comment(
    session: &Session,
    of: &mut DatabaseDescription,
) -> Result<(), PostgresError> {
    let comment = format!(
        "select coalesce({}, '') as comment",
        name_column(&format!(
            "pg_catalog.shobj_description(({DATABASE}), 'pg_database')"
        ))
    );
    for row in list(session, of, "comment", &comment).await? {
        of.comment = Some(name(session, &row, "comment")?).filter(|text| !text.is_empty());
    }
    Ok(())
}

async fn read_extensions(
    session: &Session,
    of: &mut DatabaseDescription,
) -> Result<(), PostgresError> {
    let extensions = format!(
        "select {} as name, {} as version, {} as schema, coalesce({}, '') as table_schema, \
         coalesce({}, '') as table_name, coalesce(config.condition, '') <> '' as partial from \
         pg_catalog.pg_extension as e join pg_catalog.pg_namespace as n on n.oid = e.extnamespace left \
         join lateral rows from (pg_catalog.unnest(e.extconfig), pg_catalog.unnest(e.extcondition)) as \
         config(id, condition) on true left join pg_catalog.pg_class as c on c.oid = config.id left \
         join pg_catalog.pg_namespace as s on s.oid = c.relnamespace order by e.extname, s.nspname, \
         c.relname",
        name_column("e.extname"),
        name_column("e.extversion"),
        name_column("n.nspname"),
        name_column("s.nspname"),
        name_column("c.relname"),
    );
    for row in list(session, of, "extensions", &extensions).await? {
        let extension = name(session, &row, "name")?;
        let table = name(session, &row, "table_name")?;
        let is_known = of
            .extensions
            .last()
            .is_some_and(|last| last.name == extension);
        if !is_known {
            of.extensions.push(ExtensionDescription {
                name: extension,
                version: name(session, &row, "version")?,
                schema: name(session, &row, "schema")?,
                configuration_tables: Vec::new(),
            });
        }
        if let (Some(last), false) = (of.extensions.last_mut(), table.is_empty()) {
            last.configuration_tables.push(ConfigurationTable {
                table: format!("{}.{table}", name(session, &row, "table_schema")?),
                is_partial: session.truth(&row, "partial")?,
            });
        }
    }
    Ok(())
}

async fn read_replication(
    session: &Session,
    of: &mut DatabaseDescription,
) -> Result<(), PostgresError> {
    let publications = format!(
        "select {} as name, puballtables as all from pg_catalog.pg_publication order by pubname",
        name_column("pubname")
    );
    for row in list(session, of, "publications", &publications).await? {
        of.publications.push(PublicationDescription {
            name: name(session, &row, "name")?,
            all_tables: session.truth(&row, "all")?,
        });
    }
    let subscriptions = format!(
        "select {} as name, subenabled as enabled, coalesce({}, '') as slot, {} as publications from \
         pg_catalog.pg_subscription where subdbid = ({DATABASE}) order by subname",
        name_column("subname"),
        name_column("subslotname"),
        name_column("pg_catalog.array_to_json(subpublications)"),
    );
    for row in list(session, of, "subscriptions", &subscriptions).await? {
        of.subscriptions.push(SubscriptionDescription {
            name: name(session, &row, "name")?,
            enabled: session.truth(&row, "enabled")?,
            slot: Some(name(session, &row, "slot")?).filter(|slot| !slot.is_empty()),
            publications: read_names(&name(session, &row, "publications")?),
        });
    }
    let slots = format!(
        "select {} as name, coalesce({}, '') as plugin, active from pg_catalog.pg_replication_slots \
         where database = pg_catalog.current_database() order by slot_name",
        name_column("slot_name"),
        name_column("plugin"),
    );
    for row in list(session, of, "replication slots", &slots).await? {
        of.slots.push(SlotDescription {
            name: name(session, &row, "name")?,
            plugin: name(session, &row, "plugin")?,
            active: session.truth(&row, "active")?,
        });
    }
    Ok(())
}

/// Asks for one list. Only the end of the connection is an error.
async fn list(
    session: &Session,
    of: &mut DatabaseDescription,
    what: &str,
    query: &str,
) -> Result<Vec<SimpleQueryRow>, PostgresError> {
    let asked = format!("{query} limit {}", DESCRIPTION_LIMIT + 1);
    match session.fetch_rows(&asked).await {
        Ok(mut rows) => {
            if rows.len() > DESCRIPTION_LIMIT {
                rows.truncate(DESCRIPTION_LIMIT);
                of.unknown
                    .push(format!("{what}: there are more than {DESCRIPTION_LIMIT}"));
            }
            Ok(rows)
        }
        Err(error) if error.kind.is_of_the_connection() => Err(error),
        Err(error) => {
            of.unknown.push(bounded(&format!("{what}: {error}")));
            Ok(Vec::new())
        }
    }
}

fn name(session: &Session, row: &SimpleQueryRow, column: &str) -> Result<String, PostgresError> {
    Ok(bounded(&session.name(row, column)?.0))
}

fn bounded(text: &str) -> String {
    text.chars().take(DESCRIBED_TEXT_LIMIT).collect()
}

/// Reads `name=value`. What has a dot in its name is not Postgres' own, and may be a password.
fn read_setting(role: &str, setting: &str) -> DatabaseSetting {
    let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
    DatabaseSetting {
        role: Some(role.to_owned()).filter(|role| !role.is_empty()),
        name: name.to_owned(),
        value: (!name.contains('.')).then(|| value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_applications_keep_their_values_to_themselves() {
        assert_eq!(
            read_setting("", "search_path=a, b=c"),
            DatabaseSetting {
                role: None,
                name: "search_path".to_owned(),
                value: Some("a, b=c".to_owned()),
            }
        );
        assert_eq!(read_setting("app", "app.jwt_secret=x").value, None);
        assert_eq!(
            read_setting("app", "app.jwt_secret=x").role.as_deref(),
            Some("app")
        );
    }

    #[test]
    fn a_database_of_each_version_is_read() {
        let read = |text: &str| {
            let mut of = DatabaseDescription::default();
            read_columns(&serde_json::from_str(text).unwrap_or_default(), &mut of);
            of
        };
        let oldest = read(
            r#"{"datcollate": "C", "datctype": "C.UTF-8", "datconnlimit": 5, "datacl": null}"#,
        );
        assert_eq!(
            (
                oldest.locale_provider.as_str(),
                oldest.collate.as_str(),
                oldest.connection_limit,
                oldest.acl
            ),
            ("c", "C", 5, None)
        );
        let icu =
            read(r#"{"datlocprovider": "i", "daticulocale": "de", "datcollversion": "153.1"}"#);
        assert_eq!(
            (icu.locale.as_deref(), icu.collation_version.as_deref()),
            (Some("de"), Some("153.1"))
        );
        let newest = read(
            r#"{"datlocprovider": "b", "datlocale": "C.UTF-8", "datacl": ["=Tc/o", "o=CTc/o"]}"#,
        );
        assert_eq!(
            (newest.locale.as_deref(), newest.acl.as_deref()),
            (Some("C.UTF-8"), Some("{=Tc/o,o=CTc/o}"))
        );
    }
}
