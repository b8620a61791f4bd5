//! Whether a server can take a set: everything that stands against it, before anything is made. Pure.

use std::collections::BTreeSet;

use crate::api::{RESTORED_DATABASE_LIMIT, RestoreTarget};
use crate::postgres::{ContentsEntry, FORMATS, read_major};
use crate::store::{
    FORMAT_VERSION, Manifest, ManifestDatabase, OLDEST_FORMAT_VERSION, is_object_name,
};
use crate::wording::{list, quoted};

use super::restore_names::NAME_LIMIT;
use super::restore_preflight_notes::{look_at_collation, look_at_subscriptions};
use super::restore_preflight_present::look_at_present;
use super::restore_server_facts::{Preflight, SHOWN, ServerFacts};
use super::restore_settings::read_grants;
use super::unsupported::obstacles_of;

/// Databases that every server has, and that a restore does not replace.
const TEMPLATES: [&str; 2] = ["template0", "template1"];

/// What stands against a manifest whatever the server is: it was hashed, and is not trusted.
#[must_use]
pub fn problems_of(manifest: &Manifest) -> Vec<String> {
    let mut problems = Vec::new();
    let version = manifest.format_version;
    if !(OLDEST_FORMAT_VERSION..=FORMAT_VERSION).contains(&version) {
        problems.push(format!(
            "its manifest has the format version {version}, and this version of Holdfast reads up to \
             {FORMAT_VERSION}"
        ));
    }
    let databases = manifest.databases.len();
    if databases == 0 || databases > RESTORED_DATABASE_LIMIT {
        problems.push(format!(
            "it has {databases} databases; a restore takes 1 to {RESTORED_DATABASE_LIMIT}"
        ));
    }
    let (mut objects, mut names) = (BTreeSet::new(), BTreeSet::new());
    for object in &manifest.objects {
        if !is_object_name(&object.name) || !objects.insert(object.name.as_str()) {
            problems.push(format!(
                "its object {} has no name of its own that is one path element",
                quoted(&object.name, SHOWN)
            ));
        }
    }
    let mut encrypted = manifest
        .objects
        .iter()
        .filter(|one| one.encryption.is_some());
    if let (Some(object), true) = (encrypted.next(), manifest.recipients.is_empty()) {
        problems.push(format!(
            "its object {} is encrypted, and its manifest does not say for whom",
            quoted(&object.name, SHOWN)
        ));
    }
    let mut used = BTreeSet::new();
    for database in &manifest.databases {
        let name = quoted(&database.name, SHOWN);
        let is_name = !database.name.is_empty()
            && database.name.len() <= NAME_LIMIT
            && !database.name.contains('\0');
        if !is_name || !names.insert(database.name.as_str()) {
            problems.push(format!("{name} is not the name of one database"));
        }
        if TEMPLATES.contains(&database.name.as_str()) {
            problems.push(format!("database {name} is a template of the server"));
        }
        if !objects.contains(database.object.as_str()) || !used.insert(database.object.as_str()) {
            problems.push(format!("it has no dump of its own for database {name}"));
        }
        for setting in odd_settings(database) {
            problems.push(format!(
                "the value of {} of database {name} has control characters",
                quoted(setting, SHOWN)
            ));
        }
        problems.extend(obstacles_of(database));
    }
    problems
}

/// Files of the set stay in it: a warning says where they are.
fn look_at_directories(manifest: &Manifest, found: &mut Preflight) {
    for directory in &manifest.directories {
        found.warnings.push(format!(
            "the files of claim {} are in the set ({}) and are not restored with the databases: kubectl holdfast \
             restore NAME --files-only",
            quoted(&directory.claim, SHOWN),
            quoted(&directory.object, SHOWN)
        ));
    }
}

/// Settings of a session whose values no server can have: they are passed on in its options.
fn odd_settings(database: &ManifestDatabase) -> impl Iterator<Item = &str> {
    let of_dump = database
        .description
        .iter()
        .flat_map(|one| &one.formats)
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let of_database = database
        .description
        .iter()
        .flat_map(|one| &one.settings)
        .filter(|one| {
            let is_format = |name: &str| one.name.eq_ignore_ascii_case(name);
            one.role.is_none() && FORMATS.iter().any(|name| is_format(name))
        })
        .filter_map(|one| Some((one.name.as_str(), one.value.as_deref()?)));
    of_dump
        .chain(of_database)
        .filter(|(_, value)| value.chars().any(char::is_control))
        .map(|(name, _)| name)
}

