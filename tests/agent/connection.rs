//! Reaching the server: every way it can fail has its reason, and no message holds the password.

use std::process::Command;
use std::time::Duration;

use holdfast::agent::gather;
use holdfast::api::{AgentFailure, ServerRequest, TlsMode, reasons};
use holdfast::postgres::{Login, PostgresError, Session, connect, fetch_encrypted};
use tempfile::TempDir;
use testbed::ReservedPort;
use tokio::time::Instant;

use crate::check::{check_request, mounted};
use crate::support::postgres::{PASSWORD, TestPostgres};
use crate::support::{make_certificates, run};

async fn failure(request: ServerRequest, credentials: &TempDir, seconds: u64) -> AgentFailure {
    let mut request = check_request(request, &[]);
    request.timeout_seconds = seconds;
    let found = gather(&request, &mounted(credentials)).await;
    let failure = found
        .failure
        .unwrap_or_else(|| panic!("a failure, not {:?}", found.evidence));
    assert!(
        !failure.message.contains("not-the-password") && !failure.message.contains(PASSWORD),
        "{}",
        failure.message
    );
    failure
}

#[tokio::test]
async fn a_wrong_password_names_the_secret_and_is_not_tried_again() {
    let server = TestPostgres::start();
    let (request, credentials) = server.request(&["postgres"], "postgres", "not-the-password");
    let begun = Instant::now();
    let failure = failure(request, &credentials, 30).await;
    assert_eq!(failure.reason, reasons::AUTHENTICATION_FAILED);
    assert!(
        failure
            .message
            .contains("Secret `pg-auth` (keys `user` and `pass`")
            && failure
                .message
                .contains("kubectl create secret generic pg-auth")
    );
    assert!(
        failure
            .message
            .contains("A volume keeps the passwords that it was made with")
            && failure.message.contains("ALTER ROLE \"postgres\" PASSWORD"),
        "{}",
        failure.message
    );
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_missing_secret_or_key_gives_the_command_that_makes_it() {
    let (request, credentials) =
        TestPostgres::prepare("").request(&["postgres"], "postgres", "not-the-password");
    std::fs::remove_file(credentials.path().join("password")).unwrap();
    let failure = failure(request, &credentials, 5).await;
    assert_eq!(failure.reason, reasons::SECRET_MISSING);
    assert!(
        failure
            .message
            .contains("key `pass` of Secret `pg-auth` in namespace `atra`"),
        "{}",
        failure.message
    );
    assert!(
        failure.message.contains(
            "kubectl create secret generic pg-auth --namespace=atra --from-literal=user=USER"
        ),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn nothing_listening_is_tried_until_the_time_is_over() {
    let (mut request, credentials) =
        TestPostgres::prepare("").request(&["postgres"], "postgres", PASSWORD);
    let nobodys = ReservedPort::take().unwrap();
    request.port = nobodys.number();
    let begun = Instant::now();
    let failure = failure(request, &credentials, 2).await;
    assert_eq!(failure.reason, reasons::CONNECTION_FAILED);
    assert!(
        failure.message.contains("spec.connection.port"),
        "{}",
        failure.message
    );
    assert!(
        (1..4).contains(&begun.elapsed().as_secs()),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_server_that_answers_nothing_does_not_hold_the_check_up() {
    let server = TestPostgres::start();
    let (request, credentials) = server.request(&["postgres"], "postgres", PASSWORD);
    run(Command::new("kill").args(["-STOP", &server.process_id().to_string()]));
    let begun = Instant::now();
    let failure = failure(request, &credentials, 2).await;
    run(Command::new("kill").args(["-CONT", &server.process_id().to_string()]));
    assert_eq!(failure.reason, reasons::CONNECTION_FAILED);
    assert!(begun.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn a_server_that_starts_later_is_waited_for() {
    let mut server = TestPostgres::prepare("");
    let (request, credentials) = server.request(&["postgres"], "postgres", PASSWORD);
    let request = check_request(request, &[]);
    let files = mounted(&credentials);
    let (found, ()) = tokio::join!(gather(&request, &files), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        server.launch_without_waiting();
    });
    assert_eq!(found.failure, None);
    assert!(found.evidence.is_some());
}

#[tokio::test]
async fn a_server_that_only_recovers_is_starting_and_not_reset() {
    // Waits for a primary's segments for ever and lets nobody in: what a long crash recovery looks
    // like from outside.
    let mut server = TestPostgres::prepare("hot_standby = off\nrestore_command = '/bin/false'\n");
    std::fs::write(server.file("data/standby.signal"), "").unwrap();
    server.give_to_postgres();
    server.launch_without_waiting();
    let (request, credentials) = server.request(&["postgres"], "postgres", PASSWORD);
    assert_eq!(
        failure(request, &credentials, 3).await.reason,
        reasons::SERVER_STARTING
    );
}

#[tokio::test]
async fn a_hot_standby_gives_an_identity_that_says_so() {
    let mut server = TestPostgres::start();
    server
        .execute(
            "postgres",
            "create table t (id int); insert into t values (1); checkpoint;",
        )
        .await;
    let (request, credentials) = server.request(&["postgres"], "postgres", PASSWORD);
    let request = check_request(request, &["public.t"]);
    let before = gather(&request, &mounted(&credentials))
        .await
        .evidence
        .unwrap();
    run(Command::new("kill").args(["-INT", &server.process_id().to_string()]));
    while server.file("data/postmaster.pid").exists() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    std::fs::write(server.file("data/standby.signal"), "").unwrap();
    server.give_to_postgres();
    server.launch();
    let after = gather(&request, &mounted(&credentials))
        .await
        .evidence
        .unwrap();
    assert!(after.identity.in_recovery && !before.identity.in_recovery);
    assert_eq!(
        (after.identity.system_identifier, after.total_rows),
        (before.identity.system_identifier, 0),
        "what it has proves nothing about the primary"
    );
}

#[tokio::test]
async fn no_free_connection_is_told_apart() {
    let server = TestPostgres::start();
    server
        .execute(
            "postgres",
            "create role agent login password 'secret' connection limit 0",
        )
        .await;
    let (request, credentials) = server.request(&["postgres"], "agent", "secret");
    let failure = failure(request, &credentials, 1).await;
    assert_eq!(failure.reason, reasons::TOO_MANY_CONNECTIONS);
    assert!(
        failure.message.contains("CONNECTION LIMIT"),
        "{}",
        failure.message
    );
}

async fn open(
    request: &ServerRequest,
    host: &str,
    credentials: &TempDir,
) -> Result<Session, PostgresError> {
    let login = Login::read(
        request,
        "atra",
        host,
        credentials.path(),
        credentials.path(),
        credentials.path(),
    )?;
    connect(&login, "postgres", Instant::now() + Duration::from_secs(5)).await
}

#[tokio::test]
async fn tls_modes_mean_what_they_mean_to_libpq() {
    let mut server = TestPostgres::prepare(
        "ssl = on\nssl_cert_file = '../server.crt'\nssl_key_file = '../server.key'\n",
    );
    make_certificates(&server.file(""), "DNS:localhost");
    server.give_to_postgres();
    server.launch();
    let other = tempfile::tempdir().unwrap();
    make_certificates(other.path(), "DNS:localhost");
    let authorities = [
        None,
        Some(server.file("ca.crt")),
        Some(other.path().join("ca.crt")),
        Some(server.file("server.crt")),
    ];
    // Mode, authority (none, the right one, another, the server's own certificate), host, whether
    // it is encrypted or fails.
    let cases = [
        (TlsMode::Disable, 0, "127.0.0.1", Some(false)),
        (TlsMode::Prefer, 0, "127.0.0.1", Some(true)),
        (TlsMode::Prefer, 2, "127.0.0.1", None),
        (TlsMode::Require, 0, "127.0.0.1", Some(true)),
        (TlsMode::Require, 1, "127.0.0.1", Some(true)),
        (TlsMode::Require, 2, "127.0.0.1", None),
        (TlsMode::Require, 3, "127.0.0.1", Some(true)),
        (TlsMode::VerifyFull, 1, "localhost", Some(true)),
        (TlsMode::VerifyFull, 3, "localhost", Some(true)),
        (TlsMode::VerifyFull, 1, "127.0.0.1", None),
        (TlsMode::VerifyFull, 3, "127.0.0.1", None),
        (TlsMode::VerifyFull, 2, "localhost", None),
        (TlsMode::VerifyFull, 0, "localhost", None),
    ];
    for (mode, authority, host, expected) in cases {
        let (mut request, credentials) = server.request(&["postgres"], "postgres", PASSWORD);
        request.tls_mode = mode;
        if let Some(file) = &authorities[authority] {
            request.tls_ca = true;
            std::fs::copy(file, credentials.path().join("ca.crt")).unwrap();
        }
        let found = match open(&request, host, &credentials).await {
            Ok(session) => Some(fetch_encrypted(&session).await.unwrap()),
            Err(error) => {
                assert_eq!(
                    error.kind.reason(),
                    reasons::TLS_FAILED,
                    "{mode:?} {authority} {host}: {error}"
                );
                None
            }
        };
        assert_eq!(found, expected, "{mode:?} {authority} {host}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_taken_plainly_only_when_that_is_allowed() {
    let server = TestPostgres::start();
    let (mut request, credentials) = server.request(&["postgres"], "postgres", PASSWORD);
    let session = open(&request, "127.0.0.1", &credentials).await.unwrap();
    assert!(!fetch_encrypted(&session).await.unwrap());
    request.tls_mode = TlsMode::Require;
    let error = open(&request, "127.0.0.1", &credentials).await.unwrap_err();
    assert_eq!(error.kind.reason(), reasons::TLS_FAILED);
    assert!(
        error.message.contains("spec.connection.tls.mode"),
        "{error}"
    );
    request.tls_ca = true;
    let error = open(&request, "127.0.0.1", &credentials).await.unwrap_err();
    assert_eq!(error.kind.reason(), reasons::SECRET_MISSING);
}
