//! What agents are asked to do, from the spec. Pure, and never with a secret.

use std::time::Duration;

use super::valid_drill::ValidDrill;
use super::valid_spec::{ValidBackup, ValidVerification};
use crate::api::{
    Backup, BackupRequest, CatalogRequest, CheckRequest, Connection, DEFAULT_PORT, DataDisk,
    DatabaseCheck, DatabaseRestore, DrillRequest, FILE_PATH_LIMIT, FilesRequest, FilesToRestore,
    FreshColumn, Origin, PodReference, PodSelection, ProtectedDatabase, RestoreRequest,
    RestoredSet, S3Storage, ServerRequest, WorkloadKind, default_jobs,
};

/// The workload that an agent finds the pod by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadReference {
    /// None where pods are selected by their labels alone; then it has no name either.
    pub kind: Option<WorkloadKind>,
    pub name: String,
    /// Its label selector as a query.
    pub selector: String,
    /// The container that runs Postgres.
    pub container: String,
    /// Whether the selector leads to the primary alone.
    pub is_primary: bool,
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
    let server = start_request(&spec.connection, check, address);
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
        origin: Origin::default(),
        looks_ahead: spec.backup.is_some(),
        exclude_table_data: spec
            .backup
            .as_ref()
            .map(|backup| backup.exclude_table_data.clone())
            .unwrap_or_default(),
        ask_default_port: check
            .spec
            .target
            .as_ref()
            .is_some_and(|target| target.host.is_none())
            && spec.connection.port != DEFAULT_PORT,
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
    let server = start_request(&database.spec.connection, check, address);
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
    let pods = selection(workload);
    let asked = database.spec.backup.as_ref();
    BackupRequest {
        namespace: database.metadata.namespace.clone().unwrap_or_default(),
        database: database.metadata.name.clone().unwrap_or_default(),
        database_uid: database.metadata.uid.clone().unwrap_or_default(),
        server: server_request(&database.spec.connection, Some(pods)),
        storage: backup.storage.clone(),
        retry_seconds: backup.retry_timeout.as_secs(),
        deadline_seconds: backup.deadline.as_secs(),
        turn_seconds: None,
        check_seconds: check_limit.min(backup.deadline / 2).as_secs(),
        yield_seconds: backup.yield_to_ddl.map(|limit| limit.as_secs()),
        exclude_table_data: asked
            .map(|asked| asked.exclude_table_data.clone())
            .unwrap_or_default(),
        directories: asked
            .map(|asked| asked.directories.clone())
            .unwrap_or_default(),
        age_recipients: backup.age_recipients.clone(),
        labels: asked.map(|asked| asked.labels.clone()).unwrap_or_default(),
        kubernetes_cluster: None,
        namespace_uid: None,
    }
}

/// How an agent finds the pods of a workload.
fn selection(workload: &WorkloadReference) -> PodSelection {
    PodSelection {
        selector: workload.selector.clone(),
        controller_kind: workload
            .kind
            .map_or_else(String::new, |kind| kind.to_string()),
        controller_name: workload.name.clone(),
        container: workload.container.clone(),
        is_primary: workload.is_primary,
    }
}

/// What a restore is asked for, and which start of the server it is bound to.
#[derive(Clone, Debug)]
pub struct RestoreTask<'a> {
    pub restore: &'a DatabaseRestore,
    pub set: &'a RestoredSet,
    pub pod: PodReference,
    /// The pod's address.
    pub address: &'a str,
    /// The disk that its data is on.
    pub disk: DataDisk,
    /// The workload of the pod, and the claims that its container mounts: what follows it is known by both.
    pub workload: Option<WorkloadReference>,
    pub claims: Vec<String>,
}