/// Compares a set with a server. `contents` are the tables of contents of its dumps, in the order of
/// the databases.
#[must_use]
pub fn look_ahead(
    manifest: &Manifest,
    contents: &[Vec<ContentsEntry>],
    server: &ServerFacts,
    into: RestoreTarget,
) -> Preflight {
    let mut found = Preflight::default();
    look_at_directories(manifest, &mut found);
    look_at_server(manifest, server, &mut found);
    look_at_roles(manifest, contents, server, &mut found);
    for database in &manifest.databases {
        look_at_collation(database, server, &mut found);
    }
    if into == RestoreTarget::Scratch {
        // Every role is missing in a throwaway server.
        found.warnings.clear();
    }
    for (database, contents) in manifest.databases.iter().zip(contents) {
        look_at_extensions(manifest, database, server, &mut found);
        look_at_contents(database, contents, server, &mut found);
        if into == RestoreTarget::Replace {
            look_at_present(database, server, &mut found);
        }
    }
    found
}

fn look_at_server(manifest: &Manifest, server: &ServerFacts, found: &mut Preflight) {
    let role = quoted(&server.role, SHOWN);
    if server.in_recovery {
        found
            .problems
            .push("the server is a replica, which nothing can be written to".to_owned());
    }
    if !server.is_superuser && !server.may_create_databases {
        found.problems.push(format!(
            "role {role} may not create databases: grant it, `ALTER ROLE … CREATEDB`, or name another \
             role in `spec.restore.credentialsSecret`"
        ));
    }
    let dumped = read_major(&manifest.server_version).unwrap_or_default();
    if server.major < dumped {
        found.problems.push(format!(
            "the server is Postgres {}, and the set is of Postgres {dumped}: restore it into Postgres \
             {dumped} or newer",
            server.major
        ));
    }
    if !server.is_superuser {
        found.warnings.push(format!(
            "role {role} is no superuser: everything belongs to the owner of the database afterwards, and \
             permissions on tables (GRANT) are not restored"
        ));
    }
}

fn look_at_roles(
    manifest: &Manifest,
    contents: &[Vec<ContentsEntry>],
    server: &ServerFacts,
    found: &mut Preflight,
) {
    let mut needed: BTreeSet<&str> = BTreeSet::new();
    let mut grantees = Vec::new();
    for description in manifest
        .databases
        .iter()
        .filter_map(|one| one.description.as_ref())
    {
        needed.extend(description.roles.iter().map(String::as_str));
        needed.insert(&description.owner);
        needed.extend(
            description
                .settings
                .iter()
                .filter_map(|one| one.role.as_deref()),
        );
        grantees.extend(read_grants(description.acl.as_deref().unwrap_or_default()));
    }
    needed.extend(grantees.iter().filter_map(|grant| grant.grantee.as_deref()));
    // Other names are in the encoding of the database here; the description has them.
    let owners = contents.iter().flatten().map(|entry| entry.owner.as_str());
    needed.extend(owners.filter(|owner| owner.is_ascii()));
    let missing: Vec<String> = needed
        .into_iter()
        .filter(|role| !role.is_empty() && !server.roles.contains_key(*role))
        .map(ToOwned::to_owned)
        .collect();
    if missing.is_empty() {
        return;
    }
    let names: Vec<String> = missing.iter().map(|role| quoted(role, SHOWN)).collect();
    let reserved: Vec<String> = missing
        .iter()
        .filter(|role| role.starts_with("pg_") || role.len() > NAME_LIMIT || role.contains('\0'))
        .map(|role| quoted(role, SHOWN))
        .collect();
    if !reserved.is_empty() {
        found.problems.push(format!(
            "it needs roles that nobody can create: {}",
            list(&reserved)
        ));
    } else if server.is_superuser || server.may_create_roles {
        found.warnings.push(format!(
            "these roles are missing and are created without login and without their memberships: {}. Set \
             what they need: `ALTER ROLE … LOGIN PASSWORD …`",
            list(&names)
        ));
        found.missing_roles = missing;
    } else {
        found.problems.push(format!(
            "these roles are missing, and role {} may not create roles: {}. Create them first: `CREATE \
             ROLE …`",
            quoted(&server.role, SHOWN),
            list(&names)
        ));
    }
}

