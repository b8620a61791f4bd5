//! Gathering the evidence of a check: identity, databases, tables and rows, as far as they can be
//! read within the timeout.

use std::time::Duration;

use tokio::time::Instant;

use crate::api::{
    AgentFailure, BackupEvidence, CheckRequest, EVIDENCE_TABLE_LIMIT, Evidence, TableEvidence,
    TableName,
};
use crate::postgres::{
    CountOrder, CountedTables, Login, Overview, PostgresError, PostgresErrorKind, Session,
    TableList, connect, count_tables, fetch_overview, fetch_tables,
};

use super::{MountedFiles, fetch_remembered};

/// Databases that nearly every server has, to ask for its identity when the one that should exist
/// does not.
const MAINTENANCE_DATABASES: [&str; 2] = ["postgres", "template1"];

/// What a check found, and why it did not find everything. Both may be there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gathered {
    /// What was found.
    pub evidence: Option<Evidence>,
    /// Why nothing, or not everything.
    pub failure: Option<AgentFailure>,
    /// What the newest good backup says was there, if that was asked.
    pub backup_evidence: Option<BackupEvidence>,
}

impl Gathered {
    fn failed(error: PostgresError) -> Self {
        Self {
            failure: Some(error.into()),
            ..Self::default()
        }
    }
}

/// Looks at the server that the request names, and into the bucket if nothing else remembers what
/// should be there.
pub async fn gather(request: &CheckRequest, files: &MountedFiles) -> Gathered {
    let remembered = async {
        match &request.remembered_in {
            Some(storage) => fetch_remembered(request, storage, files).await,
            None => Ok(None),
        }
    };
    let (mut gathered, remembered) = tokio::join!(gather_evidence(request, files), remembered);
    match remembered {
        Ok(found) => gathered.backup_evidence = found,
        Err(failure) => gathered.failure = gathered.failure.or(Some(failure)),
    }
    gathered
}

async fn gather_evidence(request: &CheckRequest, files: &MountedFiles) -> Gathered {
    let deadline = Instant::now() + Duration::from_secs(request.timeout_seconds.max(1));
    let Some(host) = &request.server.host else {
        let message =
            "the request names no host to check, which is a fault of the operator; see its log";
        return Gathered::failed(PostgresError::new(
            PostgresErrorKind::ConnectionFailed,
            message,
        ));
    };
    let login = match Login::read(
        &request.server,
        &request.namespace,
        host,
        &files.postgres_credentials,
        &files.postgres_ca,
    ) {
        Ok(login) => login,
        Err(error) => return Gathered::failed(error),
    };
    let session = match connect_somewhere(&login, &request.server.databases, deadline).await {
        Ok(session) => session,
        Err(error) => return Gathered::failed(error),
    };
    let Overview {
        observed,
        superuser,
        databases,
        tables,
    } = match fetch_overview(&session, &request.server.databases).await {
        Ok(overview) => overview,
        Err(error) => return Gathered::failed(error),
    };
    if superuser {
        tracing::warn!(
            role = login.username,
            "the role is a superuser, which is more than a check needs: kubectl holdfast grant-sql"
        );
    }
    let mut counting = Counting {
        request,
        deadline,
        budget: Duration::from_millis(request.counting_milliseconds),
        found: CountedTables::default(),
        absent: Vec::new(),
    };
    let mut first = Some((session, tables));
    for database in request
        .server
        .databases
        .iter()
        .filter(|name| databases.iter().any(|database| database.name == **name))
    {
        // One connection at a time: what was connected to only for the identity is closed before
        // the next is opened.
        let reused = first
            .take()
            .filter(|(session, _)| session.database() == database);
        match counting.count_database(&login, database, reused).await {
            // Dropped in between: the evidence was right when it was taken.
            Err(error) if error.kind == PostgresErrorKind::DatabaseNotFound => {}
            Err(error) => counting.found.failures.push(error),
            Ok(()) => {}
        }
    }
    let Counting { found, absent, .. } = counting;
    let evidence = Evidence {
        identity: observed.identity,
        databases,
        tables: bound_tables(found.tables, request),
        table_count: found.table_count,
        total_rows: found.total_rows,
        missing_tables: Some(absent),
        superuser,
        observed_at: observed.observed_at,
    };
    Gathered {
        evidence: Some(evidence),
        failure: join_problems(found.failures),
        backup_evidence: None,
    }
}

