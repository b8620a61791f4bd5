//! An agent of a restore as a process of its own, so that it can be killed: this very program, asked for one test
//! that restores one set as the agent of a Job does, without Kubernetes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use holdfast::agent::{Interrupt, RestoreOrder, RestoreWatcher, restore_set};
use holdfast::api::{AgentFailure, RestoreReport, RestoreRequest, RestoredDatabase};
use serde::{Deserialize, Serialize};
use tokio::process::Child;

use crate::errands;
use crate::support::object_store::IMPATIENT;

/// Name of the test below.
const NAME: &str = "restore_faults::agent_process::restores_a_set";

/// What an agent is to do.
#[derive(Serialize, Deserialize)]
pub struct Errand {
    pub request: RestoreRequest,
    pub postgres_credentials: PathBuf,
    pub s3_credentials: PathBuf,
    /// Where the password file goes, and the outcome.
    pub work: PathBuf,
}

/// How it ended, if it was not killed.
#[derive(Debug, Serialize, Deserialize)]
pub enum Outcome {
    Restored(Box<RestoreReport>),
    Failed(AgentFailure),
}

impl Errand {
    /// Starts the agent.
    pub fn start(&self) -> Child {
        errands::start(NAME, &self.work, self)
    }

    /// How it ended; none if it was killed before it could say so.
    pub fn outcome(&self) -> Option<Outcome> {
        errands::outcome(&self.work)
    }

    /// What it printed.
    pub fn log(&self) -> String {
        errands::log(&self.work)
    }

    /// The next restore has another report.
    pub fn forget(&self) {
        fs::remove_file(known_file(&self.work)).ok();
    }
}

/// What it has reported, as the DatabaseRestore keeps it.
fn known_file(work: &Path) -> PathBuf {
    work.join("known.json")
}

/// Keeps the report only when it must be kept: whatever is lost of it besides must not matter.
struct Keeping {
    work: PathBuf,
    last: Mutex<Vec<RestoredDatabase>>,
}

impl RestoreWatcher for Keeping {
    fn note(&self, report: &RestoreReport) {
        self.last.lock().unwrap().clone_from(&report.databases);
    }

    async fn keep(&self) -> Result<(), AgentFailure> {
        errands::write_whole(&known_file(&self.work), &*self.last.lock().unwrap());
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "not a test of its own: the tests of faults start it as an agent that they may kill"]
async fn restores_a_set() {
    let errand: Errand = errands::read();
    let files = errands::mounted_files(
        &errand.postgres_credentials,
        &errand.s3_credentials,
        &errand.work,
    );
    let known = fs::read(known_file(&errand.work)).map_or_else(
        |_| Vec::new(),
        |known| serde_json::from_slice(&known).unwrap(),
    );
    let order = RestoreOrder {
        request: &errand.request,
        files: &files,
        host: "127.0.0.1".to_owned(),
        presence: None,
        limits: IMPATIENT,
        system_identifier: None,
        known: Ok(known),
    };
    let watcher = Keeping {
        work: errand.work.clone(),
        last: Mutex::default(),
    };
    let deadline = Duration::from_secs(errand.request.deadline_seconds);
    let interrupt = Interrupt::listen(deadline, "spec.restore.deadline").unwrap();
    let outcome = match Box::pin(restore_set(&order, &watcher, &interrupt)).await {
        Ok(report) => Outcome::Restored(Box::new(report)),
        Err(failure) => Outcome::Failed(failure),
    };
    errands::leave(&errand.work, &outcome);
}
