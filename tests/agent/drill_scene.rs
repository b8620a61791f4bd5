//! The throwaway server of a drill as its container runs it, a process of its own with another user, and the
//! agent beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use holdfast::agent::{DrillOrder, Interrupt, TakenSet, prove_set};
use holdfast::api::{
    AgentFailure, DrillFailureClass, DrillReport, DrillRequest, RestoreReport, RestoreTarget,
};
use tempfile::TempDir;

use crate::backup_scene::Scene;
use crate::restored_scene::{Restore, Watch};
use crate::support::object_store::IMPATIENT;

/// How long the server may take to end.
const END_LIMIT: Duration = Duration::from_secs(20);

/// The throwaway server.
pub struct Scratch {
    child: Child,
    folder: TempDir,
}

impl Scratch {
    pub fn start() -> Self {
        Self::start_with(&[], "")
    }

    /// With further arguments, after this was run by a shell in mounts of its own, where `$DATA` is the
    /// directory of the data.
    pub fn start_with(arguments: &[&str], before: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("holdfast-drill-")
            .tempdir_in("/tmp")
            .unwrap();
        let (socket, data) = (folder.path().join("socket"), folder.path().join("data"));
        for directory in [&socket, &data] {
            fs::create_dir(directory).unwrap();
        }
        let owned = Command::new("chown")
            .args(["-R", "postgres:postgres"])
            .arg(folder.path())
            .status();
        assert!(owned.unwrap().success());
        let run = format!(
            "{before}\nexec setpriv --pdeathsig KILL --reuid=postgres --regid=postgres --clear-groups \"$@\""
        );
        let child = Command::new("unshare")
            .args(["--mount", "--", "sh", "-ec", &run, "scratch"])
            .arg(env!("CARGO_BIN_EXE_holdfast"))
            .args(["agent", "scratch", "--socket"])
            .arg(&socket)
            .arg("--data")
            .arg(&data)
            .args(arguments)
            .env("DATA", &data)
            .env("HOLDFAST_LOG", "warn")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, folder }
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// A session of its superuser.
    pub async fn connect(&self, database: &str) -> tokio_postgres::Client {
        let mut config = tokio_postgres::Config::new();
        config
            .host_path(self.socket())
            .user("postgres")
            .dbname(database);
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Tells it to stop.
    pub fn terminate(&self) {
        let told = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        assert!(told.unwrap().success());
    }

    /// Waits until it has ended by itself; whether it ended well. Nothing of it is left then.
    pub async fn wait(&mut self) -> bool {
        let end = Instant::now() + END_LIMIT;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "the throwaway server does not end");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert!(!self.data().join("pgdata").exists(), "its data is gone");
        assert!(!self.socket().join(".s.PGSQL.5432").exists());
        assert_eq!(processes_in(self.folder.path()), Vec::<String>::new());
        status.success()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The processes whose command line names a directory.
fn processes_in(directory: &Path) -> Vec<String> {
    let name = directory.display().to_string();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|process| fs::read(process.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(&name))
        .collect()
}

/// One drill of a set.
pub struct Drill {
    pub restore: Restore,
    pub scratch: Scratch,
}

impl Drill {
    pub fn new(scene: &Scene, set: &TakenSet) -> Self {
        Self::with(scene, set, Scratch::start())
    }

    pub fn with(scene: &Scene, set: &TakenSet, scratch: Scratch) -> Self {
        let into = RestoreTarget::Scratch;
        let mut restore = Restore::new(scene, &scene.postgres, set, into);
        restore.request.drill = Some(DrillRequest::default());
        // Nothing of the protected server is known to a drill.
        restore.request.server.host = None;
        restore.request.server.port = 0;
        restore.request.server.credentials_secret = String::new();
        Self { restore, scratch }
    }

    /// What it looks at, in the words of the request.
    pub fn asking(mut self, request: serde_json::Value) -> Self {
        self.restore.request.drill = Some(serde_json::from_value(request).unwrap());
        self
    }

    pub async fn watched(&mut self, watch: &Watch<'_>) -> Result<RestoreReport, AgentFailure> {
        let socket = self.scratch.socket();
        let order = DrillOrder {
            request: &self.restore.request,
            files: &self.restore.files,
            socket: &socket,
            limits: IMPATIENT,
        };
        let outcome = Box::pin(prove_set(order, watch, &Interrupt::by_hand().1)).await;
        assert!(!self.restore.files.work.join("pgpass").exists());
        outcome
    }

    /// Runs it, and waits until the server has ended, too.
    pub async fn proven(mut self) -> (RestoreReport, DrillReport) {
        let report = self.watched(&Watch::quietly()).await.unwrap();
        assert!(self.scratch.wait().await);
        let drill = report.drill.clone().unwrap();
        assert_eq!(drill.class, None);
        (report, drill)
    }

    /// The same of one that fails.
    pub async fn failed(mut self) -> (AgentFailure, DrillReport) {
        let watch = Watch::quietly();
        let failure = self.watched(&watch).await.unwrap_err();
        self.scratch.wait().await;
        (failure, last_drill(&watch))
    }
}

/// What the last report says.
pub fn last_drill(watch: &Watch<'_>) -> DrillReport {
    let reports = watch.reports.lock().unwrap();
    reports
        .last()
        .and_then(|report| report.drill.clone())
        .unwrap()
}

/// The class of the last report.
pub fn class_of(drill: &DrillReport) -> DrillFailureClass {
    drill.class.expect("a class")
}
