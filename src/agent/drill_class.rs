//! What kind of failure a drill has ended with, by its reason and by what Postgres has said. Pure.

use crate::api::{AgentFailure, DrillFailureClass as Class, reasons};

/// What the server says when it has no space, or ends.
const SCRATCH: [&str; 8] = [
    "No space left on device",
    "could not extend file",
    "could not resize shared memory segment",
    "server closed the connection unexpectedly",
    "terminating connection",
    "the database system is",
    "connection to server",
    "out of memory",
];
const EXTENSION_VERSION: [&str; 4] = [
    "has no installation script nor update path",
    "could not find function",
    "incompatible library",
    "undefined symbol",
];
const EXTENSION_MISSING: [&str; 4] = [
    "could not open extension control file",
    "could not access file",
    "could not load library",
    "is not available",
];
const PRIVILEGE: [&str; 5] = [
    "permission denied",
    "must be owner of",
    "must be superuser",
    "must be member of",
    "must be able to SET ROLE",
];
/// What the server says of rows that it does not take.
const DATA: [&str; 14] = [
    "violates ",
    "is violated by some row",
    "row is too big",
    "index row size",
    "index row requires",
    "could not create unique index",
    "invalid input",
    "invalid byte sequence",
    "value too long",
    "out of range",
    "missing data for column",
    "extra data after last expected column",
    "is not present in table",
    "COPY failed for table",
];
/// What has a name in quotes that is looked for in the `search_path`.
const IN_THE_PATH: [&str; 7] = [
    "relation",
    "type",
    "collation",
    "text search configuration",
    "text search dictionary",
    "operator class",
    "materialized view",
];

/// Classifies a failure. What nobody here knows is unknown, and a failure still.
#[must_use]
pub fn classify(failure: &AgentFailure) -> Class {
    match failure.reason.as_str() {
        reasons::SCRATCH_FAILED
        | reasons::CONNECTION_FAILED
        | reasons::SERVER_STARTING
        | reasons::TOO_MANY_CONNECTIONS => Class::Scratch,
        reasons::RESTORE_DIFFERS | reasons::DRILL_FAILED => Class::Data,
        reasons::SET_CHANGED
        | reasons::BUCKET_NOT_FOUND
        | reasons::STORAGE_DENIED
        | reasons::STORAGE_UNREACHABLE
        | reasons::STORAGE_REFUSED
        | reasons::STORAGE_FULL
        | reasons::BACKUPS_UNREADABLE
        | reasons::UPLOAD_FAILED
        | reasons::CLOCK_SKEWED
        | reasons::SECRET_MISSING => Class::Storage,
        reasons::RESTORE_REFUSED => of_what_stands_against_it(&failure.message),
        reasons::RESTORE_FAILED | reasons::DUMP_FAILED | reasons::QUERY_FAILED => {
            of_what_was_said(&failure.message)
        }
        _ => Class::Unknown,
    }
}

/// Of what is found before anything is made, in words of our own.
fn of_what_stands_against_it(message: &str) -> Class {
    if message.contains("does not have extension ") {
        Class::ExtensionMissing
    } else if message.contains("the server has extension ") {
        Class::ExtensionVersion
    } else if message.contains("roles that nobody can create") {
        Class::RoleMissing
    } else {
        Class::Unknown
    }
}

/// Of what Postgres says, in English: the server runs with `lc_messages=C`.
fn of_what_was_said(message: &str) -> Class {
    // A message that was quoted has other quotation marks.
    let message = message.replace('\'', "\"");
    // What stands before and after may be a name of the database's.
    let said = message
        .split_once("ERROR:")
        .map_or(message.as_str(), |(_, said)| said.trim_start());
    let said = said
        .split_once("(TOC entry ")
        .map_or(said, |(said, _)| said);
    let says = |texts: &[&str]| texts.iter().any(|text| said.contains(text));
    if says(&SCRATCH) {
        Class::Scratch
    } else if says(&EXTENSION_VERSION) {
        Class::ExtensionVersion
    } else if says(&EXTENSION_MISSING) || is_missing(said, "extension") {
        Class::ExtensionMissing
    } else if is_missing(said, "role") {
        Class::RoleMissing
    } else if said.starts_with("schema \"") && said.contains("\" already exists") {
        Class::SchemaExists
    } else if says(&PRIVILEGE) {
        Class::Privilege
    } else if needs_a_path(said) {
        Class::SearchPath
    } else if says(&DATA) || message.contains("COPY failed for table") {
        Class::Data
    } else {
        Class::Unknown
    }
}

