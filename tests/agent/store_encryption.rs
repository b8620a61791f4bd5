//! Encryption by the storage: what is asked of it with every object. What it refuses is in `store_dialects`.

use holdfast::api::{EncryptionAlgorithm, S3Profile, S3Storage, ServerSideEncryption};
use holdfast::store::SMALLEST_PART;
use testbed::storage_proxy::{Dialect, Fault, Operation, Refusal};

use crate::store::noise;
use crate::store_proxy::{Behind, store};
use crate::support::object_store::IMPATIENT;

const PARTS: usize = 2 * SMALLEST_PART + 77;
const SMALL: usize = 5_000;

#[tokio::test(flavor = "multi_thread")]
async fn encryption_with_keys_of_the_storage_is_asked_for_with_every_object() {
    for length in [SMALL, PARTS] {
        let behind = Behind::start(Dialect::default(), |seen| {
            let is_asked = seen.header("x-amz-server-side-encryption") == "AES256";
            let has_key = !seen
                .header("x-amz-server-side-encryption-aws-kms-key-id")
                .is_empty();
            match seen.operation {
                Operation::Put | Operation::Create if !is_asked || has_key => {
                    Fault::Refuse(Refusal::new(403, "AccessDenied", "Not encrypted"))
                }
                _ => Fault::None,
            }
        });
        let storage = S3Storage {
            server_side_encryption: Some(ServerSideEncryption {
                algorithm: EncryptionAlgorithm::Aes256,
                kms_key_id: None,
            }),
            ..behind.storage(S3Profile::Generic)
        };
        let content = noise(length);
        let store_to = behind.server.open_as(&storage, IMPATIENT).unwrap();
        store(store_to, "prod/key", &content).await.unwrap();
        behind.assert_stored("prod/key", &content, "AES256");
        // Without the field nothing is asked for, and this storage refuses that.
        let bare = behind.open(S3Profile::Generic, IMPATIENT);
        assert!(store(bare, "prod/other", &content).await.is_err());
    }
}