fn look_at_extensions(
    manifest: &Manifest,
    database: &ManifestDatabase,
    server: &ServerFacts,
    found: &mut Preflight,
) {
    let dumped = read_major(&manifest.server_version).unwrap_or_default();
    for wanted in &database.extensions {
        let offered = || {
            server
                .extensions
                .iter()
                .filter(|one| one.name == wanted.name)
        };
        let default = offered().find(|one| one.is_default);
        let what = format!(
            "extension {} {} of database {}",
            quoted(&wanted.name, SHOWN),
            quoted(&wanted.version, SHOWN),
            quoted(&database.name, SHOWN)
        );
        let Some(default) = default else {
            found.problems.push(format!(
                "the server does not have {what}: use an image that has it"
            ));
            continue;
        };
        if default.version != wanted.version {
            let has_it = offered().any(|one| one.version == wanted.version);
            if has_it || server.major > dumped {
                found.warnings.push(format!(
                    "{what} is restored in version {}, the default one of the server",
                    quoted(&default.version, SHOWN)
                ));
            } else {
                found.problems.push(format!(
                    "the server has {what} only in version {}: use an image that has it",
                    quoted(&default.version, SHOWN)
                ));
            }
        }
        // Every database has it.
        if default.for_superusers && !server.is_superuser && wanted.name != "plpgsql" {
            found
                .problems
                .push(format!("only a superuser can create {what}"));
        }
    }
}

fn look_at_contents(
    database: &ManifestDatabase,
    contents: &[ContentsEntry],
    server: &ServerFacts,
    found: &mut Preflight,
) {
    let name = quoted(&database.name, SHOWN);
    if !server.is_superuser {
        let privileged: Vec<String> = contents
            .iter()
            .filter_map(|entry| {
                let what = entry.for_superusers?;
                Some(format!("{what} {}", quoted(&entry.name, SHOWN)))
            })
            .collect();
        if !privileged.is_empty() {
            found.problems.push(format!(
                "only a superuser can create what is in database {name}: {}. Name one in \
                 `spec.restore.credentialsSecret`",
                list(&privileged)
            ));
        }
    }
    if !server.is_superuser && !server.bypasses_row_security {
        let hidden: Vec<String> = contents
            .iter()
            .filter(|entry| entry.forces_row_security)
            .map(|entry| quoted(&format!("{}.{}", entry.schema, entry.name), SHOWN))
            .collect();
        if !hidden.is_empty() {
            found.problems.push(format!(
                "policies hide rows of tables of database {name} from role {}, so they can't be compared: {}. \
                 `ALTER ROLE … BYPASSRLS`, or name a superuser in `spec.restore.credentialsSecret`",
                quoted(&server.role, SHOWN),
                list(&hidden)
            ));
        }
    }
    let lost = missing_tablespaces(contents, server);
    if !lost.is_empty() {
        let lost: Vec<String> = lost.iter().map(|one| quoted(one, SHOWN)).collect();
        found.warnings.push(format!(
            "the server does not have all tablespaces of database {name} ({}): all of it is restored \
             into the default one",
            list(&lost)
        ));
    }
    look_at_subscriptions(database, found);
    if !database.without_rows.is_empty() {
        let tables: Vec<String> = database
            .without_rows
            .iter()
            .map(|one| quoted(one, SHOWN))
            .collect();
        found.warnings.push(format!(
            "the set has no rows of these tables of database {name}: {}",
            list(&tables)
        ));
    }
}

/// The tablespaces that a dump names and the server does not have.
#[must_use]
pub fn missing_tablespaces(contents: &[ContentsEntry], server: &ServerFacts) -> BTreeSet<String> {
    contents
        .iter()
        .map(|entry| &entry.tablespace)
        .filter(|name| !name.is_empty() && !server.tablespaces.contains(*name))
        .cloned()
        .collect()
}

#[cfg(test)]
#[path = "restore_preflight_tests.rs"]
mod tests;
