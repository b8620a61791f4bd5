//! Where the webhook is: the file with its URL, read again for every request, because a mounted
//! Secret may change. It is never logged.

use std::fs;
use std::path::Path;

use axum::http::uri::{Authority, Scheme};
use axum::http::{HeaderValue, Uri};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;

use super::error::NoticeError;

/// The longest URL that is taken.
const LIMIT: usize = 4_096;
/// The file beside the one with the URL that names an authority of one's own.
const AUTHORITY_FILE: &str = "ca.crt";

/// Where the webhook is, and whom to trust there.
pub struct Address {
    /// Its URL, without name and password.
    pub uri: Uri,
    /// Name and password of the URL, as a header.
    pub authorization: Option<HeaderValue>,
    /// Certificates in PEM of an authority of one's own.
    pub authority: Option<Vec<u8>>,
}

/// Reads the URL, and the authority beside it if there is one.
pub fn read_address(path: &Path) -> Result<Address, NoticeError> {
    let text = fs::read_to_string(path).map_err(|source| NoticeError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let (uri, authorization) = parse(text.trim()).map_err(|what| NoticeError::Malformed {
        path: path.to_owned(),
        what,
    })?;
    let beside = path.with_file_name(AUTHORITY_FILE);
    let authority = match fs::read(&beside) {
        Ok(pem) => Some(pem),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(source) => {
            return Err(NoticeError::Unreadable {
                path: beside,
                source,
            });
        }
    };
    Ok(Address {
        uri,
        authorization,
        authority,
    })
}

fn parse(text: &str) -> Result<(Uri, Option<HeaderValue>), &'static str> {
    if text.is_empty() {
        return Err("the file is empty");
    }
    if text.len() > LIMIT {
        return Err("it is longer than 4,096 bytes");
    }
    let uri: Uri = text.parse().map_err(|_| "it is not a URL")?;
    let mut parts = uri.into_parts();
    if !matches!(
        parts.scheme.as_ref().map(Scheme::as_str),
        Some("http" | "https")
    ) {
        return Err("it must begin with http:// or https://");
    }
    let authority = parts.authority.take().ok_or("it names no host")?;
    let (login, host) = match authority.as_str().rsplit_once('@') {
        Some((login, host)) => (Some(login), host),
        None => (None, authority.as_str()),
    };
    let host: Authority = host.parse().map_err(|_| "it names no host")?;
    if host.port_u16().is_none() && host.as_str() != host.host() {
        return Err("its port is not a number");
    }
    parts.authority = Some(host);
    let uri = Uri::from_parts(parts).map_err(|_| "it is not a URL")?;
    Ok((uri, login.map(build_authorization).transpose()?))
}

fn build_authorization(login: &str) -> Result<HeaderValue, &'static str> {
    let encoded = BASE64_STANDARD.encode(percent_decode_str(login).collect::<Vec<u8>>());
    let mut header = HeaderValue::try_from(format!("Basic {encoded}"))
        .map_err(|_| "its name and password can't be used")?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    reason = "a test that can't go on should say where"
)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_with_its_login_apart() {
        let (uri, authorization) =
            parse("https://holdfast:p%40ss@alerts.example:9093/api/v2/alerts?token=t").unwrap();
        assert_eq!(uri, "https://alerts.example:9093/api/v2/alerts?token=t");
        assert_eq!(
            authorization.unwrap(),
            format!("Basic {}", BASE64_STANDARD.encode("holdfast:p@ss"))
        );
        let (uri, authorization) = parse("http://alertmanager:9093/api/v2/alerts").unwrap();
        assert_eq!(
            (uri.to_string().as_str(), authorization),
            ("http://alertmanager:9093/api/v2/alerts", None)
        );
    }

    #[test]
    fn what_is_no_url_is_told_without_repeating_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("url");
        let missing = read_address(&file).err().unwrap().to_string();
        assert!(
            missing.contains("can't be read from") && missing.contains("--from-file=url=FILE"),
            "{missing}"
        );
        let long = format!("https://h/{}", "s3cret".repeat(1_000));
        for wrong in [
            "",
            " \n",
            "s3cret",
            "ftp://h/s3cret",
            "/api/s3cret",
            "http:///s3cret",
            "https://h:port/s3cret",
            "ht tp://s3cret",
            &long,
        ] {
            fs::write(&file, wrong).unwrap();
            let said = read_address(&file)
                .err()
                .unwrap_or_else(|| panic!("{wrong} was taken"))
                .to_string();
            assert!(
                said.contains("can't be used as the webhook's URL") && !said.contains("s3cret"),
                "{wrong}: {said}"
            );
        }
    }
}
