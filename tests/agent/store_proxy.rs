//! A real S3 server behind a proxy with the faults and the dialects of others.

use std::path::Path;

use holdfast::api::{S3Profile, S3Storage};
use holdfast::store::{S3Store, StoreError, StoreLimits, StoredObject, Upload};
use testbed::storage_proxy::{Dialect, Fault, Operation, Seen, StorageProxy};

use crate::support::object_store::TestObjectStore;

/// A server, and the proxy through which it is reached.
pub struct Behind {
    pub server: TestObjectStore,
    pub proxy: StorageProxy,
}

impl Behind {
    pub fn start(
        dialect: Dialect,
        decide: impl Fn(&Seen) -> Fault + Send + Sync + 'static,
    ) -> Self {
        let server = TestObjectStore::start();
        let proxy = StorageProxy::start_with(server.address(), dialect, decide).unwrap();
        Self { server, proxy }
    }

    /// The storage as a spec describes it.
    pub fn storage(&self, profile: S3Profile) -> S3Storage {
        S3Storage {
            endpoint: Some(format!("http://{}", self.proxy.address())),
            profile: Some(profile),
            ..self.server.storage()
        }
    }

    pub fn open(&self, profile: S3Profile, limits: StoreLimits) -> S3Store {
        let storage = self.storage(profile);
        self.server.open_as(&storage, limits).unwrap()
    }

    /// Makes sure that nothing is at a final key and nothing in between, by the server's own folder.
    pub fn assert_nothing_is_left(&self, what: &str) {
        assert_eq!(self.server.objects(), Vec::<String>::new(), "{what}");
        assert_eq!(self.server.unfinished_parts(), 0, "{what}");
    }

    /// Makes sure that exactly this is stored, and nothing in between.
    pub fn assert_stored(&self, key: &str, content: &[u8], what: &str) {
        assert_eq!(self.server.objects(), [key], "{what}");
        assert!(self.server.read(key) == content, "{what}");
        assert_eq!(self.server.unfinished_parts(), 0, "{what}");
    }

    /// How many requests of one operation came.
    pub fn count(&self, operation: Operation) -> usize {
        self.proxy.seen(operation).len()
    }
}

/// Stores an object as a backup does: completed after all is sent, aborted if anything fails.
pub async fn store(store: S3Store, key: &str, content: &[u8]) -> Result<StoredObject, StoreError> {
    let mut upload = Upload::new(store, key.to_owned(), 0);
    let outcome = async {
        for piece in content.chunks(300_000) {
            upload.write(piece).await?;
        }
        upload.seal().await?;
        upload.complete().await
    };
    let outcome = outcome.await;
    upload.abort().await;
    outcome
}

/// The first so many requests of an operation fail by this.
pub fn first(
    operation: Operation,
    times: usize,
    fault: Fault,
) -> impl Fn(&Seen) -> Fault + Send + Sync + 'static {
    move |seen| {
        if seen.operation == operation && seen.before < times {
            fault.clone()
        } else {
            Fault::None
        }
    }
}

/// Makes sure that a message shows nothing of the access key.
pub fn holds_no_secret(error: &StoreError, credentials: &Path) {
    let secret = std::fs::read_to_string(credentials.join("secretAccessKey")).unwrap();
    assert!(!error.message.contains(secret.trim()), "{error}");
}
