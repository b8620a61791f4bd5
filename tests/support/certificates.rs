//! Certificates of an authority of one's own, made by openssl.

use std::process::Command;

use super::shell::run;

/// A certificate authority and a certificate for these names, as files `ca.crt`, `server.crt` and
/// `server.key` in a folder.
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
    openssl(&[
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=server",
        "-keyout",
        &file("server.key"),
        "-out",
        &file("server.csr"),
    ]);
    std::fs::write(
        folder.join("names.cnf"),
        format!("subjectAltName={names}\n"),
    )
    .expect("a file");
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
