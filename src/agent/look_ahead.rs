//! Whether the next backup could read everything, asked by day and not at its time: the role, and the
//! program of the server's major version. Nothing is dumped.

use crate::api::{AgentFailure, CheckRequest};
use crate::postgres::{
    DumpObstacle, Login, PostgresError, PostgresErrorKind, Session, connect, fetch_dump_obstacle,
    line_within, read_major,
};

use super::dump::find_programs;

/// The most bytes of a name in a message.
const NAME_LIMIT: usize = 120;

/// Why the next dump would fail, as far as that can be seen. What could not be asked says nothing: the
/// check itself says that.
pub async fn look_ahead(
    request: &CheckRequest,
    login: &Login,
    session: &Session,
    server_version: &str,
) -> Option<AgentFailure> {
    let major = read_major(server_version)?;
    if let Err(failure) = find_programs(major).await {
        return Some(failure);
    }
    for database in &request.server.databases {
        let found = if session.database() == database {
            fetch_dump_obstacle(session, &request.exclude_table_data).await
        } else {
            fetch_elsewhere(request, login, database, session).await
        };
        match found {
            Ok(None) => {}
            Ok(Some(obstacle)) => return Some(describe(&obstacle, database, &login.username)),
            Err(error) if error.kind.is_missing_database() => {
                return Some(error.into());
            }
            Err(error) => {
                tracing::info!(database, "whether it could be dumped is not known: {error}");
            }
        }
    }
    None
}

async fn fetch_elsewhere(
    request: &CheckRequest,
    login: &Login,
    database: &str,
    session: &Session,
) -> Result<Option<DumpObstacle>, PostgresError> {
    let further = connect(login, database, session.deadline()).await?;
    fetch_dump_obstacle(&further, &request.exclude_table_data).await
}

fn describe(obstacle: &DumpObstacle, database: &str, role: &str) -> AgentFailure {
    let DumpObstacle {
        kind,
        what,
        count,
        first,
    } = obstacle;
    let first = line_within(first, NAME_LIMIT);
    let because = if *kind == PostgresErrorKind::RowSecurity {
        "row security hides rows of"
    } else {
        "it may not read"
    };
    AgentFailure {
        reason: kind.reason().to_owned(),
        message: format!(
            "the role {role} can't dump the database {database}: {because} {what} ({count}; the first is \
             {first}). The SQL that grants it: kubectl holdfast grant-sql"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn obstacles_read() {
        let of = |kind, what, count| DumpObstacle {
            kind,
            what,
            count,
            first: "public.salaries".to_owned(),
        };
        let text: Vec<String> = [
            of(
                PostgresErrorKind::PermissionDenied,
                "tables and sequences",
                2,
            ),
            of(PostgresErrorKind::RowSecurity, "tables", 1),
        ]
        .iter()
        .map(|obstacle| {
            let failure = describe(obstacle, "app", "holdfast");
            format!("{}: {}", failure.reason, failure.message)
        })
        .collect();
        insta::assert_snapshot!(text.join("\n"));
    }
}