/// What was counted in the databases so far, and what is left of the budget.
struct Counting<'a> {
    request: &'a CheckRequest,
    deadline: Instant,
    budget: Duration,
    found: CountedTables,
    absent: Vec<TableName>,
}

impl Counting<'_> {
    async fn count_database(
        &mut self,
        login: &Login,
        database: &str,
        reused: Option<(Session, TableList)>,
    ) -> Result<(), PostgresError> {
        let (session, list) = if let Some(reused) = reused {
            reused
        } else {
            let session = connect(login, database, self.deadline).await?;
            let list = fetch_tables(&session).await?;
            (session, list)
        };
        let main = self
            .request
            .server
            .databases
            .first()
            .map_or("", String::as_str);
        let order = CountOrder {
            rules: self
                .request
                .tables
                .iter()
                .filter(|rule| rule.database.as_deref().unwrap_or(main) == database)
                .collect(),
            known: self
                .request
                .known_tables
                .iter()
                .filter(|known| known.database == database)
                .map(|known| known.name.as_str())
                .collect(),
            count_all: self.request.count_all_tables,
            budget: self.budget,
            table_limit: EVIDENCE_TABLE_LIMIT,
        };
        let counted = count_tables(&session, &list, &order).await?;
        self.budget = counted.budget_left;
        self.found.tables.extend(counted.tables);
        self.found.table_count += counted.table_count;
        self.found.total_rows += counted.total_rows;
        self.found.failures.extend(counted.failures);
        self.absent
            .extend(counted.absent.into_iter().map(|name| TableName {
                database: database.to_owned(),
                name,
            }));
        Ok(())
    }
}

/// Connects to the first database that exists: a missing one must not hide which database cluster
/// answers.
async fn connect_somewhere(
    login: &Login,
    databases: &[String],
    deadline: Instant,
) -> Result<Session, PostgresError> {
    let mut first_error = None;
    for database in databases
        .iter()
        .map(String::as_str)
        .chain(MAINTENANCE_DATABASES)
    {
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
    Err(first_error.unwrap_or_else(|| {
        PostgresError::new(
            PostgresErrorKind::DatabaseNotFound,
            "the request names no database",
        )
    }))
}

/// Keeps a status small: the tables with rules, those that the last good check found, then those
/// with the most rows.
fn bound_tables(mut tables: Vec<TableEvidence>, request: &CheckRequest) -> Vec<TableEvidence> {
    let main = request.server.databases.first().map_or("", String::as_str);
    let has_rule = |table: &TableEvidence| {
        request.tables.iter().any(|rule| {
            rule.name == table.name && rule.database.as_deref().unwrap_or(main) == table.database
        })
    };
    let is_known = |table: &TableEvidence| {
        request
            .known_tables
            .iter()
            .any(|known| known.name == table.name && known.database == table.database)
    };
    let order = |table: &TableEvidence| {
        (
            !has_rule(table),
            !is_known(table),
            std::cmp::Reverse(table.rows),
            table.database.clone(),
            table.name.clone(),
        )
    };
    tables.sort_by_cached_key(order);
    tables.truncate(EVIDENCE_TABLE_LIMIT);
    tables
}

fn join_problems(problems: Vec<PostgresError>) -> Option<AgentFailure> {
    let more = problems.len().saturating_sub(1);
    let mut failure = AgentFailure::from(problems.into_iter().next()?);
    if more > 0 {
        failure.message = format!(
            "{} (failures that are not shown: {more}; see the pod's log)",
            failure.message
        );
    }
    Some(failure)
}
