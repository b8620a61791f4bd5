//! Whether the server lets the role of restores into the databases that a restore makes, tried before they are
//! made: a server looks into `pg_hba.conf` before it looks for the database.

use std::time::Duration;

use tokio::time::Instant;

use crate::api::RestoreTarget;
use crate::postgres::{PostgresError, PostgresErrorKind, Writer};
use crate::wording::quoted;

use super::restore_context::Restoring;
use super::restore_order::{RESTORE_APPLICATION_NAME, RestoreWatcher};
use super::restore_server::Plan;
use super::restore_server_facts::{SHOWN, ServerFacts};

/// How long one answer may take. The server has just answered.
const LIMIT: Duration = Duration::from_secs(10);

/// What the answer to a connection says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Nobody stands in the way.
    Open,
    /// Not to this database.
    Closed,
    Unknown,
}

impl<W: RestoreWatcher> Restoring<'_, W> {
    /// Which of the databases that are to be made could not be reached then.
    pub async fn find_what_is_closed(&self, plan: Plan<'_>, facts: &ServerFacts) -> Vec<String> {
        // A throwaway server lets its only user in everywhere.
        if plan.into == RestoreTarget::Scratch {
            return Vec::new();
        }
        let mut problems = Vec::new();
        for names in plan.names() {
            let name = names.restored_as.as_str();
            let limit = Instant::now() + LIMIT;
            let tried = Writer::connect(&self.login, name, RESTORE_APPLICATION_NAME, limit).await;
            match read(tried.map(drop)) {
                Answer::Open => {}
                Answer::Closed => problems.push(describe(&facts.role, name)),
                Answer::Unknown => self.warn([format!(
                    "whether pg_hba.conf lets role {} into a database {} could not be tried",
                    quoted(&facts.role, SHOWN),
                    quoted(name, SHOWN)
                )]),
            }
        }
        problems
    }
}

/// The role and its password were accepted for another database a moment ago.
fn read(tried: Result<(), PostgresError>) -> Answer {
    match tried {
        Ok(()) => Answer::Open,
        Err(error) => match error.kind {
            // It is not there yet, or an earlier start has it closed.
            PostgresErrorKind::DatabaseNotFound
            | PostgresErrorKind::DatabaseRenamed
            | PostgresErrorKind::DatabaseClosed
            | PostgresErrorKind::PermissionDenied
            | PostgresErrorKind::QueryFailed => Answer::Open,
            PostgresErrorKind::AuthenticationFailed => Answer::Closed,
            _ => Answer::Unknown,
        },
    }
}

fn describe(role: &str, name: &str) -> String {
    format!(
        "pg_hba.conf does not let role {} into a database {}, which a restore makes: add a line for it with \
         the database `all`, before the one that refuses it, then `SELECT pg_reload_conf()`",
        quoted(role, SHOWN),
        quoted(name, SHOWN)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_not_there_yet_was_reached() {
        let of = |kind| read(Err(PostgresError::new(kind, "no")));
        assert_eq!(read(Ok(())), Answer::Open);
        assert_eq!(of(PostgresErrorKind::DatabaseNotFound), Answer::Open);
        assert_eq!(of(PostgresErrorKind::DatabaseClosed), Answer::Open);
        assert_eq!(of(PostgresErrorKind::AuthenticationFailed), Answer::Closed);
        assert_eq!(of(PostgresErrorKind::ConnectionFailed), Answer::Unknown);
    }
}