/// Whether the server says that it does not have one of this kind.
fn is_missing(said: &str, kind: &str) -> bool {
    missing_name(said, kind).is_some()
}

/// The name of what does not exist.
fn missing_name<'said>(said: &'said str, kind: &str) -> Option<&'said str> {
    let rest = said.strip_prefix(kind)?.strip_prefix(" \"")?;
    Some(rest.split_once("\" does not exist")?.0)
}

/// Whether something was not found that is named without its schema: `pg_restore` sets no `search_path`.
fn needs_a_path(said: &str) -> bool {
    let is_plain = |name: &str| !name.contains('.');
    let has_plain_name = IN_THE_PATH
        .iter()
        .filter_map(|kind| missing_name(said, kind))
        .any(is_plain);
    let function = said
        .strip_prefix("function ")
        .filter(|rest| rest.contains(") does not exist"))
        .and_then(|rest| rest.split_once('('))
        .is_some_and(|(name, _)| is_plain(name));
    has_plain_name || function || said.starts_with("operator does not exist")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(reason: &str, message: &str) -> Class {
        classify(&AgentFailure {
            reason: reason.to_owned(),
            message: message.to_owned(),
        })
    }

    #[test]
    fn what_postgres_says_is_classified() {
        for (said, class) in [
            ("role \"app\" does not exist", Class::RoleMissing),
            (
                "could not open extension control file \"/usr/x/vector.control\": No such file or directory",
                Class::ExtensionMissing,
            ),
            (
                "extension \"vector\" is not available",
                Class::ExtensionMissing,
            ),
            (
                "extension \"postgis\" does not exist",
                Class::ExtensionMissing,
            ),
            (
                "could not access file \"$libdir/x\": No such file or directory",
                Class::ExtensionMissing,
            ),
            (
                "extension \"vector\" has no installation script nor update path for version \"0.1\"",
                Class::ExtensionVersion,
            ),
            (
                "could not find function \"f\" in file \"/usr/x.so\"",
                Class::ExtensionVersion,
            ),
            ("schema \"app\" already exists", Class::SchemaExists),
            ("relation \"orders\" does not exist", Class::SearchPath),
            ("function normalize(text) does not exist", Class::SearchPath),
            (
                "operator does not exist: public.citext = public.citext",
                Class::SearchPath,
            ),
            ("relation \"app.orders\" does not exist", Class::Unknown),
            ("function app.f(text) does not exist", Class::Unknown),
            ("permission denied for schema app", Class::Privilege),
            ("must be owner of table t", Class::Privilege),
            ("row is too big: size 9000, maximum size 8160", Class::Data),
            (
                "new row for relation \"t\" violates check constraint \"c\"",
                Class::Data,
            ),
            ("could not create unique index \"i\"", Class::Data),
            (
                "could not extend file \"base/1/2\": No space left on device",
                Class::Scratch,
            ),
            ("something that nobody has seen", Class::Unknown),
        ] {
            let message = format!(
                "pg_restore ended with exit code 1: pg_restore: from TOC entry 3; 1 2 TABLE permission denied \
                 keeper | pg_restore: error: could not execute query: ERROR:  {said}. The server's log"
            );
            assert_eq!(of(reasons::RESTORE_FAILED, &message), class, "{said}");
            let quoted =
                crate::wording::quoted(&format!("could not execute query: ERROR:  {said}"), 300);
            let message = format!(
                "pg_restore failed: {quoted} (TOC entry 3; 1 2 TABLE permission denied keeper)"
            );
            assert_eq!(of(reasons::RESTORE_FAILED, &message), class, "{said}");
        }
        let copy = "pg_restore: error: COPY failed for table \"t\": ERROR:  something else";
        assert_eq!(of(reasons::RESTORE_FAILED, copy), Class::Data);
        for (reason, class) in [
            (reasons::SCRATCH_FAILED, Class::Scratch),
            (reasons::SET_CHANGED, Class::Storage),
            (reasons::STORAGE_UNREACHABLE, Class::Storage),
            (reasons::RESTORE_DIFFERS, Class::Data),
            (reasons::DRILL_FAILED, Class::Data),
            (reasons::TIMEOUT, Class::Unknown),
            (reasons::RESTORE_REFUSED, Class::Unknown),
        ] {
            assert_eq!(of(reason, "role \"x\" does not exist"), class, "{reason}");
        }
    }
}
