//! Object Lock on a real server: what is stored can't be deleted, read by a client that is not ours.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_s3::types::{
    DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode,
    ObjectLockRule,
};
use holdfast::api::{ObjectLock, ObjectLockMode, S3Profile, S3Storage, reasons};
use holdfast::store::SMALLEST_PART;

use crate::store::noise;
use crate::store_proxy::store;
use crate::support::object_store::{ACCESS_KEY, IMPATIENT, SECRET_KEY, TestObjectStore};

pub const LOCKED: &str = "locked";

/// A client that is not ours.
pub fn other_client(server: &TestObjectStore) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test"))
        .endpoint_url(format!("http://{}", server.address()))
        .force_path_style(true)
        .build();
    Client::from_conf(config)
}

pub async fn make_locked_bucket(client: &Client) {
    client
        .create_bucket()
        .bucket(LOCKED)
        .object_lock_enabled_for_bucket(true)
        .send()
        .await
        .unwrap();
}

fn storage(
    server: &TestObjectStore,
    profile: S3Profile,
    mode: Option<ObjectLockMode>,
) -> S3Storage {
    S3Storage {
        bucket: LOCKED.to_owned(),
        profile: Some(profile),
        object_lock: mode.map(|mode| ObjectLock { mode, days: 2 }),
        ..server.storage()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_object_can_not_be_deleted_before_its_time() {
    let server = TestObjectStore::start();
    let client = other_client(&server);
    make_locked_bucket(&client).await;
    let lengths = [1_000, SMALLEST_PART + 1];
    for (profile, mode) in [
        (S3Profile::Aws, ObjectLockMode::Governance),
        (S3Profile::Generic, ObjectLockMode::Compliance),
    ] {
        for length in lengths {
            let key = format!("prod/{mode:?}-{length}");
            let storage = storage(&server, profile, Some(mode));
            let store_to = server.open_as(&storage, IMPATIENT).unwrap();
            store(store_to, &key, &noise(length)).await.unwrap();
            let head = client
                .head_object()
                .bucket(LOCKED)
                .key(&key)
                .send()
                .await
                .unwrap();
            let found = head.object_lock_mode().unwrap().as_str().to_owned();
            assert_eq!(found, format!("{mode:?}").to_uppercase());
            let until = head.object_lock_retain_until_date().unwrap().secs();
            let stored = head.last_modified().unwrap().secs();
            assert!(until > stored + 86_400, "it is locked for days");
            let refused = client
                .delete_object()
                .bucket(LOCKED)
                .key(&key)
                .version_id(head.version_id().unwrap())
                .send()
                .await;
            assert!(refused.is_err(), "{key} could be deleted: {refused:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_retention_of_the_bucket_is_no_hindrance() {
    let server = TestObjectStore::start();
    let client = other_client(&server);
    make_locked_bucket(&client).await;
    let retention = DefaultRetention::builder()
        .mode(ObjectLockRetentionMode::Governance)
        .days(1)
        .build();
    let configuration = ObjectLockConfiguration::builder()
        .object_lock_enabled(ObjectLockEnabled::Enabled)
        .rule(
            ObjectLockRule::builder()
                .default_retention(retention)
                .build(),
        )
        .build();
    client
        .put_object_lock_configuration()
        .bucket(LOCKED)
        .object_lock_configuration(configuration)
        .send()
        .await
        .unwrap();
    for profile in [S3Profile::Aws, S3Profile::Generic] {
        for length in [1_000, SMALLEST_PART + 1] {
            let storage = storage(&server, profile, None);
            let store_to = server.open_as(&storage, IMPATIENT).unwrap();
            let key = format!("prod/{profile:?}-{length}");
            store(store_to, &key, &noise(length)).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_on_a_bucket_without_locks_is_refused_with_the_field() {
    let server = TestObjectStore::start();
    let storage = S3Storage {
        bucket: server.storage().bucket,
        ..storage(
            &server,
            S3Profile::Generic,
            Some(ObjectLockMode::Governance),
        )
    };
    let store_to = server.open_as(&storage, IMPATIENT).unwrap();
    let error = store_to.check_bucket().await.unwrap_err();
    assert_eq!(error.kind.reason(), reasons::STORAGE_REFUSED, "{error}");
    assert!(
        error.message.contains("spec.backup.storage.s3.objectLock"),
        "{error}"
    );
    make_locked_bucket(&other_client(&server)).await;
    let storage = S3Storage {
        bucket: LOCKED.to_owned(),
        ..storage
    };
    let store_to = server.open_as(&storage, IMPATIENT).unwrap();
    store_to.check_bucket().await.unwrap();
}
