//! What agents are asked to do, from the spec. Pure, and never with a secret.

use std::time::Duration;

use super::valid_spec::{ValidBackup, ValidVerification};
use crate::api::{
    BackupRequest, CheckRequest, Connection, DEFAULT_PORT, DatabaseCheck, FILE_PATH_LIMIT,
    FilesRequest, PodSelection, ProtectedDatabase, ServerRequest, WorkloadKind,
};

/// The workload that an agent finds the pod by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadReference {
    pub kind: WorkloadKind,
    pub name: String,
    /// Its label selector as a query.
    pub selector: String,
    /// The container that runs Postgres.
    pub container: String,
}

/// What a check's agent is asked; `address` is the pod's.
#[must_use]
pub fn check_request(
    database: &ProtectedDatabase,
    verification: &ValidVerification,
    check: &DatabaseCheck,
    address: &str,
) -> CheckRequest {
    let spec = &database.spec;
    let mut server = server_request(&spec.connection, None);
    server.host.get_or_insert_with(|| address.to_owned());
    CheckRequest {
        namespace: database.metadata.namespace.clone().unwrap_or_default(),
        database: database.metadata.name.clone().unwrap_or_default(),
        check: check.metadata.name.clone().unwrap_or_default(),
        server,
        tables: spec.verification.tables.clone(),
        count_all_tables: verification.max_drop_percent.is_some(),
        known_tables: Vec::new(),
        timeout_seconds: verification.timeout.as_secs(),
        counting_milliseconds: u64::try_from(verification.counting_budget.as_millis())
            .unwrap_or(u64::MAX),
        remembered_in: None,
        ask_default_port: spec.connection.host.is_none() && spec.connection.port != DEFAULT_PORT,
        configured_directory: check
            .spec
            .target
            .as_ref()
            .map(|target| target.configured_directory.clone())
            .unwrap_or_default(),
    }
}

/// What the agent is asked that looks for the files of one rule, by its place in the spec;
/// `address` is the pod's.
#[must_use]
pub fn files_request(
    database: &ProtectedDatabase,
    verification: &ValidVerification,
    check: &DatabaseCheck,
    place: usize,
    address: &str,
) -> Option<FilesRequest> {
    let rule = database.spec.verification.files.get(place)?.clone();
    let mut server = server_request(&database.spec.connection, None);
    server.host.get_or_insert_with(|| address.to_owned());
    Some(FilesRequest {
        namespace: database.metadata.namespace.clone().unwrap_or_default(),
        check: check.metadata.name.clone().unwrap_or_default(),
        place,
        timeout_seconds: verification.file_timeouts.get(place)?.as_secs(),
        rule,
        server,
        path_limit: FILE_PATH_LIMIT,
    })
}

/// What a backup's agent is asked; `check_limit` is how long a check of the data may take.
#[must_use]
pub fn backup_request(
    database: &ProtectedDatabase,
    backup: &ValidBackup,
    workload: &WorkloadReference,
    check_limit: Duration,
) -> BackupRequest {
    let pods = PodSelection {
        selector: workload.selector.clone(),
        controller_kind: workload.kind.to_string(),
        controller_name: workload.name.clone(),
        container: workload.container.clone(),
    };
    BackupRequest {
        namespace: database.metadata.namespace.clone().unwrap_or_default(),
        database: database.metadata.name.clone().unwrap_or_default(),
        database_uid: database.metadata.uid.clone().unwrap_or_default(),
        server: server_request(&database.spec.connection, Some(pods)),
        storage: backup.storage.clone(),
        deadline_seconds: backup.deadline.as_secs(),
        check_seconds: check_limit.min(backup.deadline / 2).as_secs(),
    }
}

fn server_request(connection: &Connection, pods: Option<PodSelection>) -> ServerRequest {
    let credentials = &connection.credentials_secret;
    ServerRequest {
        host: connection.host.clone(),
        port: connection.port,
        databases: connection.databases().map(ToOwned::to_owned).collect(),
        tls_mode: connection.tls.mode,
        tls_ca: connection.tls.ca_secret.is_some(),
        credentials_secret: credentials.name.clone(),
        username_key: credentials.username_key.clone(),
        password_key: credentials.password_key.clone(),
        pods,
    }
}
