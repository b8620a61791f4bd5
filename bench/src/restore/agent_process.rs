//! The agent of a restore as a process of its own, as in a Job.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, ensure};
use clap::Args;
use holdfast::agent::{Interrupt, RestoreOrder, RestoreStep, RestoreWatcher, restore_set};
use holdfast::api::{DataDisk, RestoreReport, RestoreRequest, RestoreTarget};
use holdfast::store::StoreLimits;
use serde::{Deserialize, Serialize};

use crate::backup::{Errand, peak_of};

/// The default of `spec.restore.deadline`.
const DEADLINE: u64 = 24 * 3_600;
/// The UID of the restore: the name of what it makes follows from it.
pub const UID: &str = "beefbeef-0000-4000-8000-000000000000";

#[derive(Debug, Args)]
pub struct RestoreSetArguments {
    /// The errand, a file
    errand: PathBuf,
    /// The set's directory in the bucket
    path: String,
    /// The SHA-256 of its manifest
    manifest_sha256: String,
    /// Sessions that build indexes beside each other
    jobs: i32,
    /// In the place of the present database
    #[arg(long)]
    replace: bool,
}

/// What the agent says of a restore.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Account {
    pub rows: u64,
    /// Seconds until every object was hashed, from then until everything was restored, and from then until it
    /// was compared.
    pub parts: [f64; 3],
    /// The most memory that the agent itself had, in bytes.
    pub memory: u64,
    /// For how long nobody could connect, in milliseconds, if names were swapped.
    pub outage: Option<i64>,
}

/// Takes the time of each step.
struct Timing {
    begun: Instant,
    steps: Mutex<Vec<(RestoreStep, f64)>>,
}

impl RestoreWatcher for Timing {
    fn note(&self, _report: &RestoreReport) {}

    async fn after(&self, step: RestoreStep) {
        let seconds = self.begun.elapsed().as_secs_f64();
        let mut steps = self
            .steps
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        steps.push((step, seconds));
    }
}

impl Timing {
    fn of(&self, wanted: RestoreStep) -> Result<f64> {
        let steps = self
            .steps
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let found = steps.iter().find(|(step, _)| *step == wanted);
        found
            .map(|found| found.1)
            .with_context(|| format!("{wanted:?} was not reached"))
    }
}

/// Restores a set as the agent does, and prints what it says of it.
pub async fn restore(arguments: &RestoreSetArguments) -> Result<()> {
    let errand = Errand::read(&arguments.errand)?;
    let files = errand.files();
    let request = RestoreRequest {
        namespace: "bench".to_owned(),
        database: "bench".to_owned(),
        database_uid: "bench".to_owned(),
        restore: "bench".to_owned(),
        restore_uid: UID.to_owned(),
        server: errand.server,
        claims: Vec::new(),
        storage: errand.storage,
        path: arguments.path.clone(),
        manifest_sha256: arguments.manifest_sha256.clone(),
        confirmed_only: false,
        into: if arguments.replace {
            RestoreTarget::Replace
        } else {
            RestoreTarget::Beside
        },
        dry_run: false,
        jobs: arguments.jobs,
        tables: Vec::new(),
        identity_secret: None,
        disk: DataDisk::default(),
        retry_seconds: 60,
        deadline_seconds: DEADLINE,
        drill: None,
        files: None,
    };
    let order = RestoreOrder {
        request: &request,
        files: &files,
        host: "127.0.0.1".to_owned(),
        presence: None,
        limits: StoreLimits::default(),
        system_identifier: None,
        known: Ok(Vec::new()),
    };
    let timing = Timing {
        begun: Instant::now(),
        steps: Mutex::default(),
    };
    let report = Box::pin(restore_set(&order, &timing, &Interrupt::by_hand().1)).await;
    let report = report.map_err(|failure| anyhow!("{}: {}", failure.reason, failure.message))?;
    let restored = report.databases.first().context("nothing was restored")?;
    ensure!(
        restored.is_identical,
        "it is not what was backed up: {report:?}"
    );
    let (hashed, filled) = (
        timing.of(RestoreStep::LookedAhead)?,
        timing.of(RestoreStep::Restored)?,
    );
    let verified = timing.of(RestoreStep::Verified)?;
    let account = Account {
        rows: restored.rows.unwrap_or_default().unsigned_abs(),
        parts: [hashed, filled - hashed, verified - filled],
        memory: peak_of(std::process::id()).context("the memory of this process is not known")?,
        outage: report.outage_milliseconds,
    };
    println!("{}", serde_json::to_string(&account)?);
    Ok(())
}
