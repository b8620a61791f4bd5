//! Creating and dropping the databases and roles of a restore. Each carries a comment of its restore, and
//! only what carries it is ever dropped.

use std::collections::BTreeSet;

use crate::api::{AgentFailure, reasons};
use crate::postgres::{
    ContentsEntry, DatabaseDescription, PostgresError, Writer, name_column, quote_identifier,
    quote_literal,
};
use crate::store::Manifest;
use crate::wording::quoted;

use super::restore_facts::fetch_databases;
use super::restore_mark::{Mark, MarkState};
use super::restore_order::{RestoreStep, RestoreWatcher};

/// From these versions on a database can be created with a provider of its locale, rules of ICU, and the
/// locales that Postgres brings itself.
const HAS_PROVIDERS: u32 = 15;
const HAS_RULES: u32 = 16;
const HAS_BUILTIN: u32 = 17;

/// A database that is restored.
#[derive(Clone, Copy, Debug)]
pub struct NewDatabase<'a> {
    /// Its name in the set.
    pub name: &'a str,
    /// The name that it is restored under.
    pub restored_as: &'a str,
    pub restore_uid: &'a str,
    pub description: Option<&'a DatabaseDescription>,
    /// Who is to own what is in it where the role of restores is no superuser; none for that role. It owns
    /// the database only after the swap.
    pub owner: Option<&'a str>,
}

/// The statement that creates it. Nobody can connect to it until it carries its mark.
#[must_use]
pub fn build_create(new: &NewDatabase<'_>, major: u32) -> String {
    let mut statement = format!(
        "create database {} with template template0 allow_connections false",
        quote_identifier(new.restored_as)
    );
    let Some(of) = new.description else {
        return statement;
    };
    let mut add = |option: &str, value: &str| {
        if !value.is_empty() {
            statement.extend([" ", option, " ", &quote_literal(value)]);
        }
    };
    add("encoding", &of.encoding);
    add("lc_collate", &of.collate);
    add("lc_ctype", &of.ctype);
    let locale = of.locale.as_deref().unwrap_or_default();
    match of.locale_provider.as_str() {
        "i" if major >= HAS_PROVIDERS => {
            add("locale_provider", "icu");
            add("icu_locale", locale);
            if major >= HAS_RULES {
                add("icu_rules", of.icu_rules.as_deref().unwrap_or_default());
            }
        }
        "b" if major >= HAS_BUILTIN => {
            add("locale_provider", "builtin");
            add("builtin_locale", locale);
        }
        _ if major >= HAS_PROVIDERS => add("locale_provider", "libc"),
        _ => {}
    }
    statement
}

/// Creates a database that belongs to the role of restores until the swap: nobody else can connect to it,
/// so nobody changes it before it is compared, or after.
pub async fn create(
    writer: &Writer,
    new: &NewDatabase<'_>,
    major: u32,
    watcher: &impl RestoreWatcher,
) -> Result<(), AgentFailure> {
    writer
        .run(&build_create(new, major))
        .await
        .map_err(|error| {
            failed(
                &format!(
                    "database {} could not be created",
                    quoted(new.restored_as, 80)
                ),
                &error,
            )
        })?;
    watcher.after(RestoreStep::Created).await;
    let name = quote_identifier(new.restored_as);
    let mark = Mark::new(new.restore_uid, MarkState::Making).write(new.name, None);
    // One message is one transaction.
    writer
        .run(&format!(
            "comment on database {name} is {}; revoke all on database {name} from public; alter database {name} \
             allow_connections true",
            quote_literal(&mark)
        ))
        .await
        .map_err(|error| failed(&format!("database {} could not be prepared", quoted(new.restored_as, 80)), &error))?;
    watcher.after(RestoreStep::Opened).await;
    Ok(())
}

/// Writes another mark on a database of a restore.
pub async fn mark(
    writer: &Writer,
    restored_as: &str,
    name: &str,
    mark: &Mark,
) -> Result<(), PostgresError> {
    let comment = quote_literal(&mark.write(name, None));
    let database = quote_identifier(restored_as);
    writer
        .run(&format!("comment on database {database} is {comment}"))
        .await
        .map(drop)
}

/// Drops a database that a restore has made, and that nobody uses yet. Any other one stays; says whether
/// it was dropped.
pub async fn drop_own(
    writer: &Writer,
    restored_as: &str,
    restore_uid: &str,
) -> Result<bool, PostgresError> {
    let databases = fetch_databases(writer).await?;
    let Some(row) = databases.iter().find(|row| row.name == restored_as) else {
        return Ok(false);
    };
    let mark = row.found.mark.as_ref();
    let is_own = mark.is_some_and(|mark| mark.may_be_dropped_by(restore_uid));
    if !is_own && !row.found.is_unmarked {
        return Ok(false);
    }
    writer
        .run(&format!(
            "drop database {} with (force)",
            quote_identifier(restored_as)
        ))
        .await?;
    Ok(true)
}

