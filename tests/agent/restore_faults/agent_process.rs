//! An agent of a restore as a process of its own, so that it can be killed: this very program, asked for one test
//! that restores one set as the agent of a Job does, without Kubernetes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use holdfast::agent::{Interrupt, MountedFiles, RestoreOrder, RestoreWatcher, restore_set};
use holdfast::api::{AgentFailure, RestoreReport, RestoreRequest, RestoredDatabase};
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};

use crate::support::object_store::IMPATIENT;

/// Where the errand is.
const ERRAND: &str = "HOLDFAST_RESTORE_ERRAND";
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
    /// Starts the agent. It ends with the thread that does.
    pub fn start(&self) -> Child {
        let file = self.work.join("errand.json");
        fs::write(&file, serde_json::to_vec(self).unwrap()).unwrap();
        fs::remove_file(self.work.join("outcome.json")).ok();
        let output = fs::File::create(self.work.join("agent.log")).unwrap();
        Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(std::env::current_exe().unwrap())
            .args([NAME, "--exact", "--ignored", "--nocapture"])
            .env(ERRAND, file)
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// How it ended; none if it was killed before it could say so.
    pub fn outcome(&self) -> Option<Outcome> {
        let outcome = fs::read(self.work.join("outcome.json")).ok()?;
        serde_json::from_slice(&outcome).ok()
    }

    /// What it printed.
    pub fn log(&self) -> String {
        fs::read_to_string(self.work.join("agent.log")).unwrap_or_default()
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

/// Writes a file that is whole or not there, wherever this is killed.
fn write_whole(path: &Path, value: &impl Serialize) {
    let written = path.with_extension("new");
    fs::write(&written, serde_json::to_vec(value).unwrap()).unwrap();
    fs::rename(written, path).unwrap();
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
        write_whole(&known_file(&self.work), &*self.last.lock().unwrap());
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "not a test of its own: the tests of faults start it as an agent that they may kill"]
async fn restores_a_set() {
    let file = std::env::var_os(ERRAND).expect("the tests of faults start it");
    let errand: Errand = serde_json::from_slice(&fs::read(Path::new(&file)).unwrap()).unwrap();
    let files = MountedFiles {
        postgres_credentials: errand.postgres_credentials.clone(),
        postgres_ca: errand.postgres_credentials.clone(),
        postgres_certificate: errand.postgres_credentials.clone(),
        s3_credentials: errand.s3_credentials.clone(),
        s3_ca: errand.s3_credentials.clone(),
        identity: errand.work.join("identity"),
        work: errand.work.clone(),
        claims: errand.work.join("claims"),
    };
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
    write_whole(&errand.work.join("outcome.json"), &outcome);
}
