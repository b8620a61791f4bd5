//! An agent as a process of its own, so that it can be killed: this very program, asked for one test that reads its
//! errand from a file and leaves its outcome in another one.

use std::fs;
use std::path::{Path, PathBuf};

use holdfast::agent::MountedFiles;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::process::{Child, Command};

/// Where the errand is.
const ERRAND: &str = "HOLDFAST_TEST_ERRAND";

/// Starts the test of that name with an errand in the directory `work`. It ends with the thread that does.
pub fn start(test: &str, work: &Path, errand: &impl Serialize) -> Child {
    let file = work.join("errand.json");
    fs::write(&file, serde_json::to_vec(errand).unwrap()).unwrap();
    fs::remove_file(outcome_file(work)).ok();
    let output = fs::File::create(log_file(work)).unwrap();
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL"])
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--ignored", "--nocapture"])
        .env(ERRAND, file)
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// The errand of the process that asks.
pub fn read<T: DeserializeOwned>() -> T {
    let file = std::env::var_os(ERRAND).expect("another test starts it");
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

/// What is mounted in a Job, with the password file in the directory `work`.
pub fn mounted_files(
    postgres_credentials: &Path,
    s3_credentials: &Path,
    work: &Path,
) -> MountedFiles {
    MountedFiles {
        postgres_credentials: postgres_credentials.to_owned(),
        postgres_ca: postgres_credentials.to_owned(),
        postgres_certificate: postgres_credentials.to_owned(),
        s3_credentials: s3_credentials.to_owned(),
        s3_ca: s3_credentials.to_owned(),
        identity: work.join("identity"),
        work: work.to_owned(),
        claims: work.join("claims"),
    }
}

/// Leaves how it ended.
pub fn leave(work: &Path, outcome: &impl Serialize) {
    write_whole(&outcome_file(work), outcome);
}

/// How it ended; none if it was killed before it could say so.
pub fn outcome<T: DeserializeOwned>(work: &Path) -> Option<T> {
    let outcome = fs::read(outcome_file(work)).ok()?;
    serde_json::from_slice(&outcome).ok()
}

/// What it printed.
pub fn log(work: &Path) -> String {
    fs::read_to_string(log_file(work)).unwrap_or_default()
}

/// Writes a file that is whole or not there, wherever this is killed.
pub fn write_whole(path: &Path, value: &impl Serialize) {
    let written = path.with_extension("new");
    fs::write(&written, serde_json::to_vec(value).unwrap()).unwrap();
    fs::rename(written, path).unwrap();
}

fn outcome_file(work: &Path) -> PathBuf {
    work.join("outcome.json")
}

fn log_file(work: &Path) -> PathBuf {
    work.join("agent.log")
}
