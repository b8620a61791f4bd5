//! An agent as a process of its own, so that it can be killed: this very program, asked for one test that
//! takes one set as the agent of a Job does, without Kubernetes.

use std::path::PathBuf;
use std::time::Duration;

use holdfast::agent::{BackupMeter, Interrupt, MountedFiles, SetOrder, abort_leftovers, take_set};
use holdfast::api::{AgentFailure, BackupRequest};
use holdfast::store::{SetPath, StoreLimits, set_suffix};
use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::process::Child;

use crate::backup_scene::Says;
use crate::errands;

/// Name of the test below.
const NAME: &str = "backup_faults::agent_process::takes_a_set";
/// Long enough for a fault of one request on a busy machine, short enough to wait for.
const LIMITS: StoreLimits = StoreLimits {
    budget: Duration::from_secs(6),
    ends_at: None,
    silence: Duration::from_secs(2),
    answer: Duration::from_secs(3),
    completion: Duration::from_secs(4),
};

/// What an agent is to do.
#[derive(Serialize, Deserialize)]
pub struct Errand {
    pub request: BackupRequest,
    pub postgres_credentials: PathBuf,
    pub s3_credentials: PathBuf,
    /// Where the password file goes, and the outcome.
    pub work: PathBuf,
    pub begun: Timestamp,
    pub backup: String,
}

/// How it ended, if it was not killed.
#[derive(Debug, Serialize, Deserialize)]
pub enum Outcome {
    Taken,
    Failed(AgentFailure),
}

impl Errand {
    /// The set's directory.
    pub fn path(&self) -> SetPath {
        let request = &self.request;
        let suffix = set_suffix(&request.database_uid, &self.backup);
        SetPath::new(
            &request.storage.prefix,
            &request.namespace,
            &request.database,
            self.begun,
            suffix,
        )
    }

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
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "not a test of its own: the tests of faults start it as an agent that they may kill"]
async fn takes_a_set() {
    let errand: Errand = errands::read();
    let files = errands::mounted_files(
        &errand.postgres_credentials,
        &errand.s3_credentials,
        &errand.work,
    );
    let path = errand.path();
    let outcome = match take(&errand, &files, path).await {
        Ok(()) => Outcome::Taken,
        Err(failure) => Outcome::Failed(failure),
    };
    errands::leave(&errand.work, &outcome);
}

async fn take(errand: &Errand, files: &MountedFiles, path: SetPath) -> Result<(), AgentFailure> {
    let request = &errand.request;
    let deadline = Duration::from_secs(request.deadline_seconds);
    let interrupt = Interrupt::listen(deadline, "spec.backup.deadline").unwrap();
    // As after the kill of a pod: the next one is alone.
    let is_alone = std::future::ready(true);
    tokio::select! {
        failure = interrupt.wait() => return Err(failure),
        clean = abort_leftovers(request, files, &path, LIMITS, is_alone) => clean?,
    }
    let order = SetOrder {
        request,
        files,
        host: "127.0.0.1".to_owned(),
        presence: None,
        backup: errand.backup.clone(),
        path,
        image: None,
        pause: Duration::ZERO,
        dump_program: None,
        meter: BackupMeter::default(),
        limits: LIMITS,
    };
    let says = Says::nothing(&request.server.databases[0]);
    Box::pin(take_set(&order, &says, &interrupt))
        .await
        .map(drop)
}
