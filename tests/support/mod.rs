//! Real servers for tests on loopback: Postgres and an S3 server. What is missing on the machine fails a test and says what to install.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends at the first thing that is not as it should be")]

pub mod object_store;
pub mod postgres;

use std::net::TcpListener;
use std::process::Command;

/// A port of the loopback address that nobody uses now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a loopback port").local_addr().expect("its address").port()
}

/// Runs a command to its success.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} can't be started: {error}; install it"));
    assert!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A certificate authority and a certificate for these names, as files `ca.crt`, `server.crt` and `server.key` in a folder.
pub fn make_certificates(folder: &std::path::Path, names: &str) {
    let file = |name: &str| folder.join(name).display().to_string();
    let openssl = |arguments: &[&str]| run(Command::new("openssl").args(arguments));
    openssl(&[
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=test authority",
        "-keyout",
        &file("ca.key"),
        "-out",
        &file("ca.crt"),
    ]);
    openssl(&["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=server", "-keyout", &file("server.key"), "-out", &file("server.csr")]);
    std::fs::write(folder.join("names.cnf"), format!("subjectAltName={names}\n")).expect("a file");
    openssl(&[
        "x509",
        "-req",
        "-days",
        "2",
        "-in",
        &file("server.csr"),
        "-CA",
        &file("ca.crt"),
        "-CAkey",
        &file("ca.key"),
        "-CAcreateserial",
        "-extfile",
        &file("names.cnf"),
        "-out",
        &file("server.crt"),
    ]);
}
