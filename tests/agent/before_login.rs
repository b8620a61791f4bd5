//! What a server says before a login tells another database cluster, and another role, from a wrong
//! Secret; and no password is sent for it.

use std::process::Command;
use std::time::Duration;

use holdfast::agent::{Gathered, gather};
use holdfast::api::{LoginMethod, TlsMode, WithoutLogin, reasons};
use holdfast::postgres::{Login, fetch_digest_at};
use testbed::ReservedPort;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::check::{check_request, mounted};
use crate::support::postgres::{PASSWORD, TestPostgres};
use crate::support::run;

const AGENT: &str = "create role agent login password 'secret'";

async fn look(server: &TestPostgres, role: &str, password: &str, mode: TlsMode) -> Gathered {
    let (mut request, credentials) = server.request(&["postgres"], role, password);
    request.tls_mode = mode;
    gather(&check_request(request, &[]), &mounted(&credentials)).await
}

async fn said(server: &TestPostgres, password: &str) -> WithoutLogin {
    let found = look(server, "agent", password, TlsMode::Prefer).await;
    found.without_login.expect("something")
}

/// Ends the server and starts it again, on the same data.
fn restart(server: &mut TestPostgres) {
    run(Command::new("kill").args(["-INT", &server.process_id().to_string()]));
    let noted = server.file("data/postmaster.pid");
    while noted.exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    server.launch();
}

#[tokio::test]
async fn salts_tell_a_cluster_and_a_role_from_a_wrong_secret() {
    let mut server = TestPostgres::start();
    server.execute("postgres", AGENT).await;
    let good = said(&server, "secret").await;
    assert_eq!(good.method, LoginMethod::ScramSha256);
    assert!(good.cluster_digest.is_some() && good.role_digest.is_some());
    assert_ne!(good.cluster_digest, good.role_digest);

    assert_eq!(
        said(&server, "wrong").await,
        good,
        "only the Secret changed"
    );
    restart(&mut server);
    assert_eq!(said(&server, "secret").await, good, "a restart");
    let other = look(&server, "somebody", "secret", TlsMode::Prefer).await;
    let other = other.without_login.unwrap();
    assert_ne!(other.role, good.role, "the Secret names another role");
    assert_eq!(other.cluster_digest, good.cluster_digest);

    server.execute("postgres", "drop role agent").await;
    let gone = said(&server, "secret").await;
    assert_eq!(gone.cluster_digest, good.cluster_digest);
    assert_ne!(gone.role_digest, good.role_digest, "the role is gone");
    server.execute("postgres", AGENT).await;
    let again = said(&server, "secret").await;
    assert_eq!(again.cluster_digest, good.cluster_digest);
    assert_ne!(again.role_digest, good.role_digest, "the role is another");

    let fresh = TestPostgres::start();
    let found = said(&fresh, "secret").await;
    assert_eq!(found.role, good.role);
    assert_ne!(found.cluster_digest, good.cluster_digest, "another initdb");
}

/// The files of TLS were in the data directory that is gone: nobody is asked about in the clear.
#[tokio::test]
async fn a_cluster_without_the_tls_that_was_asked_for_is_known_all_the_same() {
    let server = TestPostgres::start();
    server.execute("postgres", AGENT).await;
    let good = said(&server, "secret").await;
    for mode in [TlsMode::Require, TlsMode::VerifyFull] {
        let found = look(&server, "agent", "secret", mode).await;
        assert!(found.evidence.is_none());
        let said = found.without_login.unwrap();
        assert_eq!(said.cluster_digest, good.cluster_digest, "{mode:?}");
        assert_eq!(said.role_digest, None, "the role's name needs TLS");
    }
}

