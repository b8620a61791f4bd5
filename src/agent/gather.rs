//! Gathering the evidence of a check: identity, databases, tables and rows, as far as they can be
//! read within the timeout.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::api::{
    AgentFailure, BackupEvidence, CheckRequest, Evidence, OtherBackups, WithoutLogin, reasons,
};
use crate::postgres::{
    Login, ObservedIdentity, Overview, PostgresError, PostgresErrorKind, Presence, Session,
    TableList, connect, fetch_other_databases, fetch_overview,
};

use super::counting::Counting;
use super::look_ahead::look_ahead;
use super::{MountedFiles, Remembered, fetch_remembered, look_without_login};

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
    /// What the server says before a login.
    pub without_login: Option<WithoutLogin>,
    /// Whose backups the bucket has instead, if that was asked.
    pub other_backups: Option<OtherBackups>,
    /// Why the next backup would fail, if that was asked.
    pub backup_obstacle: Option<AgentFailure>,
}

impl Gathered {
    fn failed(error: PostgresError) -> Self {
        Self {
            failure: Some(error.into()),
            ..Self::default()
        }
    }
}

/// How long after its start a server is left alone with the application, which connects again and
/// reads much at once, before large tables are counted.
const SETTLING: Duration = Duration::from_secs(5);

/// Looks at the server that the request names, and into the bucket if nothing else remembers what
/// should be there.
pub async fn gather(request: &CheckRequest, files: &MountedFiles) -> Gathered {
    gather_in_parts(request, files, None, None).await
}

/// The same, and sends what is known before large tables are counted, if there are any. Before every
/// connection it is asked whether the server is still the one that is meant.
pub async fn gather_in_parts(
    request: &CheckRequest,
    files: &MountedFiles,
    presence: Option<Presence>,
    first_part: Option<oneshot::Sender<Evidence>>,
) -> Gathered {
    let remembered = async {
        match &request.remembered_in {
            // Large, and rarely asked for.
            Some(storage) => Box::pin(fetch_remembered(request, storage, files)).await,
            None => Ok(Remembered::default()),
        }
    };
    let (mut gathered, remembered) = tokio::join!(
        Box::pin(gather_evidence(
            request,
            files,
            presence.clone(),
            first_part
        )),
        remembered
    );
    match remembered {
        Ok(found) => {
            gathered.other_backups = found.other_backups(gathered.evidence.as_ref());
            gathered.backup_evidence = found.own;
        }
        Err(failure) => gathered.failure = gathered.failure.or(Some(failure)),
    }
    let is_unreachable = gathered.evidence.is_none()
        && gathered
            .failure
            .as_ref()
            .is_some_and(|failure| failure.reason == reasons::CONNECTION_FAILED);
    gathered.without_login =
        Some(Box::pin(look_without_login(request, files, presence, is_unreachable)).await);
    gathered
}