/// What a restore's agent is asked. None without `spec.restore`.
#[must_use]
pub fn restore_request(
    database: &ProtectedDatabase,
    backup: &ValidBackup,
    deadline: Duration,
    task: RestoreTask<'_>,
) -> Option<RestoreRequest> {
    let settings = database.spec.restore.as_ref()?;
    let credentials = &settings.credentials_secret;
    let server = ServerRequest {
        host: Some(task.address.to_owned()),
        pod: Some(task.pod),
        // Both are of the role of restores, and no certificate of another one is shown.
        username: None,
        certificate_secret: None,
        credentials_secret: credentials.name.clone(),
        username_key: credentials.username_key.clone(),
        password_key: credentials.password_key.clone(),
        ..server_request(
            &database.spec.connection,
            task.workload.as_ref().map(selection),
        )
    };
    Some(RestoreRequest {
        namespace: database.metadata.namespace.clone().unwrap_or_default(),
        database: database.metadata.name.clone().unwrap_or_default(),
        database_uid: database.metadata.uid.clone().unwrap_or_default(),
        restore: task.restore.metadata.name.clone().unwrap_or_default(),
        restore_uid: task.restore.metadata.uid.clone().unwrap_or_default(),
        server,
        claims: task.claims,
        storage: backup.storage.clone(),
        path: task.set.path.clone(),
        manifest_sha256: task.set.manifest_sha256.clone(),
        confirmed_only: is_confirmed_only(task.restore),
        into: task.restore.spec.into,
        dry_run: task.restore.is_dry_run(),
        jobs: settings.jobs,
        tables: task.restore.spec.tables.clone(),
        identity_secret: settings.identity_secret.clone(),
        disk: task.disk,
        retry_seconds: backup.retry_timeout.as_secs(),
        deadline_seconds: deadline.as_secs(),
        drill: None,
        files: None,
    })
}

/// How long a restore of files may take where the spec says nothing about restores.
const FILES_DEADLINE: Duration = Duration::from_hours(24);

/// What the agent of a restore of files is asked: nothing about any server.
#[must_use]
pub fn files_restore_request(
    database: &ProtectedDatabase,
    backup: &ValidBackup,
    deadline: Option<Duration>,
    (restore, set): (&DatabaseRestore, &RestoredSet),
    files: FilesToRestore,
) -> RestoreRequest {
    let settings = database.spec.restore.as_ref();
    RestoreRequest {
        namespace: database.metadata.namespace.clone().unwrap_or_default(),
        database: database.metadata.name.clone().unwrap_or_default(),
        database_uid: database.metadata.uid.clone().unwrap_or_default(),
        restore: restore.metadata.name.clone().unwrap_or_default(),
        restore_uid: restore.metadata.uid.clone().unwrap_or_default(),
        server: ServerRequest::default(),
        claims: Vec::new(),
        storage: backup.storage.clone(),
        path: set.path.clone(),
        manifest_sha256: set.manifest_sha256.clone(),
        confirmed_only: is_confirmed_only(restore),
        into: restore.spec.into,
        dry_run: false,
        jobs: default_jobs(),
        tables: Vec::new(),
        identity_secret: settings.and_then(|settings| settings.identity_secret.clone()),
        disk: DataDisk::default(),
        retry_seconds: backup.retry_timeout.as_secs(),
        deadline_seconds: deadline.unwrap_or(FILES_DEADLINE).as_secs(),
        drill: None,
        files: Some(files),
    }
}

/// How long a drill may take that a user asks for while the spec says nothing about drills.
const DRILL_DEADLINE: Duration = Duration::from_hours(6);

/// Whether the agent must make sure that a set counts: the operator knows nothing of one that a user has
/// named by its place.
fn is_confirmed_only(restore: &DatabaseRestore) -> bool {
    restore.spec.from.set.is_some() && restore.spec.accept_suspect != Some(true)
}

