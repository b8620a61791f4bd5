//! A database with a bucket to back it up to, what its ProtectedDatabase would say, and what must be
//! left when a backup fails: nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast::agent::{
    BackupMeter, Interrupt, KnownGood, MountedFiles, SetOrder, SuspicionSource, TakenSet, take_set,
};
use holdfast::api::{AgentFailure, BackupRequest, Origin};
use holdfast::store::SetPath;
use k8s_openapi::jiff::Timestamp;
use tempfile::TempDir;

use crate::support::object_store::{IMPATIENT, TestObjectStore};
use crate::support::postgres::TestPostgres;

/// What the ProtectedDatabase would say.
#[derive(Clone)]
pub struct Says {
    pub suspicion: Option<&'static str>,
    pub known: Result<KnownGood, String>,
}

impl Says {
    /// Nothing is suspect, and no check came before.
    pub fn nothing(database: &str) -> Self {
        let spec = serde_json::json!({
            "workload": {"name": "w"},
            "connection": {"database": database, "credentialsSecret": {"name": "s"}},
        });
        Self {
            suspicion: None,
            known: Ok(KnownGood {
                spec: serde_json::from_value(spec).unwrap(),
                baseline: None,
                unverified: None,
            }),
        }
    }
}

impl SuspicionSource for Says {
    async fn fetch_suspicion(&self, _system_identifier: &str) -> Option<String> {
        self.suspicion.map(str::to_owned)
    }

    async fn fetch_known_good(&self) -> Result<KnownGood, String> {
        self.known.clone()
    }
}

pub struct Scene {
    pub postgres: TestPostgres,
    pub bucket: TestObjectStore,
    pub request: BackupRequest,
    pub files: MountedFiles,
    _credentials: TempDir,
}

impl Scene {
    pub fn new(databases: &[&str], username: &str, password: &str) -> Self {
        Self::of(TestPostgres::start(), databases, username, password)
    }

    /// The same of a server that was started already.
    pub fn of(postgres: TestPostgres, databases: &[&str], username: &str, password: &str) -> Self {
        let bucket = TestObjectStore::start();
        let (server, credentials) = postgres.request(databases, username, password);
        let request = BackupRequest {
            namespace: "atra".to_owned(),
            database: "knowledge".to_owned(),
            database_uid: "uid-1".to_owned(),
            server,
            storage: bucket.storage(),
            retry_seconds: 60,
            deadline_seconds: 600,
            turn_seconds: None,
            check_seconds: 0,
            yield_seconds: None,
            exclude_table_data: Vec::new(),
            directories: Vec::new(),
            age_recipients: Vec::new(),
            labels: BTreeMap::new(),
            kubernetes_cluster: Some("cluster-1".to_owned()),
            namespace_uid: Some("namespace-1".to_owned()),
        };
        let files = MountedFiles {
            postgres_credentials: credentials.path().to_path_buf(),
            postgres_ca: credentials.path().to_path_buf(),
            postgres_certificate: credentials.path().to_path_buf(),
            s3_credentials: bucket.credentials().to_path_buf(),
            s3_ca: bucket.authority(),
            identity: credentials.path().to_path_buf(),
            work: credentials.path().to_path_buf(),
            claims: credentials.path().join("claims"),
        };
        Self {
            postgres,
            bucket,
            request,
            files,
            _credentials: credentials,
        }
    }

    pub fn order(&self) -> SetOrder<'_> {
        self.order_number(7)
    }

    pub fn order_number(&self, number: u32) -> SetOrder<'_> {
        let path = SetPath::new(
            "prod",
            "atra",
            "knowledge",
            Timestamp::from_second(1_795_258_801).unwrap(),
            number,
        );
        SetOrder {
            request: &self.request,
            files: &self.files,
            host: "127.0.0.1".to_owned(),
            presence: None,
            backup: "knowledge-backup-1".to_owned(),
            path,
            image: None,
            pause: Duration::ZERO,
            dump_program: None,
            meter: BackupMeter::default(),
            limits: IMPATIENT,
        }
    }

    /// What a ProtectedDatabase says that has nothing to say.
    pub fn says(&self) -> Says {
        Says::nothing(&self.request.server.databases[0])
    }

    pub async fn take(&self, says: Option<&'static str>) -> Result<TakenSet, AgentFailure> {
        let says = Says {
            suspicion: says,
            ..self.says()
        };
        let interrupt = Interrupt::by_hand().1;
        Box::pin(take_set(&self.order(), &says, &interrupt)).await
    }

    /// Waits until a dump has stored parts, and is not over.
    pub async fn wait_for_parts(&self) {
        while self.bucket.unfinished_parts() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Takes one set of several.
    pub async fn take_number(&self, number: u32) -> Result<TakenSet, AgentFailure> {
        let (order, interrupt) = (self.order_number(number), Interrupt::by_hand().1);
        Box::pin(take_set(&order, &self.says(), &interrupt)).await
    }

    pub fn assert_nothing_is_left(&self) {
        assert_eq!(
            (self.bucket.objects(), self.bucket.unfinished_parts()),
            (Vec::new(), 0)
        );
        assert!(
            !self.files.work.join("pgpass").exists(),
            "the password file is gone"
        );
    }
}

/// The namespace and the name of the scene's database.
pub const NAMES: (&str, &str) = ("atra", "knowledge");

/// What the scene's database is known by.
pub fn origin() -> Origin {
    Origin {
        database_uid: "uid-1".to_owned(),
        namespace_uids: vec!["namespace-1".to_owned()],
        kubernetes_cluster: Some("cluster-1".to_owned()),
    }
}

pub const FOLDER: &str = "prod/atra/knowledge/20261121T110001Z-00000007";
/// Random text, so that compression leaves more parts to upload than are on their way at once: the dump
/// has to wait for them.
pub const BULKY: u32 = 200_000;

/// A table of so many rows of random text, each more than 1 KB.
pub fn bulky(rows: u32) -> String {
    format!(
        "create table bulky (data text); insert into bulky select (select \
         string_agg(gen_random_uuid()::text || n || m, '') from generate_series(1, 30) m) from \
         generate_series(1, {rows}) n;"
    )
}