#[tokio::test]
async fn methods_without_a_salt_that_stays_are_named() {
    for (method, expected) in [
        ("md5", LoginMethod::Md5),
        ("password", LoginMethod::Password),
        ("trust", LoginMethod::None),
        ("reject", LoginMethod::Refused),
    ] {
        let mut server = TestPostgres::prepare("password_encryption = md5");
        std::fs::write(
            server.file("data/pg_hba.conf"),
            format!("host all postgres all scram-sha-256\nhost all all all {method}\n"),
        )
        .unwrap();
        server.give_to_postgres();
        server.launch();
        let set = "set password_encryption = 'md5'; create role agent login password 'secret'";
        if method != "reject" {
            server.execute("postgres", set).await;
        }
        let said = said(&server, "wrong").await;
        assert_eq!(said.method, expected, "{method}");
        assert_eq!((&said.cluster_digest, &said.role_digest), (&None, &None));
        assert!(!said.role_missing, "{method}");
    }
}

#[tokio::test]
async fn a_server_without_passwords_says_that_a_role_is_missing() {
    let mut server = TestPostgres::prepare("");
    let rules = "host all postgres all scram-sha-256\nhost all all all trust\n";
    std::fs::write(server.file("data/pg_hba.conf"), rules).unwrap();
    server.give_to_postgres();
    server.launch();
    let found = look(&server, "agent", "secret", TlsMode::Prefer).await;
    assert_eq!(
        found.failure.unwrap().reason,
        reasons::AUTHENTICATION_FAILED
    );
    assert!(found.without_login.unwrap().role_missing);
    server
        .execute("postgres", "create role agent nologin")
        .await;
    assert!(
        !said(&server, "secret").await.role_missing,
        "it may not log in"
    );
}

#[tokio::test]
async fn another_port_is_asked_without_a_login() {
    let server = TestPostgres::start();
    server.execute("postgres", AGENT).await;
    let known = said(&server, "secret").await.cluster_digest;
    let nobodys = ReservedPort::take().unwrap();
    let stranger = |port| Login::nobody("127.0.0.1", port, TlsMode::Prefer);
    assert_eq!(
        fetch_digest_at(&stranger(server.port()), "postgres").await,
        known
    );
    assert_eq!(
        fetch_digest_at(&stranger(nobodys.number()), "postgres").await,
        Some(String::new())
    );
}

#[tokio::test]
async fn no_password_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (mut request, credentials) =
        TestPostgres::prepare("").request(&["postgres"], "postgres", PASSWORD);
    request.port = listener.local_addr().unwrap().port();
    request.tls_mode = TlsMode::Disable;
    let mut request = check_request(request, &[]);
    request.timeout_seconds = 2;
    let listening = tokio::spawn(async move {
        let mut heard = Vec::new();
        // The login, and the two questions after it: each is asked for a clear password.
        for _ in 0..3 {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut part = vec![0; 4096];
            let length = socket.read(&mut part).await.unwrap();
            let is_login = String::from_utf8_lossy(&part[..length]).contains("statement_timeout");
            if is_login {
                // "28P01", as a server refuses.
                let fields = b"SFATAL\0C28P01\0Mno\0\0";
                let size = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
                socket.write_all(b"E").await.unwrap();
                socket.write_all(&size).await.unwrap();
                socket.write_all(fields).await.unwrap();
            } else {
                socket.write_all(b"R\0\0\0\x08\0\0\0\x03").await.unwrap();
                let _ = socket.read_to_end(&mut part).await;
            }
            heard.extend(part);
        }
        heard
    });
    let found = gather(&request, &mounted(&credentials)).await;
    let heard = listening.await.unwrap();
    assert_eq!(found.without_login.unwrap().method, LoginMethod::Password);
    let password = PASSWORD.as_bytes();
    assert!(!heard.windows(password.len()).any(|part| part == password));
}

/// The control file has the timeline of the last checkpoint, which comes later than a promotion.
#[tokio::test]
async fn the_timeline_of_a_primary_is_that_of_its_log() {
    let mut server = TestPostgres::start();
    server.execute("postgres", AGENT).await;
    for timeline in 2..4 {
        std::fs::write(server.file("data/standby.signal"), "").unwrap();
        server.give_to_postgres();
        restart(&mut server);
        server.execute("postgres", "select pg_promote()").await;
        let found = look(&server, "agent", "secret", TlsMode::Prefer).await;
        let evidence = found
            .evidence
            .unwrap_or_else(|| panic!("{:?}", found.failure));
        assert_eq!(evidence.identity.timeline, timeline);
    }
}
