//! What a failed request means and what to do, by its kind. Pure.

use super::answer::Answer;
use super::credentials::how_to_correct;
use super::{StoreError, StoreErrorKind};
use crate::api::S3Storage;

/// The part of the spec that every sentence names fields of.
const FIELD: &str = "spec.backup.storage.s3";

/// Explains an answer that came while `doing` something with the bucket, after some attempts.
pub(super) fn explain(
    storage: &S3Storage,
    namespace: &str,
    answer: &Answer,
    doing: &str,
    attempts: u32,
) -> StoreError {
    let endpoint = storage.endpoint.as_deref().unwrap_or("Amazon S3");
    let (bucket, text) = (&storage.bucket, &answer.text);
    let tried = if attempts > 1 {
        format!(" after {attempts} attempts")
    } else {
        String::new()
    };
    let while_doing = format!("while {doing} `{bucket}`");
    let message = match answer.kind {
        StoreErrorKind::BucketNotFound => format!(
            "the bucket `{bucket}` does not exist at {endpoint} ({text}). Holdfast creates no \
             buckets: create it, or correct `{FIELD}.bucket`"
        ),
        StoreErrorKind::Denied => format!(
            "{endpoint} refused the access key {while_doing} ({text}). {}",
            how_to_correct(storage, namespace)
        ),
        StoreErrorKind::Unreachable => format!(
            "the storage at {endpoint} can't be reached{tried} ({text}). Correct \
             `{FIELD}.endpoint`, or for `https` the certificate authority in `{FIELD}.caSecret`; \
             network policies must let the agent's pod out"
        ),
        StoreErrorKind::ClearText => format!(
            "the server at {endpoint} does not speak TLS ({text}), so nothing was sent to it. Correct the \
             port in `{FIELD}.endpoint`, or have the server answer with TLS"
        ),
        StoreErrorKind::Busy => format!(
            "{endpoint} was busy or broken {while_doing}{tried} ({text}). See what is wrong with \
             the storage; the next backup tries again. `{FIELD}.retryTimeout` says how long it is \
             waited for"
        ),
        StoreErrorKind::ClockSkewed => format!(
            "{endpoint} refused the time of the request {while_doing} ({text}): the clock of the \
             agent's node, or of the storage, is wrong. Correct the clock; the key is not to blame"
        ),
        StoreErrorKind::Full => format!(
            "the storage is full, or a quota is reached, {while_doing} ({text}). Free space or \
             raise the quota of the bucket in `{FIELD}.bucket`"
        ),
        StoreErrorKind::WrongRegion => format!(
            "the bucket `{bucket}` is not in the region `{}` ({text}). Correct `{FIELD}.region`",
            storage.region
        ),
        StoreErrorKind::Redirected => format!(
            "{endpoint} sends requests for `{bucket}` to another address ({text}), which is not \
             followed: it would be given the data. Name the right address in `{FIELD}.endpoint`, \
             or correct `{FIELD}.region`"
        ),
        StoreErrorKind::WrongStorageClass => format!(
            "{endpoint} does not have the storage class `{}` ({text}). Correct \
             `{FIELD}.storageClass`",
            storage.storage_class.as_deref().unwrap_or("STANDARD")
        ),
        StoreErrorKind::WrongEncryption => format!(
            "{endpoint} can't encrypt as asked {while_doing} ({text}). Correct \
             `{FIELD}.serverSideEncryption`, or the policy of its key"
        ),
        StoreErrorKind::WrongLock => format!(
            "{endpoint} can't lock objects as asked {while_doing} ({text}). Object Lock must be \
             enabled on the bucket; enable it, or correct `{FIELD}.objectLock`"
        ),
        StoreErrorKind::WrongParts => format!(
            "{endpoint} does not take parts of these sizes, or not so many, {while_doing} ({text}). \
             Name its kind in `{FIELD}.profile`"
        ),
        StoreErrorKind::Unsupported => format!(
            "{endpoint} does not have what was asked of it {while_doing} ({text}). Name its kind \
             in `{FIELD}.profile`, or use another storage"
        ),
        StoreErrorKind::Damaged => format!(
            "bytes were damaged {while_doing}{tried} ({text}): what {endpoint} received or stored \
             is not what was sent. Look for a proxy, or for faulty memory or disks of the storage"
        ),
        StoreErrorKind::AlreadyExists => format!(
            "an object already exists at the key {while_doing} ({text}); nothing was overwritten. \
             Take another backup"
        ),
        StoreErrorKind::NotFound => {
            format!("no object is at the key in the bucket `{bucket}` at {endpoint} ({text})")
        }
        StoreErrorKind::TooLarge | StoreErrorKind::OtherSize | StoreErrorKind::Unreadable => {
            format!("an object in the bucket `{bucket}` can't be read ({text})")
        }
        StoreErrorKind::UploadGone => format!(
            "{endpoint} no longer knows the upload {while_doing} ({text}): somebody aborted it. Make \
             sure that no lifecycle rule of the bucket aborts uploads that are younger than \
             `spec.backup.deadline`"
        ),
        StoreErrorKind::SecretMissing
        | StoreErrorKind::SameBucket
        | StoreErrorKind::UploadFailed => {
            format!("{endpoint} failed {while_doing}{tried} ({text}). The next backup tries again")
        }
    };
    StoreError::new(answer.kind, message)
}

#[cfg(test)]
mod tests {
    use super::super::answer::Again;
    use super::*;
    use crate::api::S3CredentialsSecret;

    #[test]
    fn every_explanation_reads() {
        use StoreErrorKind as Kind;
        let storage = S3Storage {
            bucket: "backups".to_owned(),
            endpoint: Some("https://s3.storage:9000".to_owned()),
            credentials_secret: Some(S3CredentialsSecret {
                name: "s3-auth".to_owned(),
                access_key_id_key: "id".to_owned(),
                secret_access_key_key: "key".to_owned(),
            }),
            storage_class: Some("COLD".to_owned()),
            region: "us-east-1".to_owned(),
            ..S3Storage::default()
        };
        let kinds = [
            Kind::BucketNotFound,
            Kind::Denied,
            Kind::Unreachable,
            Kind::ClearText,
            Kind::Busy,
            Kind::ClockSkewed,
            Kind::Full,
            Kind::WrongRegion,
            Kind::Redirected,
            Kind::WrongStorageClass,
            Kind::WrongEncryption,
            Kind::WrongLock,
            Kind::WrongParts,
            Kind::Unsupported,
            Kind::Damaged,
            Kind::NotFound,
            Kind::TooLarge,
            Kind::Unreadable,
            Kind::UploadGone,
            Kind::AlreadyExists,
            Kind::UploadFailed,
        ];
        let texts: Vec<String> = kinds
            .into_iter()
            .map(|kind| {
                let answer = Answer {
                    kind,
                    again: Again::No,
                    text: "Code: what the storage said".to_owned(),
                    was_answered: true,
                };
                let error = explain(&storage, "atra", &answer, "storing a part in", 7);
                format!("{kind:?} -> {}\n{error}", kind.reason())
            })
            .collect();
        insta::assert_snapshot!(texts.join("\n\n"));
    }
}
