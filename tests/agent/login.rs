//! Logging in: by a password that goes to no stranger, by a client certificate, and only to a server
//! that is still the one that is meant.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use holdfast::api::{ServerRequest, TlsMode, reasons};
use holdfast::postgres::{
    Absence, Login, PostgresError, Presence, Session, connect, fetch_encrypted,
};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::support::postgres::{PASSWORD, TestPostgres};
use crate::support::{make_certificates, run};

const TLS: &str = "ssl = on\nssl_cert_file = '../server.crt'\nssl_key_file = '../server.key'\n\
                   ssl_ca_file = '../ca.crt'\n";

fn read(request: &ServerRequest, files: &TempDir) -> Result<Login, PostgresError> {
    Login::read(
        request,
        "atra",
        "127.0.0.1",
        files.path(),
        files.path(),
        files.path(),
    )
}

async fn open(request: &ServerRequest, files: &TempDir) -> Result<Session, PostgresError> {
    let login = read(request, files)?;
    connect(&login, "postgres", Instant::now() + Duration::from_secs(5)).await
}

/// A server whose certificate is for `db.example`, and which lets in by these lines.
fn start(access: &str) -> TestPostgres {
    let mut server = TestPostgres::prepare(TLS);
    make_certificates(&server.file(""), "DNS:db.example");
    fs::write(
        server.file("data/pg_hba.conf"),
        format!("local all all trust\n{access}\n"),
    )
    .unwrap();
    server.give_to_postgres();
    server.launch();
    server
}

/// A certificate for a role, by the authority that [`make_certificates`] has made in that folder, as
/// the files `tls.crt` and `tls.key` of another one.
pub fn make_client_certificate(authority: &Path, role: &str, to: &Path) {
    let file = |folder: &Path, name: &str| folder.join(name).display().to_string();
    let openssl = |arguments: &[&str]| run(Command::new("openssl").args(arguments));
    openssl(&[
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        &format!("/CN={role}"),
        "-keyout",
        &file(to, "tls.key"),
        "-out",
        &file(to, "tls.csr"),
    ]);
    openssl(&[
        "x509",
        "-req",
        "-days",
        "2",
        "-in",
        &file(to, "tls.csr"),
        "-CA",
        &file(authority, "ca.crt"),
        "-CAkey",
        &file(authority, "ca.key"),
        "-CAcreateserial",
        "-out",
        &file(to, "tls.crt"),
    ]);
}

fn with_authority(server: &TestPostgres, request: &mut ServerRequest, files: &TempDir) {
    request.tls_ca = true;
    fs::copy(server.file("ca.crt"), files.path().join("ca.crt")).unwrap();
}

