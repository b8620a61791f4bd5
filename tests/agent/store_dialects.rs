//! What other S3 servers do: each upload ends well, or fails with the true reason, the field to
//! correct, and no object at the final key.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use holdfast::api::{
    EncryptionAlgorithm, ObjectLock, ObjectLockMode, S3Profile, S3Storage, ServerSideEncryption,
    reasons,
};
use holdfast::store::{SMALLEST_PART, StoreErrorKind};
use testbed::storage_proxy::{Dialect, Fault, Operation, Refusal, Seen, StorageProxy};

use crate::store::noise;
use crate::store_proxy::{Behind, first, holds_no_secret, store};
use crate::support::object_store::IMPATIENT;

const PARTS: usize = 2 * SMALLEST_PART + 77;
const SMALL: usize = 5_000;

const PROFILES: [S3Profile; 9] = [
    S3Profile::Aws,
    S3Profile::Minio,
    S3Profile::R2,
    S3Profile::B2,
    S3Profile::Ceph,
    S3Profile::Gcs,
    S3Profile::Scaleway,
    S3Profile::Ovh,
    S3Profile::Generic,
];

/// What is known of each kind of storage.
fn dialect_of(profile: S3Profile) -> Dialect {
    let strict = Dialect {
        needs_checksum: true,
        forgets_completed: true,
        refuses_new_checksums: true,
        ..Dialect::default()
    };
    match profile {
        S3Profile::Aws => Dialect {
            refuses_new_checksums: false,
            ..strict
        },
        S3Profile::R2 => Dialect {
            needs_equal_parts: true,
            ..strict
        },
        S3Profile::Gcs => Dialect {
            ignores_condition: true,
            ..strict
        },
        S3Profile::Ovh | S3Profile::B2 => Dialect {
            refuses_condition: true,
            ..strict
        },
        S3Profile::Scaleway => Dialect {
            part_limit: 1_000,
            ..strict
        },
        S3Profile::Minio | S3Profile::Ceph | S3Profile::Generic => strict,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_profile_stores_what_its_storage_takes() {
    for profile in PROFILES {
        for length in [SMALL, PARTS] {
            let behind = Behind::start(dialect_of(profile), |_| Fault::None);
            let content = noise(length);
            let stored = store(behind.open(profile, IMPATIENT), "prod/key", &content).await;
            assert!(stored.is_ok(), "{profile:?} {length}: {stored:?}");
            behind.assert_stored("prod/key", &content, &format!("{profile:?}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_overwritten_whatever_the_storage_heeds() {
    for profile in PROFILES {
        for length in [SMALL, PARTS] {
            let behind = Behind::start(dialect_of(profile), |_| Fault::None);
            let first = noise(length);
            store(behind.server.open(), "prod/key", &first)
                .await
                .unwrap();
            let error = store(
                behind.open(profile, IMPATIENT),
                "prod/key",
                &vec![7; length],
            )
            .await
            .unwrap_err();
            assert_eq!(
                error.kind,
                StoreErrorKind::AlreadyExists,
                "{profile:?}: {error}"
            );
            behind.assert_stored("prod/key", &first, &format!("{profile:?}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_upload_carries_a_checksum_that_the_storage_verifies() {
    for profile in PROFILES {
        let behind = Behind::start(dialect_of(profile), |_| Fault::None);
        store(behind.open(profile, IMPATIENT), "prod/key", &noise(PARTS))
            .await
            .unwrap();
        store(behind.open(profile, IMPATIENT), "prod/small", &noise(SMALL))
            .await
            .unwrap();
        let name = if profile == S3Profile::Aws {
            "x-amz-checksum-crc64nvme"
        } else {
            "content-md5"
        };
        for operation in [Operation::Part, Operation::Put] {
            let seen = behind.proxy.seen(operation);
            assert!(!seen.is_empty());
            assert!(
                seen.iter().all(|seen| !seen.header(name).is_empty()),
                "{profile:?}"
            );
        }
        for operation in [Operation::Create, Operation::Put] {
            let seen = behind.proxy.seen(operation);
            let marks: Vec<&str> = seen
                .iter()
                .map(|seen| seen.header("x-amz-meta-holdfast-set"))
                .collect();
            assert!(marks.iter().all(|mark| mark.len() == 32), "{marks:?}");
        }
    }
}

/// A name, what the storage does, the reason that is reported and a field or word of the message.
type Refused = (
    &'static str,
    Box<dyn Fn(&Seen) -> Fault + Send + Sync>,
    &'static str,
    &'static str,
);

fn always(
    operation: Operation,
    status: u16,
    code: &'static str,
    message: &'static str,
) -> Box<dyn Fn(&Seen) -> Fault + Send + Sync> {
    let refusal = Fault::Refuse(Refusal::new(status, code, message));
    Box::new(first(operation, usize::MAX, refusal))
}

fn refusals() -> Vec<Refused> {
    use Operation::{Complete, Create, Part};
    let damaged = Box::new(first(Part, usize::MAX, Fault::Damage));
    let other_tag = Box::new(first(
        Part,
        usize::MAX,
        Fault::OtherTag("\"00000000000000000000000000000000\""),
    ));
    vec![
        (
            "key revoked",
            always(Part, 403, "AccessDenied", "Denied"),
            reasons::STORAGE_DENIED,
            "credentialsSecret",
        ),
        (
            "key unknown",
            always(Create, 403, "InvalidAccessKeyId", "Unknown"),
            reasons::STORAGE_DENIED,
            "credentialsSecret",
        ),
        (
            "bucket deleted",
            always(Part, 404, "NoSuchBucket", "Gone"),
            reasons::BUCKET_NOT_FOUND,
            "spec.backup.storage.s3.bucket",
        ),
        (
            "clock",
            always(Create, 403, "RequestTimeTooSkewed", "Skewed"),
            reasons::CLOCK_SKEWED,
            "the key is not to blame",
        ),
        (
            "quota",
            always(Part, 403, "QuotaExceeded", "Bucket quota exceeded"),
            reasons::STORAGE_FULL,
            "quota",
        ),
        (
            "disk full",
            always(Part, 507, "XMinioStorageFull", "Full"),
            reasons::STORAGE_FULL,
            "full",
        ),
        (
            "full at the end",
            always(Complete, 507, "InsufficientStorage", "Full"),
            reasons::STORAGE_FULL,
            "Nothing is at the final key",
        ),
        (
            "region",
            always(
                Create,
                400,
                "AuthorizationHeaderMalformed",
                "expecting 'eu-west-1'",
            ),
            reasons::STORAGE_REFUSED,
            "spec.backup.storage.s3.region",
        ),
        (
            "part limit",
            always(
                Part,
                400,
                "InvalidArgument",
                "Part number must be an integer between 1 and 1000",
            ),
            reasons::STORAGE_REFUSED,
            "spec.backup.storage.s3.profile",
        ),
        (
            "unequal parts",
            always(
                Complete,
                400,
                "InvalidPart",
                "All non-trailing parts must have the same length.",
            ),
            reasons::STORAGE_REFUSED,
            "spec.backup.storage.s3.profile",
        ),
        (
            "upload gone",
            always(Complete, 404, "NoSuchUpload", "Gone"),
            reasons::UPLOAD_FAILED,
            "lifecycle rule",
        ),
        (
            "412 for a checksum",
            always(Complete, 412, "PreconditionFailed", "Checksum"),
            reasons::STORAGE_REFUSED,
            "Nothing is at the final key",
        ),
        (
            "501 for all",
            always(Complete, 501, "NotImplemented", "No"),
            reasons::STORAGE_REFUSED,
            "spec.backup.storage.s3.profile",
        ),
        (
            "damaged on the way",
            damaged,
            reasons::UPLOAD_FAILED,
            "damaged",
        ),
        (
            "stored otherwise",
            other_tag,
            reasons::UPLOAD_FAILED,
            "not that of the bytes",
        ),
        (
            "the key of the encryption is unknown",
            always(
                Create,
                400,
                "KMS.NotFoundException",
                "Key 'arn:aws:kms:eu-west-1:1:key/k' does not exist",
            ),
            reasons::STORAGE_REFUSED,
            "spec.backup.storage.s3.serverSideEncryption",
        ),
        (
            "the key of the encryption is disabled",
            always(Create, 400, "KMS.DisabledException", "k is disabled."),
            reasons::STORAGE_REFUSED,
            "the policy of its key",
        ),
        (
            "the key of the encryption may not be used",
            always(
                Create,
                403,
                "AccessDenied",
                "User: u is not authorized to perform: kms:GenerateDataKey on resource: k",
            ),
            reasons::STORAGE_REFUSED,
            "the policy of its key",
        ),
        (
            "no encryption here",
            always(
                Create,
                400,
                "InvalidEncryptionAlgorithmError",
                "The encryption request you specified is not valid",
            ),
            reasons::STORAGE_REFUSED,
            "spec.backup.storage.s3.serverSideEncryption",
        ),
        (
            "lost parts",
            always(Complete, 400, "InvalidPartOrder", "Order"),
            reasons::STORAGE_REFUSED,
            "profile",
        ),
        (
            "a page of a proxy",
            Box::new(first(
                Create,
                usize::MAX,
                Fault::Refuse(Refusal {
                    status: 400,
                    body: Some("<html>Bad Request</html>"),
                    ..Refusal::default()
                }),
            )),
            reasons::UPLOAD_FAILED,
            "beginning an upload",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_storage_refuses_is_told_apart_and_leaves_nothing() {
    for (what, decide, reason, word) in refusals() {
        let behind = Behind::start(Dialect::default(), decide);
        let store_to = behind.open(S3Profile::Generic, IMPATIENT);
        let error = store(store_to, "prod/key", &noise(PARTS))
            .await
            .unwrap_err();
        assert_eq!(error.kind.reason(), reason, "{what}: {error}");
        assert!(error.message.contains(word), "{what}: {error}");
        holds_no_secret(&error, behind.server.credentials());
        behind.assert_nothing_is_left(what);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed() {
    for status in [301, 307, 308] {
        let trap = Behind::start(Dialect::default(), |_| Fault::None);
        let location = Some(format!("http://{}/backups/prod/key", trap.proxy.address()));
        let refusal = Refusal {
            location,
            ..Refusal::new(
                status,
                "TemporaryRedirect",
                "Please re-send this request there.",
            )
        };
        let fault = Fault::Refuse(refusal);
        let behind = Behind::start(Dialect::default(), move |_| fault.clone());
        for length in [SMALL, PARTS] {
            let store_to = behind.open(S3Profile::Generic, IMPATIENT);
            let error = store(store_to, "prod/key", &noise(length))
                .await
                .unwrap_err();
            assert_eq!(error.kind.reason(), reasons::STORAGE_REFUSED, "{error}");
            assert!(
                error.message.contains("spec.backup.storage.s3.endpoint"),
                "{error}"
            );
        }
        let reached: usize = [
            Operation::Create,
            Operation::Put,
            Operation::Head,
            Operation::Other,
        ]
        .map(|operation| trap.count(operation))
        .iter()
        .sum();
        assert_eq!(reached, 0, "the data must not go where nobody configured");
        behind.assert_nothing_is_left("redirected");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_object_is_read_back_where_its_checksum_is_another() {
    let tag = Fault::OtherTag("\"00000000000000000000000000000000\"");
    let behind = Behind::start(Dialect::default(), first(Operation::Put, 1, tag));
    let content = noise(SMALL);
    let store_to = behind.open(S3Profile::Generic, IMPATIENT);
    store(store_to, "prod/key", &content).await.unwrap();
    assert_eq!(behind.count(Operation::Get), 1);
    behind.assert_stored("prod/key", &content, "read back");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_an_object_is_not_believed() {
    let lie = Refusal {
        status: 200,
        body: Some(
            "<?xml version=\"1.0\"?><CompleteMultipartUploadResult><ETag>\"1\"</ETag>\
             </CompleteMultipartUploadResult>",
        ),
        ..Refusal::default()
    };
    let lies = Fault::Refuse(lie);
    let behind = Behind::start(Dialect::default(), first(Operation::Complete, 9, lies));
    let store_to = behind.open(S3Profile::Generic, IMPATIENT);
    let error = store(store_to, "prod/key", &noise(PARTS))
        .await
        .unwrap_err();
    assert_eq!(error.kind.reason(), reasons::UPLOAD_FAILED, "{error}");
    assert!(error.message.contains("there is no such object"), "{error}");
    behind.assert_nothing_is_left("a lie");
}

#[tokio::test(flavor = "multi_thread")]
async fn lock_encryption_and_class_are_asked_for_with_every_object() {
    // The server behind knows no lock on this bucket: what arrives is what counts.
    let refused = Arc::new(AtomicUsize::new(0));
    let server = crate::support::object_store::TestObjectStore::start();
    let counter = refused.clone();
    let proxy = StorageProxy::start_with(server.address(), Dialect::default(), move |seen| {
        if matches!(seen.operation, Operation::Put | Operation::Create) {
            let is_asked = seen.header("x-amz-object-lock-mode") == "COMPLIANCE"
                && seen
                    .header("x-amz-object-lock-retain-until-date")
                    .starts_with("20")
                && seen.header("x-amz-server-side-encryption") == "aws:kms"
                && seen.header("x-amz-server-side-encryption-aws-kms-key-id") == "key-1"
                && seen.header("x-amz-storage-class") == "STANDARD_IA";
            if is_asked {
                counter.fetch_add(1, Ordering::Relaxed);
            }
            return Fault::Refuse(Refusal::new(
                400,
                "InvalidRequest",
                "Bucket is missing Object Lock Configuration",
            ));
        }
        Fault::None
    })
    .unwrap();
    let storage = S3Storage {
        endpoint: Some(format!("http://{}", proxy.address())),
        object_lock: Some(ObjectLock {
            mode: ObjectLockMode::Compliance,
            days: 30,
        }),
        server_side_encryption: Some(ServerSideEncryption {
            algorithm: EncryptionAlgorithm::Kms,
            kms_key_id: Some("key-1".to_owned()),
        }),
        storage_class: Some("STANDARD_IA".to_owned()),
        ..server.storage()
    };
    for length in [SMALL, PARTS] {
        let store_to = server.open_as(&storage, IMPATIENT).unwrap();
        let error = store(store_to, "prod/key", &noise(length))
            .await
            .unwrap_err();
        assert_eq!(error.kind.reason(), reasons::STORAGE_REFUSED, "{error}");
        assert!(
            error.message.contains("spec.backup.storage.s3.objectLock"),
            "{error}"
        );
    }
    assert_eq!(refused.load(Ordering::Relaxed), 2);
    assert_eq!(server.objects(), Vec::<String>::new());
}
