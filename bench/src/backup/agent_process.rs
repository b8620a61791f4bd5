//! The agent as a process of its own, as in a Job, so that its memory can be told; and an upload of what
//! is written to it, for the pipelines that people use.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use holdfast::agent::{
    BackupMeter, Interrupt, KnownGood, MountedFiles, SetOrder, SuspicionSource, TakenSet, take_set,
};
use holdfast::api::{AgentFailure, BackupRequest, S3Storage, ServerRequest};
use holdfast::store::{S3Store, SetPath, StoreLimits, Upload, set_suffix};
use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::memory::peak_of;

/// Bytes that are read at a time.
const PIECE: usize = 256 << 10;
/// The default of `spec.backup.deadline`.
const DEADLINE: u64 = 6 * 3_600;

#[derive(Debug, Args)]
pub struct SetArguments {
    /// The errand, a file
    errand: PathBuf,
}

#[derive(Debug, Args)]
pub struct PutArguments {
    /// The errand, a file
    errand: PathBuf,
    /// The key of the object
    key: String,
}

/// What is backed up to where.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Errand {
    pub server: ServerRequest,
    pub storage: S3Storage,
    pub postgres_credentials: PathBuf,
    pub s3_credentials: PathBuf,
    pub work: PathBuf,
}

/// What the agent says of a set it took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Account {
    pub rows: u64,
    pub raw_bytes: u64,
    /// The most memory that the agent itself had, in bytes.
    pub memory: u64,
    /// The set's directory in the bucket, and the SHA-256 of its manifest.
    pub path: String,
    pub manifest_sha256: String,
}

impl Errand {
    pub fn read(file: &PathBuf) -> Result<Self> {
        Ok(serde_json::from_slice(&fs::read(file)?)?)
    }

    /// What is mounted in a Job.
    pub fn files(&self) -> MountedFiles {
        MountedFiles {
            postgres_credentials: self.postgres_credentials.clone(),
            postgres_ca: self.postgres_credentials.clone(),
            postgres_certificate: self.postgres_credentials.clone(),
            s3_credentials: self.s3_credentials.clone(),
            s3_ca: self.s3_credentials.clone(),
            identity: self.work.join("identity"),
            work: self.work.clone(),
            claims: self.work.join("claims"),
        }
    }
}

/// Takes a set as the agent does, and prints what it says of it.
pub async fn take(arguments: &SetArguments) -> Result<()> {
    let errand = Errand::read(&arguments.errand)?;
    let (path, set) = take_one(&errand).await;
    let set = set.map_err(|failure| anyhow!("{}: {}", failure.reason, failure.message))?;
    let databases = set.manifest.databases.iter();
    let account = Account {
        rows: databases.map(|database| database.rows).sum(),
        raw_bytes: set
            .manifest
            .objects
            .iter()
            .map(|object| object.raw_size)
            .sum(),
        memory: peak_of(std::process::id()).context("the memory of this process is not known")?,
        path,
        manifest_sha256: set.manifest_sha256,
    };
    println!("{}", serde_json::to_string(&account)?);
    Ok(())
}

async fn take_one(errand: &Errand) -> (String, Result<TakenSet, AgentFailure>) {
    let request = BackupRequest {
        namespace: "bench".to_owned(),
        database: "bench".to_owned(),
        database_uid: "bench".to_owned(),
        server: errand.server.clone(),
        storage: errand.storage.clone(),
        retry_seconds: 60,
        deadline_seconds: DEADLINE,
        turn_seconds: None,
        check_seconds: 0,
        yield_seconds: Some(30),
        exclude_table_data: Vec::new(),
        directories: Vec::new(),
        age_recipients: Vec::new(),
        labels: BTreeMap::new(),
        kubernetes_cluster: None,
        namespace_uid: None,
    };
    let files = errand.files();
    let now = Timestamp::now();
    let suffix = set_suffix("bench", &now.to_string());
    let order = SetOrder {
        request: &request,
        files: &files,
        host: "127.0.0.1".to_owned(),
        presence: None,
        backup: "bench".to_owned(),
        path: SetPath::new(&request.storage.prefix, "bench", "bench", now, suffix),
        limits: StoreLimits::default(),
        image: None,
        pause: Duration::ZERO,
        dump_program: None,
        meter: BackupMeter::default(),
    };
    let interrupt = Interrupt::by_hand().1;
    let path = order.path.as_str().to_owned();
    (
        path,
        Box::pin(take_set(&order, &Unsuspicious, &interrupt)).await,
    )
}

/// A ProtectedDatabase that has nothing to say.
struct Unsuspicious;

impl SuspicionSource for Unsuspicious {
    async fn fetch_suspicion(&self, _system_identifier: &str) -> Option<String> {
        None
    }

    async fn fetch_known_good(&self) -> Result<KnownGood, String> {
        let spec = serde_json::json!({
            "workload": {"name": "bench"},
            "connection": {"database": "bench", "credentialsSecret": {"name": "bench"}},
        });
        Ok(KnownGood {
            spec: serde_json::from_value(spec).map_err(|error| error.to_string())?,
            baseline: None,
            unverified: None,
        })
    }
}

/// Uploads standard input as one object, with several parts on their way as the agent has.
pub async fn put(arguments: &PutArguments) -> Result<()> {
    let errand = Errand::read(&arguments.errand)?;
    let files = &errand.s3_credentials;
    let store = S3Store::open_within(
        &errand.storage,
        "bench",
        files,
        files,
        StoreLimits::default(),
    )?;
    let mut upload = Upload::new(store, arguments.key.clone(), 0);
    let mut piece = vec![0; PIECE];
    let mut input = std::io::stdin().lock();
    loop {
        match input.read(&mut piece)? {
            0 => break,
            length => upload.write(&piece[..length]).await?,
        }
    }
    upload.seal().await?;
    upload.complete().await?;
    Ok(())
}
