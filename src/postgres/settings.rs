//! The settings that every statement of ours runs with, so that neither the owner of the database
//! nor whatever stands between it and us can choose others.

use std::time::Duration;

/// What a session asks for when it begins, before what the owner has put on database or role.
/// Serializable transactions would leave locks on what was read, deferrable ones wait, and parallel
/// workers, like compiling, take processors from the application. The role is the one that logs in,
/// which has the grants: the owner of a database can make every session there begin as another one.
/// An error, such as that of a count that is cut short, must not end the session.
const AT_THE_START: [(&str, &str); 11] = [
    ("exit_on_error", "off"),
    ("role", "none"),
    ("search_path", ""),
    ("row_security", "off"),
    ("default_transaction_read_only", "on"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_deferrable", "off"),
    ("max_parallel_workers_per_gather", "0"),
    ("jit", "off"),
    ("constraint_exclusion", "off"),
    ("standard_conforming_strings", "on"),
];
/// What a session asks for that writes, for the same reasons.
const AT_THE_START_OF_WRITING: [(&str, &str); 8] = [
    ("exit_on_error", "off"),
    ("role", "none"),
    ("search_path", ""),
    ("default_transaction_read_only", "off"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_deferrable", "off"),
    ("jit", "off"),
    ("standard_conforming_strings", "on"),
];
/// The same once more for each transaction.
const IN_EACH_TRANSACTION: [(&str, &str); 8] = [
    ("exit_on_error", "off"),
    ("role", "none"),
    ("search_path", ""),
    ("row_security", "off"),
    ("transaction_read_only", "on"),
    ("max_parallel_workers_per_gather", "0"),
    ("jit", "off"),
    ("constraint_exclusion", "off"),
];
/// Only tables are read, no views and nothing of other servers; known to newer minor releases only.
const RESTRICTION: (&str, &str) = ("restrict_nonsystem_relation_kind", "view,foreign-table");

/// Statements have ends of their own, and one of the whole transaction would close the session. Known
/// from Postgres 17 on.
const WITHOUT_AN_END: &str = "case when pg_catalog.current_setting('transaction_timeout', 't') is not \
    null then pg_catalog.set_config('transaction_timeout', '0', true) end";

/// What the server is asked for with the login. `restricted` asks for what only newer minor
/// releases know.
pub(super) fn build_options(remaining: Duration, lock: Duration, restricted: bool) -> String {
    let settings = AT_THE_START
        .into_iter()
        .chain(restricted.then_some(RESTRICTION));
    build_options_of(settings, remaining, lock)
}

/// The same for a session that writes.
pub(super) fn build_options_of_writing(remaining: Duration, lock: Duration) -> String {
    build_options_of(AT_THE_START_OF_WRITING.into_iter(), remaining, lock)
}

fn build_options_of(
    settings: impl Iterator<Item = (&'static str, &'static str)>,
    remaining: Duration,
    lock: Duration,
) -> String {
    let milliseconds = remaining.as_millis().max(1);
    let mut options: Vec<String> = settings
        .map(|(name, value)| format!("-c {name}={}", value.replace(' ', "\\ ")))
        .collect();
    options.push(format!("-c statement_timeout={milliseconds}"));
    options.push(format!("-c lock_timeout={}", lock.as_millis().max(1)));
    options.push(format!(
        "-c idle_in_transaction_session_timeout={milliseconds}"
    ));
    options.join(" ")
}

/// How long the statements of one transaction may take, and wait for the locks of others; and
/// whether text comes as the server has it, because it can't be translated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub time: Duration,
    pub lock: Duration,
    pub restricted: bool,
    pub untranslated: bool,
}

/// A statement that puts the settings in force until the transaction ends: a pooler would keep what
/// is set for longer, for whoever comes next.
pub(super) fn build_local_settings(limits: Limits) -> String {
    let mut settings: Vec<(&str, String)> = IN_EACH_TRANSACTION
        .into_iter()
        .chain(limits.restricted.then_some(RESTRICTION))
        .map(|(name, value)| (name, value.to_owned()))
        .collect();
    let milliseconds = |time: Duration| time.as_millis().max(1).to_string();
    settings.push(("statement_timeout", milliseconds(limits.time)));
    settings.push(("lock_timeout", milliseconds(limits.lock)));
    if limits.untranslated {
        settings.push(("client_encoding", "SQL_ASCII".to_owned()));
    }
    let calls: Vec<String> = settings
        .iter()
        .map(|(name, value)| build_local_setting(name, value))
        .chain(std::iter::once(WITHOUT_AN_END.to_owned()))
        .collect();
    format!("select {}", calls.join(", "))
}

/// Puts one setting in force until the transaction ends.
pub(super) fn build_local_setting(name: &str, value: &str) -> String {
    format!("pg_catalog.set_config('{name}', '{value}', true)")
}

/// Asks which of the settings asked for at the start are not in force.
pub(super) fn build_question(restricted: bool) -> String {
    build_question_of(
        AT_THE_START
            .into_iter()
            .chain(restricted.then_some(RESTRICTION)),
    )
}

/// The same for a session that writes.
pub(super) fn build_question_of_writing() -> String {
    build_question_of(AT_THE_START_OF_WRITING.into_iter())
}

fn build_question_of(settings: impl Iterator<Item = (&'static str, &'static str)>) -> String {
    let rows: Vec<String> = settings
        .map(|(name, value)| format!("('{name}', '{value}')"))
        .collect();
    format!(
        "select asked.name as name from (values {}) as asked(name, value) where \
         pg_catalog.current_setting(asked.name, true) operator(pg_catalog.=) asked.value is not \
         true order by asked.name",
        rows.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_override_those_of_database_and_role() {
        insta::assert_snapshot!(build_options(
            Duration::from_mins(1),
            Duration::from_secs(5),
            true
        ));
        assert!(
            !build_options(Duration::ZERO, Duration::ZERO, false).contains("restrict_"),
            "older minor releases refuse it"
        );
    }

    #[test]
    fn nothing_is_set_for_longer_than_a_transaction() {
        let statement = build_local_settings(Limits {
            time: Duration::from_secs(3),
            lock: Duration::from_millis(100),
            restricted: true,
            untranslated: true,
        });
        assert_eq!(
            statement.matches("set_config(").count(),
            statement.matches(", true)").count()
        );
        insta::assert_snapshot!(statement);
    }
}
