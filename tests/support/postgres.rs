//! A Postgres of the machine, started for one test in a temporary folder on a loopback port.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use holdfast::api::{ServerRequest, TlsMode};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use super::{free_port, run};

/// Password of the superuser.
pub const PASSWORD: &str = "pass:word\\with 'odd\" characters";

/// A running server; it ends with this value, or with the thread that started it.
pub struct TestPostgres {
    folder: TempDir,
    port: u16,
    process: Option<Child>,
}

impl TestPostgres {
    /// Starts a fresh server.
    pub fn start() -> Self {
        let mut server = Self::prepare("");
        server.launch();
        server
    }

    /// Makes a cluster of data with further settings; nothing runs yet.
    pub fn prepare(settings: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("holdfast-postgres-").tempdir_in("/tmp").expect("a temporary folder");
        let server = Self { port: free_port(), folder, process: None };
        fs::write(server.file("password"), PASSWORD).expect("a file");
        server.give_to_postgres();
        run(server
            .as_postgres("initdb")
            .args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--pwfile"])
            .arg(server.file("password"))
            .arg(server.file("data")));
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = '{}'\nfsync = off\nmax_connections = 20\n{settings}\n",
            server.port,
            server.folder.path().display()
        );
        let file = server.file("data/postgresql.conf");
        let content = fs::read_to_string(&file).expect("the configuration");
        fs::write(file, content + &settings).expect("the configuration");
        server
    }

    /// Starts the server and waits until it answers.
    pub fn launch(&mut self) {
        self.launch_without_waiting();
        let end = Instant::now() + Duration::from_secs(30);
        while !Self::program("pg_isready")
            .arg("--quiet")
            .args(["--host=127.0.0.1", &format!("--port={}", self.port)])
            .status()
            .expect("pg_isready")
            .success()
        {
            assert!(Instant::now() < end, "Postgres did not start: {}", fs::read_to_string(self.file("log")).unwrap_or_default());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Starts the server.
    pub fn launch_without_waiting(&mut self) {
        let log = fs::File::create(self.file("log")).expect("a log");
        let process = self
            .as_postgres("postgres")
            .arg("-D")
            .arg(self.file("data"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("Postgres starts");
        self.process = Some(process);
    }

    /// Gives every file to the user that Postgres runs as, after files were added.
    pub fn give_to_postgres(&self) {
        if is_root() {
            run(Command::new("chown").args(["-R", "postgres:postgres"]).arg(self.folder.path()));
        }
    }

    /// A file in the server's folder; the cluster of data is `data`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Id of the server's main process.
    pub fn process_id(&self) -> u32 {
        self.process.as_ref().expect("a running server").id()
    }

    /// A request for databases of this server, and a folder with the credentials as a Job mounts them.
    pub fn request(&self, databases: &[&str], username: &str, password: &str) -> (ServerRequest, TempDir) {
        let credentials = tempfile::tempdir().expect("a temporary folder");
        fs::write(credentials.path().join("username"), username).expect("a file");
        fs::write(credentials.path().join("password"), format!("{password}\n")).expect("a file");
        let request = ServerRequest {
            host: Some("127.0.0.1".to_owned()),
            port: self.port,
            databases: databases.iter().map(ToString::to_string).collect(),
            tls_mode: TlsMode::Prefer,
            tls_ca: false,
            credentials_secret: "pg-auth".to_owned(),
            username_key: "user".to_owned(),
            password_key: "pass".to_owned(),
            pods: None,
        };
        (request, credentials)
    }

    /// A session of the superuser.
    pub async fn superuser(&self, database: &str) -> Client {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(self.port).user("postgres").password(PASSWORD).dbname(database);
        let (client, connection) = config.connect(NoTls).await.expect("the superuser logs in");
        tokio::spawn(connection);
        client
    }

    /// Runs statements as superuser.
    pub async fn execute(&self, database: &str, sql: &str) {
        self.superuser(database).await.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    fn as_postgres(&self, program: &str) -> Command {
        let program = bin_folder().join(program);
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if is_root() {
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
        }
        command.arg(program).current_dir(self.folder.path()).env("LC_ALL", "C").env_remove("PGDATA");
        command
    }

    /// A client program of the same version.
    pub fn program(name: &str) -> Command {
        Command::new(bin_folder().join(name))
    }
}

impl Drop for TestPostgres {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // The server's children notice that it is gone and end by themselves.
            process.kill().ok();
            process.wait().ok();
        }
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata) == 0)
}

fn bin_folder() -> PathBuf {
    let initdb = holdfast::postgres::find_program("initdb").expect("initdb is not there; install it: apt-get install postgresql");
    initdb.parent().map(Path::to_path_buf).expect("a folder")
}
