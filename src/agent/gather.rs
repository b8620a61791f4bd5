//! Gathering the evidence of a check: identity, databases, tables and rows, as far as they can be had within the time given.

use std::time::Duration;

use tokio::time::Instant;

use crate::api::{AgentFailure, CheckRequest, EVIDENCE_TABLE_LIMIT, Evidence, TableEvidence, TableRule};
use crate::postgres::{
    CountedTables, Login, PostgresError, PostgresErrorKind, Session, connect, count_tables, fetch_databases, fetch_identity,
};

use super::MountedFiles;

/// Databases that nearly every server has, to ask for its identity when the one that should exist does not.
const MAINTENANCE_DATABASES: [&str; 2] = ["postgres", "template1"];

/// What a check found, and why it did not find everything. Both may be there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gathered {
    /// What was found.
    pub evidence: Option<Evidence>,
    /// Why nothing, or not everything.
    pub failure: Option<AgentFailure>,
}

impl Gathered {
    fn failed(error: PostgresError) -> Self {
        Self { evidence: None, failure: Some(error.into()) }
    }
}

/// Looks at the server that the request names.
pub async fn gather(request: &CheckRequest, files: &MountedFiles) -> Gathered {
    let deadline = Instant::now() + Duration::from_secs(request.timeout_seconds.max(1));
    let Some(host) = &request.server.host else {
        let message = "the request names no host to check, which is a fault of the operator; see its log";
        return Gathered::failed(PostgresError::new(PostgresErrorKind::ConnectionFailed, message));
    };
    let login = match Login::read(&request.server, &request.namespace, host, &files.postgres_credentials, &files.postgres_ca) {
        Ok(login) => login,
        Err(error) => return Gathered::failed(error),
    };
    let session = match connect_somewhere(&login, &request.server.databases, deadline).await {
        Ok(session) => session,
        Err(error) => return Gathered::failed(error),
    };
    let (observed, databases) = match fetch_server(&session, &request.server.databases).await {
        Ok(found) => found,
        Err(error) => return Gathered::failed(error),
    };
    let mut tables = Vec::new();
    let (mut table_count, mut total_rows, mut problems) = (0, 0, Vec::new());
    let mut first = Some(session);
    for database in request.server.databases.iter().filter(|name| databases.iter().any(|database| database.name == **name)) {
        let reused = first.take_if(|session| session.database() == database);
        match count_database(&login, database, reused, request, deadline).await {
            Ok(counted) => {
                tables.extend(counted.tables);
                table_count += counted.table_count;
                total_rows += counted.total_rows;
                problems.extend(counted.failures);
            }
            // Dropped in between: the evidence was right when it was taken.
            Err(error) if error.kind == PostgresErrorKind::DatabaseNotFound => {}
            Err(error) => problems.push(error),
        }
    }
    let evidence = Evidence {
        identity: observed.identity,
        databases,
        tables: bound_tables(tables, request),
        table_count,
        total_rows,
        absent: Vec::new(),
        superuser: false,
        observed_at: observed.observed_at,
    };
    Gathered { evidence: Some(evidence), failure: join_problems(problems) }
}

async fn fetch_server(
    session: &Session,
    wanted: &[String],
) -> Result<(crate::postgres::ObservedIdentity, Vec<crate::api::DatabaseEvidence>), PostgresError> {
    Ok((fetch_identity(session).await?, fetch_databases(session, wanted).await?))
}

/// Connects to the first database that exists: a missing one must not hide which cluster of data answers.
async fn connect_somewhere(login: &Login, databases: &[String], deadline: Instant) -> Result<Session, PostgresError> {
    let mut first_error = None;
    for database in databases.iter().map(String::as_str).chain(MAINTENANCE_DATABASES) {
        match connect(login, database, deadline).await {
            Ok(session) => return Ok(session),
            Err(error) if error.kind == PostgresErrorKind::DatabaseNotFound => {
                tracing::warn!("{error}");
                first_error.get_or_insert(error);
            }
            // That a fallback is closed to the role says less than that the database is missing.
            Err(error) => return Err(first_error.unwrap_or(error)),
        }
    }
    Err(first_error.unwrap_or_else(|| PostgresError::new(PostgresErrorKind::DatabaseNotFound, "the request names no database")))
}

async fn count_database(
    login: &Login,
    database: &str,
    session: Option<Session>,
    request: &CheckRequest,
    deadline: Instant,
) -> Result<CountedTables, PostgresError> {
    let session = match session {
        Some(session) => session,
        None => connect(login, database, deadline).await?,
    };
    let main = request.server.databases.first().map_or("", String::as_str);
    let rules: Vec<&TableRule> = request.tables.iter().filter(|rule| rule.database.as_deref().unwrap_or(main) == database).collect();
    count_tables(&session, &rules, request.count_all_tables).await
}

/// Keeps a status small: the tables with rules, then those with the most rows.
fn bound_tables(mut tables: Vec<TableEvidence>, request: &CheckRequest) -> Vec<TableEvidence> {
    let main = request.server.databases.first().map_or("", String::as_str);
    let has_rule = |table: &TableEvidence| {
        request.tables.iter().any(|rule| rule.name == table.name && rule.database.as_deref().unwrap_or(main) == table.database)
    };
    tables.sort_by_cached_key(|table| (!has_rule(table), std::cmp::Reverse(table.rows), table.database.clone(), table.name.clone()));
    tables.truncate(EVIDENCE_TABLE_LIMIT);
    tables
}

fn join_problems(problems: Vec<PostgresError>) -> Option<AgentFailure> {
    let more = problems.len().saturating_sub(1);
    let mut failure = AgentFailure::from(problems.into_iter().next()?);
    if more > 0 {
        failure.message = format!("{} ({more} more like this; the pod's log has them)", failure.message);
    }
    Some(failure)
}
