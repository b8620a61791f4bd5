//! A small S3 client for the testbed's own bucket: signed requests over plain HTTP, no more than
//! tests and `up` need.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use k8s_openapi::jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::components::{ACCESS_KEY, BUCKET, Component, REGION, SECRET_KEY, endpoint};
use crate::digest::{in_hexadecimal, of_bytes, of_text};
use crate::layout::Layout;
use crate::readiness;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer of the server.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// What it says.
    pub body: Vec<u8>,
}

/// Makes the bucket, versioned. Must run inside the testbed's network.
pub fn create_bucket(layout: &Layout) -> Result<()> {
    readiness::wait_until_answering(layout, Component::ObjectStore)?;
    let until = Instant::now() + PATIENCE;
    let mut answer = send("PUT", &format!("/{BUCKET}"), "", b"");
    while answer.is_err() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
        answer = send("PUT", &format!("/{BUCKET}"), "", b"");
    }
    expect_success(&answer?, "the bucket can't be made")?;
    let versioning = format!(
        r#"<VersioningConfiguration xmlns="{}"><Status>Enabled</Status></VersioningConfiguration>"#,
        "http://s3.amazonaws.com/doc/2006-03-01/"
    );
    expect_success(
        &send(
            "PUT",
            &format!("/{BUCKET}"),
            "versioning=",
            versioning.as_bytes(),
        )?,
        "versioning can't be enabled",
    )
}

/// The keys in the bucket that begin with `prefix`, sorted. Must run inside the testbed's network.
pub fn list(prefix: &str) -> Result<Vec<String>> {
    let mut keys = Vec::new();
    let mut token = String::new();
    loop {
        let continued = if token.is_empty() {
            String::new()
        } else {
            format!("continuation-token={}&", encode(&token, false))
        };
        let query = format!("{continued}list-type=2&prefix={}", encode(prefix, false));
        let answer = send("GET", &format!("/{BUCKET}"), &query, b"")?;
        expect_success(&answer, "the bucket can't be listed")?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        keys.extend(elements(&text, "Key"));
        match elements(&text, "NextContinuationToken").pop() {
            Some(next) if !next.is_empty() => token = next,
            _ => break,
        }
    }
    keys.sort();
    Ok(keys)
}

/// An object's content. Must run inside the testbed's network.
pub fn get(key: &str) -> Result<Vec<u8>> {
    let answer = send("GET", &format!("/{BUCKET}/{key}"), "", b"")?;
    expect_success(&answer, &format!("{key} can't be read"))?;
    Ok(answer.body)
}

/// Writes an object. Must run inside the testbed's network.
pub fn put(key: &str, content: &[u8]) -> Result<()> {
    expect_success(
        &send("PUT", &format!("/{BUCKET}/{key}"), "", content)?,
        &format!("{key} can't be written"),
    )
}

/// Deletes an object's newest version. Must run inside the testbed's network.
pub fn delete(key: &str) -> Result<()> {
    expect_success(
        &send("DELETE", &format!("/{BUCKET}/{key}"), "", b"")?,
        &format!("{key} can't be deleted"),
    )
}

fn expect_success(answer: &Answer, what: &str) -> Result<()> {
    if (200..300).contains(&answer.status) {
        return Ok(());
    }
    bail!(
        "{what}: the S3 server answered {}: {}",
        answer.status,
        String::from_utf8_lossy(&answer.body)
    )
}