async fn gather_evidence(
    request: &CheckRequest,
    files: &MountedFiles,
    presence: Option<Presence>,
    first_part: Option<oneshot::Sender<Evidence>>,
) -> Gathered {
    let deadline = Instant::now() + Duration::from_secs(request.timeout_seconds.max(1));
    let Some(host) = &request.server.host else {
        let message =
            "the request names no host to check, which is a fault of the operator; see its log";
        return Gathered::failed(PostgresError::new(
            PostgresErrorKind::ConnectionFailed,
            message,
        ));
    };
    let login = match files.read_login(&request.server, &request.namespace, host, presence) {
        Ok(login) => login,
        Err(error) => return Gathered::failed(error),
    };
    let session = match connect_somewhere(&login, &request.server.databases, deadline).await {
        Ok(session) => session,
        Err(error) => return Gathered::failed(error),
    };
    let overview = match fetch_overview(&session, &request.server.databases).await {
        Ok(overview) => overview,
        Err(error) => return Gathered::failed(error),
    };
    if overview.superuser {
        tracing::warn!(
            role = login.username,
            "the role is a superuser, which is more than a check needs: kubectl holdfast grant-sql"
        );
    }
    let mut evidence = begin_evidence(&overview);
    // What a replica has proves nothing about the primary, and counting it would cost the same.
    if evidence.identity.in_recovery {
        return Gathered {
            evidence: Some(evidence),
            ..Gathered::default()
        };
    }
    let Overview {
        observed,
        others,
        tables,
        ..
    } = overview;
    let mut counting = Counting::new(request, deadline);
    let session = count_first(&mut counting, &login, &evidence, session, tables).await;
    if counting.has_rest() {
        if let Some(first_part) = first_part {
            let mut part = evidence.clone();
            counting.write_into(&mut part);
            part.partial = true;
            // Without totals: what is not counted yet is in none.
            part.coverage.clear();
            first_part.send(part).ok();
        }
        tokio::time::sleep(time_to_settle(&observed, deadline)).await;
        counting.count_rest(&login).await;
    }
    let mut backup_obstacle = None;
    if let Some(session) = session {
        if request.looks_ahead {
            let version = &evidence.identity.server_version;
            backup_obstacle = look_ahead(request, &login, &session, version).await;
        }
        evidence.other_databases = fetch_other_databases(&session, &login, &others).await;
    }
    counting.write_into(&mut evidence);
    Gathered {
        failure: join_problems(counting.failures()),
        evidence: Some(evidence),
        backup_obstacle,
        ..Gathered::default()
    }
}

/// The evidence before anything was counted.
fn begin_evidence(overview: &Overview) -> Evidence {
    Evidence {
        identity: overview.observed.identity.clone(),
        databases: overview.databases.clone(),
        tables: Vec::new(),
        table_count: 0,
        total_rows: 0,
        missing_tables: None,
        coverage: Vec::new(),
        other_databases: Vec::new(),
        sequences: Vec::new(),
        superuser: overview.superuser,
        partial: false,
        image: None,
        observed_at: overview.observed.observed_at.clone(),
        server_address: overview.observed.server_address.clone(),
    }
}

/// Counts what is small in every database. One connection at a time: what was connected to only for
/// the identity is closed before the next is opened. Returns the last session.
async fn count_first(
    counting: &mut Counting<'_>,
    login: &Login,
    evidence: &Evidence,
    session: Session,
    tables: Result<TableList, PostgresError>,
) -> Option<Session> {
    let exists = |name: &str| {
        evidence
            .databases
            .iter()
            .any(|database| database.name == name)
    };
    let (mut open, mut listed) = (Some(session), Some(tables));
    for database in counting
        .databases()
        .iter()
        .filter(|name| exists(name.as_str()))
    {
        let is_open = open
            .as_ref()
            .is_some_and(|session| session.database() == database);
        let tables = listed.take().filter(|_| is_open);
        if !is_open {
            drop(open.take());
            open = counting.connect(login, database).await;
        }
        if let Some(session) = &open {
            counting.count_small(session, tables).await;
        }
    }
    open
}

/// How long to wait before large tables are counted; never more than a part of the time there is.
fn time_to_settle(observed: &ObservedIdentity, deadline: Instant) -> Duration {
    let started = observed.identity.postmaster_started_at.0;
    let age = observed.observed_at.0.duration_since(started);
    let age = Duration::try_from(age).unwrap_or(SETTLING);
    let remaining = deadline.saturating_duration_since(Instant::now());
    SETTLING.saturating_sub(age).min(remaining / 4)
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
            Err(error) if error.kind.is_missing_database() => {
                tracing::warn!("{error}");
                first_error.get_or_insert(error);
            }
            // That another one is closed to the role says less than that the database is missing,
            // which the server says only to a role that it has let in.
            Err(error) => match &first_error {
                Some(missing) => tracing::info!(reason = missing.kind.reason(), "{error}"),
                None => return Err(error),
            },
        }
    }
    Err(first_error.unwrap_or_else(|| {
        PostgresError::new(
            PostgresErrorKind::DatabaseNotFound,
            "the request names no database",
        )
    }))
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