/// What a drill's agent is asked: nothing about the server of the database, which it does not reach.
#[must_use]
pub fn drill_request(
    database: &ProtectedDatabase,
    backup: &ValidBackup,
    drill: Option<&ValidDrill>,
    (restore, set): (&DatabaseRestore, &RestoredSet),
) -> RestoreRequest {
    let connection = &database.spec.connection;
    let settings = database.spec.restore.as_ref();
    let asked = database.spec.drill.as_ref();
    let columns = asked.map(|asked| asked.freshness.as_slice());
    let within = drill.map(|drill| drill.within.as_slice());
    let columns = columns.unwrap_or_default().iter();
    let freshness = columns.zip(within.unwrap_or_default());
    RestoreRequest {
        namespace: database.metadata.namespace.clone().unwrap_or_default(),
        database: database.metadata.name.clone().unwrap_or_default(),
        database_uid: database.metadata.uid.clone().unwrap_or_default(),
        restore: restore.metadata.name.clone().unwrap_or_default(),
        restore_uid: restore.metadata.uid.clone().unwrap_or_default(),
        server: ServerRequest {
            port: DEFAULT_PORT,
            databases: connection.databases().map(ToOwned::to_owned).collect(),
            ..ServerRequest::default()
        },
        claims: Vec::new(),
        storage: backup.storage.clone(),
        path: set.path.clone(),
        manifest_sha256: set.manifest_sha256.clone(),
        into: restore.spec.into,
        dry_run: false,
        jobs: settings.map_or_else(default_jobs, |settings| settings.jobs),
        tables: Vec::new(),
        identity_secret: settings.and_then(|settings| settings.identity_secret.clone()),
        disk: DataDisk::default(),
        retry_seconds: backup.retry_timeout.as_secs(),
        deadline_seconds: drill
            .map_or(DRILL_DEADLINE, |drill| drill.deadline)
            .as_secs(),
        confirmed_only: is_confirmed_only(restore),
        files: None,
        drill: Some(DrillRequest {
            queries: asked.map(|asked| asked.queries.clone()).unwrap_or_default(),
            freshness: freshness
                .map(|(column, within)| FreshColumn {
                    database: column.database.clone(),
                    table: column.table.clone(),
                    column: column.column.clone(),
                    within_seconds: within.as_secs(),
                })
                .collect(),
        }),
    }
}

/// The longest that a look at the sets in a bucket may take, whatever a backup may.
const LONGEST_LOOK: Duration = Duration::from_hours(6);

/// What an agent is asked that looks at the sets in the bucket. `name` is the backup that gets the
/// report.
#[must_use]
pub fn catalog_request(
    database: &ProtectedDatabase,
    backup: &ValidBackup,
    name: &str,
) -> CatalogRequest {
    let asked = database.spec.backup.as_ref();
    CatalogRequest {
        namespace: database.metadata.namespace.clone().unwrap_or_default(),
        database: database.metadata.name.clone().unwrap_or_default(),
        database_uid: database.metadata.uid.clone().unwrap_or_default(),
        kubernetes_cluster: None,
        backup: name.to_owned(),
        storage: S3Storage {
            credentials_secret: asked.and_then(Backup::look_credentials).cloned(),
            ..backup.storage.clone()
        },
        backup_storage: asked
            .filter(|asked| asked.has_look_credentials())
            .map(|_| backup.storage.clone()),
        deadline_seconds: backup.deadline.min(LONGEST_LOOK).as_secs(),
        retention: asked.and_then(|asked| asked.retention.clone()),
        removes: false,
        removing: Vec::new(),
        sample_bytes: backup.verify_sample,
        verdicts_only: false,
    }
}

/// How to reach the start that a check is about: at the host that the check names, or else at the
/// pod's own address.
fn start_request(connection: &Connection, check: &DatabaseCheck, address: &str) -> ServerRequest {
    let target = check.spec.target.as_ref();
    let host = target.and_then(|target| target.host.clone());
    let pod = target
        .filter(|target| target.host.is_none())
        .map(|target| PodReference {
            name: target.pod.clone(),
            uid: target.pod_uid.clone(),
            container: target.container.clone(),
            container_id: target.container_id.clone(),
        });
    ServerRequest {
        host: Some(host.unwrap_or_else(|| address.to_owned())),
        pod,
        ..server_request(connection, None)
    }
}

fn server_request(connection: &Connection, pods: Option<PodSelection>) -> ServerRequest {
    let credentials = connection.credentials_secret.as_ref();
    let certificate = connection.client_certificate_secret.as_ref();
    let key = |key: Option<&String>| key.cloned().unwrap_or_default();
    // A certificate that is made for the host is the pod's, too, when the pod itself is asked.
    let server_name = connection.tls.server_name.as_ref();
    ServerRequest {
        host: connection.host.clone(),
        port: connection.port,
        databases: connection.databases().map(ToOwned::to_owned).collect(),
        tls_mode: connection.tls.mode,
        tls_ca: connection.tls.ca_secret.is_some(),
        tls_server_name: server_name.or(connection.host.as_ref()).cloned(),
        username: connection.username.clone(),
        certificate_secret: certificate.map(|secret| secret.name.clone()),
        credentials_secret: key(credentials.map(|secret| &secret.name)),
        username_key: key(credentials.map(|secret| &secret.username_key)),
        password_key: key(credentials.map(|secret| &secret.password_key)),
        pod: None,
        pods,
    }
}
