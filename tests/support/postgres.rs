//! A Postgres of the machine, started for one test in a temporary folder on a loopback port.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use holdfast::api::{ServerRequest, TlsMode};
use tempfile::TempDir;
use testbed::LocalPostgres;
use tokio_postgres::{Client, NoTls};

/// Password of the superuser.
pub const PASSWORD: &str = "pass:word\\with 'odd\" characters";

/// A running server; it ends with this value, or with the thread that started it.
pub struct TestPostgres {
    server: LocalPostgres,
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
        let settings = format!("fsync = off\nmax_connections = 20\n{settings}");
        Self {
            server: LocalPostgres::prepare(&bin_folder(), Path::new("/tmp"), PASSWORD, &settings)
                .expect("a cluster of data"),
        }
    }

    /// Starts the server and waits until it answers.
    pub fn launch(&mut self) {
        self.server.launch().expect("Postgres starts");
    }

    /// Starts the server.
    pub fn launch_without_waiting(&mut self) {
        self.server
            .launch_without_waiting()
            .expect("Postgres starts");
    }

    /// Ends the server without a word and starts it again, with the same data.
    pub fn crash(&mut self) {
        self.server.stop();
        self.launch();
    }

    /// Gives every file to the user that Postgres runs as, after files were added.
    pub fn give_to_postgres(&self) {
        self.server.give_to_postgres().expect("chown");
    }

    /// A file in the server's folder; the cluster of data is `data`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.server.file(name)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Id of the server's main process.
    pub fn process_id(&self) -> u32 {
        self.server.process_id().expect("a running server")
    }

    /// A request for databases of this server, and a folder with the credentials as a Job mounts
    /// them.
    pub fn request(
        &self,
        databases: &[&str],
        username: &str,
        password: &str,
    ) -> (ServerRequest, TempDir) {
        let credentials = tempfile::tempdir().expect("a temporary folder");
        fs::write(credentials.path().join("username"), username).expect("a file");
        fs::write(credentials.path().join("password"), format!("{password}\n")).expect("a file");
        let request = ServerRequest {
            host: Some("127.0.0.1".to_owned()),
            port: self.port(),
            databases: databases.iter().map(ToString::to_string).collect(),
            tls_mode: TlsMode::Prefer,
            tls_ca: false,
            credentials_secret: "pg-auth".to_owned(),
            username_key: "user".to_owned(),
            password_key: "pass".to_owned(),
            ..ServerRequest::default()
        };
        (request, credentials)
    }

    /// A session of the superuser.
    pub async fn superuser(&self, database: &str) -> Client {
        let mut config = tokio_postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(self.port())
            .user("postgres")
            .password(PASSWORD)
            .dbname(database);
        let (client, connection) = config.connect(NoTls).await.expect("the superuser logs in");
        tokio::spawn(connection);
        client
    }

    /// Runs statements as superuser.
    pub async fn execute(&self, database: &str, sql: &str) {
        self.superuser(database)
            .await
            .batch_execute(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// A client program of the same version.
    pub fn program(name: &str) -> Command {
        Command::new(bin_folder().join(name))
    }
}

/// Another Postgres than that of the machine, by the directory of its programs: the tests of what
/// happens inside the server are run with several versions.
const OTHER_POSTGRES: &str = "HOLDFAST_TEST_POSTGRES";

fn bin_folder() -> PathBuf {
    if let Some(other) = std::env::var_os(OTHER_POSTGRES) {
        return PathBuf::from(other);
    }
    let initdb = holdfast::postgres::find_program("initdb")
        .expect("initdb is not there; install it: apt-get install postgresql");
    initdb.parent().map(Path::to_path_buf).expect("a folder")
}
