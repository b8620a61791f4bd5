//! The access key that a Job mounts. What is in it is never shown.

use std::io::ErrorKind;
use std::path::Path;

use aws_credential_types::Credentials;

use super::{StoreError, StoreErrorKind};
use crate::api::{S3CredentialsSecret, S3Storage};

/// The longest access key id that is plausible, in bytes; it is sent as a header.
const ID_LIMIT: usize = 256;

/// Reads the two mounted files.
pub(super) fn read_credentials(
    secret: &S3CredentialsSecret,
    namespace: &str,
    directory: &Path,
) -> Result<Credentials, StoreError> {
    let read = |file: &str, key: &str| {
        read_text(&directory.join(file)).map_err(|what| refuse(secret, namespace, key, &what))
    };
    let id = read("accessKeyId", &secret.access_key_id_key)?;
    let secret_access_key = read("secretAccessKey", &secret.secret_access_key_key)?;
    let is_sendable =
        |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b',' | b'/' | b'"' | b'\'');
    if id.len() > ID_LIMIT || !id.bytes().all(is_sendable) {
        let what = format!(
            "is no access key id: it has {} bytes, among them some that no such id has, or too many",
            id.len()
        );
        return Err(refuse(secret, namespace, &secret.access_key_id_key, &what));
    }
    Ok(Credentials::new(
        id,
        secret_access_key,
        None,
        None,
        "mounted Secret",
    ))
}

fn read_text(file: &Path) -> Result<String, String> {
    match std::fs::read_to_string(file) {
        Ok(content) if content.trim().is_empty() => Err("is empty".to_owned()),
        Ok(content) => Ok(content.trim().to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => Err("does not exist".to_owned()),
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            Err("is no text in UTF-8".to_owned())
        }
        Err(error) => Err(format!("can't be read ({error})")),
    }
}

fn refuse(secret: &S3CredentialsSecret, namespace: &str, key: &str, what: &str) -> StoreError {
    StoreError::new(
        StoreErrorKind::SecretMissing,
        format!(
            "key `{key}` of Secret `{}` in namespace `{namespace}` {what}, so there is no access to \
             the bucket (`spec.backup.storage.s3.credentialsSecret`). Create it: `{}`",
            secret.name,
            create_secret_command(secret, namespace)
        ),
    )
}

/// The command that writes the Secret.
fn create_secret_command(secret: &S3CredentialsSecret, namespace: &str) -> String {
    format!(
        "kubectl create secret generic {} --namespace={namespace} --from-literal={}=ID \
         --from-file={}=FILE --dry-run=client -o yaml | kubectl apply -f -",
        secret.name, secret.access_key_id_key, secret.secret_access_key_key
    )
}

/// What to do when the storage refuses the key.
pub(super) fn how_to_correct(storage: &S3Storage, namespace: &str) -> String {
    storage.credentials_secret.as_ref().map_or_else(
        || {
            "Let the role that the agents' service account stands for list, read and write below \
             the prefix"
                .to_owned()
        },
        |secret| {
            format!(
                "Correct the Secret of `spec.backup.storage.s3.credentialsSecret`, or allow its key \
                 to list, read and write below the prefix: `{}`",
                create_secret_command(secret, namespace)
            )
        },
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    fn read(id: &[u8], key: &[u8]) -> Result<Credentials, StoreError> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("accessKeyId"), id).unwrap();
        std::fs::write(directory.path().join("secretAccessKey"), key).unwrap();
        let secret = S3CredentialsSecret {
            name: "s3-auth".to_owned(),
            access_key_id_key: "id".to_owned(),
            secret_access_key_key: "key".to_owned(),
        };
        read_credentials(&secret, "atra", directory.path())
    }

    #[test]
    fn any_secret_access_key_is_taken_as_it_is() {
        for key in ["a\"b'c%d", "with\nnewline", "ü", &"x".repeat(4096)] {
            let read = read(b"AKIA.id_1+=%\n", format!("{key}\n").as_bytes()).unwrap();
            assert_eq!(read.access_key_id(), "AKIA.id_1+=%");
            assert_eq!(read.secret_access_key(), key);
        }
    }

    #[test]
    fn what_can_be_no_access_key_id_is_refused_and_not_shown() {
        let long = "x".repeat(4096);
        for id in [
            "secret\nvalue",
            "secret\"value",
            "secret/value",
            "s\u{e9}cret",
            &long,
        ] {
            let error = read(id.as_bytes(), b"key").unwrap_err();
            assert_eq!(error.kind, StoreErrorKind::SecretMissing);
            assert!(
                error.message.contains("key `id` of Secret `s3-auth`"),
                "{error}"
            );
            assert!(!error.message.contains(id), "{error}");
        }
        let error = read(b"id", b"\xff\xfe").unwrap_err();
        assert!(
            error.message.contains("key `key`") && error.message.contains("UTF-8"),
            "{error}"
        );
        assert!(
            read(b"id", b" \n")
                .unwrap_err()
                .message
                .contains("is empty")
        );
    }
}