/// Sends one signed request; `query` is encoded and sorted by name, as the signature wants it.
pub fn send(method: &str, path: &str, query: &str, body: &[u8]) -> Result<Answer> {
    let host = endpoint().trim_start_matches("http://").to_owned();
    let time = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let path = encode(path, true);
    let signed = Request {
        method,
        host: &host,
        path: &path,
        query,
        time: &time,
        body_digest: &of_bytes(body),
    };
    let authorization = signed.build_authorization();
    let mut stream = TcpStream::connect(&host)
        .with_context(|| format!("the S3 server at {host} can't be reached"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let separator = if query.is_empty() { "" } else { "?" };
    let head = format!(
        "{method} {path}{separator}{query} HTTP/1.1\r\nHost: {host}\r\nConnection: \
         close\r\nContent-Length: {length}\r\n\
         x-amz-date: {time}\r\nx-amz-content-sha256: {digest}\r\nAuthorization: \
         {authorization}\r\n\r\n",
        length = body.len(),
        digest = signed.body_digest,
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut bytes = Vec::new();
    stream
        .read_to_end(&mut bytes)
        .context("the S3 server's answer can't be read")?;
    parse_answer(&bytes)
}

/// What a signature covers.
struct Request<'a> {
    method: &'a str,
    host: &'a str,
    path: &'a str,
    query: &'a str,
    time: &'a str,
    body_digest: &'a str,
}

impl Request<'_> {
    /// The value of the header `Authorization`, by AWS signature version 4.
    fn build_authorization(&self) -> String {
        let Self {
            method,
            host,
            path,
            query,
            time,
            body_digest,
        } = self;
        let headers = "host;x-amz-content-sha256;x-amz-date";
        let canonical = format!(
            "{method}\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:{body_digest}\nx-amz-date:{time}\n\n{headers}\n{body_digest}"
        );
        let day = &time[..8];
        let scope = format!("{day}/{REGION}/s3/aws4_request");
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", of_text(&canonical));
        let key = [day, REGION, "s3", "aws4_request"]
            .iter()
            .fold(format!("AWS4{SECRET_KEY}").into_bytes(), |key, part| {
                authenticate(&key, part.as_bytes()).to_vec()
            });
        let signature = in_hexadecimal(&authenticate(&key, to_sign.as_bytes()));
        format!(
            "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope}, SignedHeaders={headers}, \
             Signature={signature}"
        )
    }
}

/// HMAC-SHA-256.
fn authenticate(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new()
        .chain_update(block.map(|byte| byte ^ 0x36))
        .chain_update(message)
        .finalize();
    Sha256::new()
        .chain_update(block.map(|byte| byte ^ 0x5c))
        .chain_update(inner)
        .finalize()
        .into()
}

/// Percent-encodes all but letters, digits and `-._~`; in a path the slashes stay.
fn encode(text: &str, slashes_stay: bool) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (slashes_stay && byte == b'/')
        {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

fn parse_answer(bytes: &[u8]) -> Result<Answer> {
    let end = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .context("the S3 server's answer has no headers")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .context("the S3 server's answer has no status")?;
    let mut body = bytes[end + 4..].to_vec();
    let is_chunked = head
        .lines()
        .any(|line| line.eq_ignore_ascii_case("transfer-encoding: chunked"));
    if is_chunked {
        body = join_chunks(&body)?;
    }
    Ok(Answer { status, body })
}

fn join_chunks(mut bytes: &[u8]) -> Result<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = bytes
            .windows(2)
            .position(|two| two == b"\r\n")
            .context("a chunk has no length")?;
        let length = usize::from_str_radix(std::str::from_utf8(&bytes[..end])?.trim(), 16)?;
        if length == 0 {
            return Ok(whole);
        }
        let chunk = bytes
            .get(end + 2..end + 2 + length)
            .context("a chunk is cut off")?;
        whole.extend_from_slice(chunk);
        bytes = bytes
            .get(end + 2 + length + 2..)
            .context("a chunk is cut off")?;
    }
}

/// The texts of all elements of a name in an XML document.
fn elements(document: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    document
        .split(&open)
        .skip(1)
        .filter_map(|rest| rest.split_once(&close))
        .map(|(text, _)| {
            text.replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&quot;", "\"")
                .replace("&#34;", "\"")
                .replace("&#39;", "'")
                .replace("&amp;", "&")
        })
        .collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn message_authentication_is_the_known_one() {
        // RFC 4231, test case 2.
        let code = authenticate(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(
            in_hexadecimal(&code),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn an_answer_in_chunks_is_joined() {
        let answer = parse_answer(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \
            chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n",
        )
        .unwrap();
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (200, b"hello!".as_slice())
        );
    }

    #[test]
    fn keys_are_read_from_a_listing() {
        let text =
            "<R><Contents><Key>a/b&amp;c</Key></Contents><Contents><Key>d</Key></Contents></R>";
        assert_eq!(elements(text, "Key"), ["a/b&c", "d"]);
    }

    #[test]
    fn a_path_keeps_its_slashes_and_a_query_does_not() {
        assert_eq!(encode("/holdfast/a b", true), "/holdfast/a%20b");
        assert_eq!(encode("a/b=", false), "a%2Fb%3D");
    }
}