/// The comment on a role that a restore has created.
fn role_comment(restore_uid: &str) -> String {
    format!("holdfast restore {restore_uid}: created without login, because a backup names it")
}

/// Creates roles that can't log in.
pub async fn create_roles(
    writer: &Writer,
    roles: &[String],
    restore_uid: &str,
) -> Result<(), PostgresError> {
    let comment = quote_literal(&role_comment(restore_uid));
    for role in roles {
        let role = quote_identifier(role);
        writer
            .run(&format!(
                "create role {role} nologin; comment on role {role} is {comment}"
            ))
            .await?;
    }
    Ok(())
}

/// Which of these roles were superusers: by the manifest, or because they own what only superusers can own.
#[must_use]
pub fn superusers_of(
    roles: &[String],
    manifest: &Manifest,
    contents: &[Vec<ContentsEntry>],
) -> Vec<String> {
    let owned = [
        "event trigger",
        "foreign-data wrapper",
        "publication of all tables",
        "publication of a schema",
    ];
    let owners = contents
        .iter()
        .flatten()
        .filter(|entry| {
            entry
                .for_superusers
                .is_some_and(|what| owned.contains(&what))
        })
        .map(|entry| entry.owner.as_str());
    let of_manifest = manifest
        .databases
        .iter()
        .filter_map(|database| database.description.as_ref())
        .flat_map(|description| description.superusers.iter().map(String::as_str));
    let of_superusers: BTreeSet<&str> = owners.chain(of_manifest).collect();
    let is_owner = |role: &&String| of_superusers.contains(role.as_str());
    roles.iter().filter(is_owner).cloned().collect()
}

/// Makes superusers of roles that a drill has created in its throwaway server.
pub async fn make_superusers(writer: &Writer, roles: &[String]) -> Result<(), PostgresError> {
    for role in roles {
        let role = quote_identifier(role);
        writer.run(&format!("alter role {role} superuser")).await?;
    }
    Ok(())
}

/// Drops the roles that a restore has created which failed. One that is in use by now stays.
pub async fn drop_roles(writer: &Writer, restore_uid: &str) -> Result<(), PostgresError> {
    let query = format!(
        "select {} as name from pg_catalog.pg_roles where not rolcanlogin and \
         pg_catalog.shobj_description(oid, 'pg_authid') = {}",
        name_column("rolname"),
        quote_literal(&role_comment(restore_uid))
    );
    for row in writer.run(&query).await? {
        let (role, is_exact) = writer.name(&row, "name")?;
        if !is_exact {
            continue;
        }
        let dropped = writer
            .run(&format!("drop role {}", quote_identifier(&role)))
            .await;
        if let Err(error) = dropped {
            tracing::warn!("role {} stays: {error}", quoted(&role, 80));
        }
    }
    Ok(())
}

/// A statement of the restore failed.
pub fn failed(what: &str, error: &PostgresError) -> AgentFailure {
    let is_ours = !error.kind.is_of_the_connection();
    let reason = if is_ours {
        reasons::RESTORE_FAILED
    } else {
        error.kind.reason()
    };
    AgentFailure {
        reason: reason.to_owned(),
        message: format!("{what}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(description: &DatabaseDescription, major: u32) -> String {
        let new = NewDatabase {
            name: "shop",
            restored_as: "a\"b",
            restore_uid: "uid-1",
            description: Some(description),
            owner: None,
        };
        let statement = build_create(&new, major);
        let begin = "create database \"a\"\"b\" with template template0 allow_connections false";
        statement.strip_prefix(begin).unwrap_or_default().to_owned()
    }

    #[test]
    fn a_database_is_created_as_the_manifest_describes_it() {
        let mut of = DatabaseDescription {
            encoding: "UTF8".to_owned(),
            locale_provider: "c".to_owned(),
            collate: "C".to_owned(),
            ctype: "it's".to_owned(),
            ..DatabaseDescription::default()
        };
        let plain = " encoding 'UTF8' lc_collate 'C' lc_ctype 'it''s'";
        assert_eq!(create(&of, 14), plain);
        assert_eq!(create(&of, 15), format!("{plain} locale_provider 'libc'"));
        of.locale_provider = "i".to_owned();
        of.locale = Some("de".to_owned());
        of.icu_rules = Some("&V".to_owned());
        assert_eq!(
            create(&of, 16),
            format!("{plain} locale_provider 'icu' icu_locale 'de' icu_rules '&V'")
        );
        of.locale_provider = "b".to_owned();
        assert_eq!(
            create(&of, 17),
            format!("{plain} locale_provider 'builtin' builtin_locale 'de'")
        );
        assert_eq!(create(&DatabaseDescription::default(), 14), "");
    }
}