#[tokio::test]
async fn a_password_goes_in_clear_only_to_a_server_that_was_verified() {
    let server = start("host all all 127.0.0.1/32 password");
    // Mode, whether the authority is known, and whether the role gets in.
    for (mode, is_known, gets_in) in [
        (TlsMode::Disable, false, false),
        (TlsMode::Disable, true, false),
        (TlsMode::Prefer, false, false),
        (TlsMode::Prefer, true, true),
        (TlsMode::Require, false, false),
        (TlsMode::Require, true, true),
        (TlsMode::VerifyFull, true, true),
    ] {
        let (mut request, files) = server.request(&["postgres"], "postgres", PASSWORD);
        request.tls_mode = mode;
        request.tls_server_name = Some("db.example".to_owned());
        if is_known {
            with_authority(&server, &mut request, &files);
        }
        match open(&request, &files).await {
            Ok(_) => assert!(gets_in, "{mode:?} {is_known}"),
            Err(error) => {
                assert!(!gets_in, "{mode:?} {is_known}: {error}");
                assert_eq!(error.kind.reason(), reasons::PASSWORD_NOT_SENT, "{error}");
                assert!(error.message.contains("scram-sha-256"), "{error}");
                assert!(!error.message.contains(PASSWORD), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn a_password_that_is_hashed_needs_no_certificate() {
    for method in ["scram-sha-256", "md5"] {
        let server = start(&format!("host all all 127.0.0.1/32 {method}"));
        for mode in [TlsMode::Disable, TlsMode::Prefer, TlsMode::Require] {
            let (mut request, files) = server.request(&["postgres"], "postgres", PASSWORD);
            request.tls_mode = mode;
            open(&request, &files)
                .await
                .unwrap_or_else(|error| panic!("{method} {mode:?}: {error}"));
        }
    }
}

/// What a stranger at the address gets to see, who asks for the password in clear.
#[tokio::test]
async fn a_stranger_that_asks_for_the_password_gets_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let stranger = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let mut request = [0; 8];
        stream.read_exact(&mut request).unwrap();
        stream.write_all(b"N").unwrap();
        let mut seen = vec![0; 4096];
        let length = stream.read(&mut seen).unwrap();
        seen.truncate(length);
        stream.write_all(b"R\0\0\0\x08\0\0\0\x03").unwrap();
        let _ended = stream.read_to_end(&mut seen);
        seen
    });
    let (mut request, files) =
        TestPostgres::prepare("").request(&["postgres"], "postgres", PASSWORD);
    request.port = port;
    let error = open(&request, &files).await.unwrap_err();
    assert_eq!(error.kind.reason(), reasons::PASSWORD_NOT_SENT, "{error}");
    let seen = String::from_utf8_lossy(&stranger.join().unwrap()).into_owned();
    assert!(
        seen.contains("postgres") && !seen.contains(PASSWORD),
        "{seen}"
    );
}

#[tokio::test]
async fn the_certificate_is_compared_with_the_name_that_the_spec_gives() {
    let server = start("host all all 127.0.0.1/32 scram-sha-256");
    for (name, fits) in [
        (Some("db.example"), true),
        (Some("other"), false),
        (None, false),
    ] {
        let (mut request, files) = server.request(&["postgres"], "postgres", PASSWORD);
        request.tls_mode = TlsMode::VerifyFull;
        request.tls_server_name = name.map(ToOwned::to_owned);
        with_authority(&server, &mut request, &files);
        match open(&request, &files).await {
            Ok(session) => assert!(fits && fetch_encrypted(&session).await.unwrap(), "{name:?}"),
            Err(error) => {
                assert!(!fits, "{name:?}: {error}");
                assert_eq!(error.kind.reason(), reasons::TLS_FAILED);
                assert!(
                    error.message.contains("spec.connection.tls.serverName"),
                    "{error}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_client_certificate_logs_in_without_a_password() {
    let server =
        start("host all postgres 127.0.0.1/32 scram-sha-256\nhostssl all all 127.0.0.1/32 cert");
    server.execute("postgres", "create role agent login").await;
    let (mut request, _) = server.request(&["postgres"], "", "");
    let files = tempfile::tempdir().unwrap();
    request.username = Some("agent".to_owned());
    request.credentials_secret = String::new();
    request.certificate_secret = Some("pg-client".to_owned());
    request.tls_mode = TlsMode::Require;
    let error = open(&request, &files).await.unwrap_err();
    assert_eq!(error.kind.reason(), reasons::SECRET_MISSING);
    assert!(error.message.contains("`pg-client`"), "{error}");

    make_client_certificate(&server.file(""), "agent", files.path());
    let session = open(&request, &files).await.unwrap();
    assert!(fetch_encrypted(&session).await.unwrap());

    make_client_certificate(&server.file(""), "somebody", files.path());
    let error = open(&request, &files).await.unwrap_err();
    assert_eq!(error.kind.reason(), reasons::AUTHENTICATION_FAILED);
    assert!(
        error.message.contains("clientCertificateSecret") && error.message.contains("`pg-client`"),
        "{error}"
    );

    fs::write(files.path().join("tls.key"), "no key").unwrap();
    let error = open(&request, &files).await.unwrap_err();
    assert_eq!(error.kind.reason(), reasons::TLS_FAILED);
    assert!(error.message.contains("clientCertificateSecret"), "{error}");
}

#[tokio::test]
async fn a_secret_with_a_password_only_does() {
    let server = start("host all all 127.0.0.1/32 scram-sha-256");
    let (mut request, files) = server.request(&["postgres"], "postgres", PASSWORD);
    fs::remove_file(files.path().join("username")).unwrap();
    request.username = Some("postgres".to_owned());
    open(&request, &files).await.unwrap();
    fs::write(files.path().join("password"), "wrong").unwrap();
    let error = open(&request, &files).await.unwrap_err();
    assert_eq!(error.kind.reason(), reasons::AUTHENTICATION_FAILED);
    assert!(
        error.message.contains("Secret `pg-auth` (key `pass`")
            && error.message.contains("spec.connection.username"),
        "{error}"
    );
}

/// It is asked before every connection, and a pod that is gone is no reason to try again.
#[tokio::test]
async fn nothing_is_sent_to_a_pod_that_is_gone() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let (mut request, files) =
        TestPostgres::prepare("").request(&["postgres"], "postgres", PASSWORD);
    request.port = listener.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let presence = Presence::new({
        let asked = Arc::clone(&asked);
        move || {
            let count = asked.fetch_add(1, Ordering::Relaxed);
            async move {
                // First the API server does not answer, then the pod is gone.
                Err(Absence {
                    is_known: count > 0,
                    message: "not there".to_owned(),
                })
            }
        }
    });
    let login = Login {
        presence: Some(presence),
        ..read(&request, &files).unwrap()
    };
    let error = connect(&login, "postgres", Instant::now() + Duration::from_secs(10))
        .await
        .unwrap_err();
    assert_eq!(error.kind.reason(), reasons::SUPERSEDED);
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    assert!(listener.accept().is_err(), "nobody has connected");
}
