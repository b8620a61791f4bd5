//! Uploads to a real S3 server: whole or not there.

use std::time::{Duration, Instant};

use holdfast::api::reasons;
use holdfast::store::{S3Store, SMALLEST_PART, StoreErrorKind, Upload};
use sha2::{Digest, Sha256};

use crate::support::object_store::{IMPATIENT, TestObjectStore, write_credentials};

const PART: usize = SMALLEST_PART;

/// Bytes that compress to nothing less.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        })
        .collect()
}

#[tokio::test]
async fn small_and_large_objects_arrive_as_they_were() {
    let server = TestObjectStore::start();
    for (key, length) in [
        ("empty", 0),
        ("small", 1000),
        ("one part", PART),
        ("one byte more", PART + 1),
        ("three/parts", 2 * PART + 77),
    ] {
        let content = noise(length);
        let mut upload = Upload::new(server.open(), key.to_owned(), 0);
        for piece in content.chunks(300_000) {
            upload.write(piece).await.unwrap();
        }
        upload.seal().await.unwrap();
        assert!(
            !server.objects().contains(&key.to_owned()),
            "nothing is there before it is completed"
        );
        let stored = upload.complete().await.unwrap();
        assert_eq!(
            (stored.size, stored.sha256),
            (length as u64, hex::encode(Sha256::digest(&content)))
        );
        assert_eq!(server.read(key), content);
        assert!(!stored.store_checksum.is_empty() && !stored.store_checksum.contains('"'));
    }
    assert_eq!(server.unfinished_parts(), 0);
}

#[tokio::test]
async fn an_abort_or_a_dropped_upload_leaves_nothing() {
    let server = TestObjectStore::start();
    let mut upload = Upload::new(server.open(), "aborted".to_owned(), 0);
    upload.write(&noise(PART * 2)).await.unwrap();
    upload.seal().await.unwrap();
    assert!(server.unfinished_parts() > 0);
    upload.abort().await;
    assert_eq!(
        (server.objects(), server.unfinished_parts()),
        (Vec::new(), 0)
    );

    let mut upload = Upload::new(server.open(), "dropped".to_owned(), 0);
    upload.write(&noise(PART * 2)).await.unwrap();
    upload.seal().await.unwrap();
    drop(upload);
    let end = Instant::now() + Duration::from_secs(10);
    while server.unfinished_parts() > 0 {
        assert!(Instant::now() < end, "the dropped upload is aborted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(server.objects().is_empty());
}

#[tokio::test]
async fn nothing_is_ever_overwritten() {
    let server = TestObjectStore::start();
    for length in [1000, PART * 2] {
        let key = format!("object-{length}");
        let first = noise(length);
        let mut upload = Upload::new(server.open(), key.clone(), 0);
        upload.write(&first).await.unwrap();
        upload.complete().await.unwrap();
        let mut upload = Upload::new(server.open(), key.clone(), 0);
        upload.write(&vec![7; length]).await.unwrap();
        let error = upload.complete().await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::AlreadyExists, "{error}");
        upload.abort().await;
        assert_eq!(server.read(&key), first);
    }
    assert_eq!(server.unfinished_parts(), 0);
}

#[tokio::test]
async fn what_is_wrong_with_the_storage_is_told_apart() {
    let server = TestObjectStore::start();
    server.open().check_bucket().await.unwrap();

    let mut storage = server.storage();
    storage.bucket = "nowhere".to_owned();
    let open = |storage| server.open_as(&storage, IMPATIENT);
    let error = open(storage).unwrap().check_bucket().await.unwrap_err();
    assert_eq!(error.kind.reason(), reasons::BUCKET_NOT_FOUND, "{error}");
    assert!(
        error.message.contains("`nowhere`")
            && error.message.contains("spec.backup.storage.s3.bucket"),
        "{error}"
    );

    let mut storage = server.storage();
    let nobodys = testbed::ReservedPort::take().unwrap();
    storage.endpoint = Some(format!("http://127.0.0.1:{}", nobodys.number()));
    let error = open(storage).unwrap().check_bucket().await.unwrap_err();
    assert_eq!(error.kind.reason(), reasons::STORAGE_UNREACHABLE, "{error}");
    assert!(
        error.message.contains("spec.backup.storage.s3.endpoint"),
        "{error}"
    );

    // TLS where the server speaks none, and none where TLS is asked for.
    let encrypted = TestObjectStore::start_encrypted();
    let with_authority = |scheme: &str| {
        let mut storage = encrypted.storage();
        storage.endpoint = Some(format!("{scheme}://{}", server.address()));
        encrypted.open_as(&storage, IMPATIENT)
    };
    let plain = with_authority("https").unwrap();
    let error = plain.check_bucket().await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::ClearText, "{error}");
    for wanted in [
        "does not speak TLS",
        "nothing was sent",
        "spec.backup.storage.s3.endpoint",
    ] {
        assert!(error.message.contains(wanted), "{wanted}: {error}");
    }
    let error = with_authority("http").unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::ClearText, "{error}");
    for wanted in ["clear text", "s3.caSecret", "s3.endpoint"] {
        assert!(error.message.contains(wanted), "{wanted}: {error}");
    }

    for (id, secret) in [("test", "wrong-secret"), ("nobody", "test-secret")] {
        let credentials = tempfile::tempdir().unwrap();
        write_credentials(credentials.path(), id, secret);
        let store = S3Store::open(
            &server.storage(),
            "atra",
            credentials.path(),
            &server.authority(),
        )
        .unwrap();
        let error = store.check_bucket().await.unwrap_err();
        assert_eq!(error.kind.reason(), reasons::STORAGE_DENIED, "{error}");
        assert!(
            !error.message.contains("-secret")
                && error
                    .message
                    .contains("kubectl create secret generic s3-auth"),
            "{error}"
        );
    }

    let empty = tempfile::tempdir().unwrap();
    let error =
        S3Store::open(&server.storage(), "atra", empty.path(), &server.authority()).unwrap_err();
    assert_eq!(error.kind.reason(), reasons::SECRET_MISSING, "{error}");
    assert!(
        error.message.contains("key `id` of Secret `s3-auth`"),
        "{error}"
    );
}

#[tokio::test]
async fn https_is_verified_with_the_mounted_authority() {
    let server = TestObjectStore::start_encrypted();
    server.open().check_bucket().await.unwrap();
    let mut upload = Upload::new(server.open(), "object".to_owned(), 0);
    upload.write(&noise(PART * 2)).await.unwrap();
    upload.complete().await.unwrap();

    let other = tempfile::tempdir().unwrap();
    crate::support::make_certificates(other.path(), "IP:127.0.0.1");
    let store = S3Store::open(
        &server.storage(),
        "atra",
        server.credentials(),
        other.path(),
    )
    .unwrap();
    let error = store.check_bucket().await.unwrap_err();
    assert_eq!(error.kind.reason(), reasons::STORAGE_UNREACHABLE, "{error}");
    assert!(
        error.message.contains("spec.backup.storage.s3.caSecret"),
        "{error}"
    );

    std::fs::write(
        other.path().join("ca.crt"),
        "-----BEGIN CERTIFICATE-----\nnot a certificate\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let error = S3Store::open(
        &server.storage(),
        "atra",
        server.credentials(),
        other.path(),
    )
    .unwrap_err();
    assert_eq!(error.kind.reason(), reasons::SECRET_MISSING, "{error}");
}
