//! What is wrong with the storage of a spec. The definition's schema refuses the same first. Pure.

use super::duration::DurationRange;
use super::spec_error::SpecError;
use crate::api::{EncryptionAlgorithm, S3Storage, host_of_endpoint, is_host_of_node_or_cluster};

/// How long a storage may be waited for, and how long it is by default.
pub(super) const RETRY_RANGE: DurationRange = ["1s", "24h"];
pub(super) const DEFAULT_RETRY: &str = "1h";

/// Every field of a storage that can't be used; `parent` is where it is in the spec.
pub(super) fn storage_errors(parent: &str, storage: &S3Storage) -> Vec<SpecError> {
    let mut errors = Vec::new();
    let mut require = |holds: bool, field: &str, message: String| {
        if !holds {
            errors.push(SpecError {
                field: format!("{parent}.{field}"),
                message,
            });
        }
    };
    require(
        is_bucket(&storage.bucket),
        "bucket",
        format!(
            "{:?} is not the name of a bucket: 3 to 63 lowercase letters, digits, dots and hyphens",
            storage.bucket
        ),
    );
    require(
        storage.prefix.is_empty() || storage.prefix.split('/').all(is_part),
        "prefix",
        format!(
            "{:?} is not a path of letters, digits and `._=-` without leading or trailing slash, \
             and without `.` or `..`",
            storage.prefix
        ),
    );
    let endpoint = storage.endpoint.as_deref();
    require(
        endpoint.is_none_or(|endpoint| host_of_endpoint(endpoint).is_some()),
        "endpoint",
        format!(
            "{:?} is not the URL of a server, without user and password, such as \
             https://s3.storage:9000",
            without_user(endpoint.unwrap_or_default())
        ),
    );
    require(
        endpoint
            .and_then(host_of_endpoint)
            .is_none_or(|host| !is_host_of_node_or_cluster(&host)),
        "endpoint",
        format!(
            "{:?} is an address of the node or of the API server, which no storage has; name the \
             host of the storage",
            without_user(endpoint.unwrap_or_default())
        ),
    );
    require(
        storage.ca_secret.is_none()
            || endpoint.is_none_or(|endpoint| endpoint.starts_with("https://")),
        "caSecret",
        format!(
            "it asks for TLS, and {:?} in {parent}.endpoint is not `https`: all data would go in clear \
             text. Write `https`, or remove caSecret",
            without_user(endpoint.unwrap_or_default())
        ),
    );
    let encryption = storage.server_side_encryption.as_ref();
    require(
        encryption.is_none_or(|encryption| {
            encryption.kms_key_id.is_none() || encryption.algorithm == EncryptionAlgorithm::Kms
        }),
        "serverSideEncryption.kmsKeyId",
        "it needs the algorithm Kms".to_owned(),
    );
    let lock = storage.object_lock.as_ref();
    require(
        lock.is_none_or(|lock| (1..=3650).contains(&lock.days)),
        "objectLock.days",
        "an object is locked for 1 to 3650 days".to_owned(),
    );
    errors
}

fn is_bucket(name: &str) -> bool {
    let is_end = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes
            .iter()
            .all(|byte| is_end(*byte) || matches!(byte, b'.' | b'-'))
        && bytes.first().copied().is_some_and(is_end)
        && bytes.last().copied().is_some_and(is_end)
}

fn is_part(part: &str) -> bool {
    !matches!(part, "" | "." | "..")
        && part
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'=' | b'-'))
}

/// What a message may show of an endpoint.
fn without_user(endpoint: &str) -> &str {
    endpoint.rsplit('@').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::SecretKey;

    fn fields(change: impl FnOnce(&mut S3Storage)) -> Vec<String> {
        let mut storage = S3Storage {
            bucket: "backups".to_owned(),
            ..S3Storage::default()
        };
        change(&mut storage);
        let errors = storage_errors("s3", &storage).into_iter();
        errors.map(|error| error.field).collect()
    }

    #[test]
    fn a_prefix_stays_below_itself() {
        for prefix in ["", "prod", "a/b", "...", "a/.b/c..", "a=1/b-_"] {
            assert!(
                fields(|s3| s3.prefix = prefix.to_owned()).is_empty(),
                "{prefix}"
            );
        }
        for prefix in [
            ".", "..", "a/..", "../b", "a/./b", "a/../b", "/a", "a/", "a//b", "a b",
        ] {
            assert_eq!(
                fields(|s3| s3.prefix = prefix.to_owned()),
                ["s3.prefix"],
                "{prefix}"
            );
        }
    }

    #[test]
    fn an_endpoint_is_the_host_of_a_storage() {
        for endpoint in [
            "http://s3.storage:9000",
            "https://10.0.0.7/",
            "https://[fd00::7]:9000",
            "http://kubernetes.example",
            "https://s3.169.example",
            "https://metadata-store.example",
        ] {
            let found = fields(|s3| s3.endpoint = Some(endpoint.to_owned()));
            assert!(found.is_empty(), "{endpoint}");
        }
        for endpoint in [
            "ftp://s3.storage",
            "http://user:password@s3.storage",
            "http://user@s3.storage",
            "http://s3.storage/path",
            "http://",
            "http://169.254.169.254",
            "https://169.254.170.2:80/",
            "http://[fe80::1]",
            "http://[::ffff:169.254.169.254]",
            "http://[fd00:ec2::254]",
            "http://2852039166",
            "http://0xa9fea9fe:80",
            "http://0251.0376.0251.0376",
            "http://169.254.43518",
            "http://metadata.google.internal",
            "http://METADATA.google.internal.",
            "https://kubernetes.default.svc",
            "https://kubernetes.default.svc.cluster.local:443",
            "https://kubernetes",
        ] {
            let found = fields(|s3| s3.endpoint = Some(endpoint.to_owned()));
            assert_eq!(found, ["s3.endpoint"], "{endpoint}");
        }
    }

    #[test]
    fn who_names_an_authority_gets_no_clear_text() {
        let with = |endpoint: Option<&str>| {
            fields(|s3| {
                s3.ca_secret = Some(SecretKey {
                    name: "s3-ca".to_owned(),
                    key: "ca.crt".to_owned(),
                });
                s3.endpoint = endpoint.map(ToOwned::to_owned);
            })
        };
        assert!(with(None).is_empty() && with(Some("https://s3.storage:9000")).is_empty());
        assert_eq!(with(Some("http://s3.storage:9000")), ["s3.caSecret"]);
    }

    #[test]
    fn no_password_in_an_endpoint_is_shown() {
        let storage = S3Storage {
            bucket: "backups".to_owned(),
            endpoint: Some("http://user:hunter2@s3.storage".to_owned()),
            ..S3Storage::default()
        };
        let text = format!("{:?}", storage_errors("s3", &storage));
        assert!(!text.contains("hunter2"), "{text}");
    }
}
