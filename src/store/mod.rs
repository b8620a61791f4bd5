//! The bucket: where things are, what the manifest says, and uploads that are whole or not there.
//! No finished object is ever deleted here; what has no manifest is none.

mod answer;
mod catalog;
mod client;
mod credentials;
mod dialect;
mod error;
mod explain;
mod identity;
mod layout;
mod leftovers;
mod limits;
mod look;
mod manifest;
mod object_store;
mod objects;
mod part_sizes;
mod remembered;
mod retention;
#[cfg(test)]
mod retention_tests;
mod s3;
mod stall;
mod upload;
mod verdicts;
mod wait_budget;
mod write;

pub use catalog::{
    CatalogSet, fetch_catalog, fetch_databases, fetch_set, is_object_name, verify_set,
};
pub use dialect::PartRules;
pub use error::{StoreError, StoreErrorKind};
pub use layout::{
    GLOBALS_NAME, MAIN_DUMP_NAME, MANIFEST_NAME, SetPath, database_folder, further_dump_name,
    root_directory, set_suffix,
};
pub use leftovers::{IncompleteSet, LONGEST_BACKUP, Rehearsed, UnfinishedUpload};
pub use limits::StoreLimits;
pub use manifest::{
    Compression, CountedBy, Durations, FORMAT_VERSION, Manifest, ManifestDatabase,
    ManifestExtension, ManifestIdentity, ManifestLargeObject, ManifestLargeObjects, ManifestObject,
    ManifestTable, OLDEST_FORMAT_VERSION, ObjectEncryption, ProtectedDatabaseReference,
    RolePasswords, SetState,
};
pub use object_store::{ObjectStore, PendingUpload, StoredPart, Whole};
pub use part_sizes::{PartSizes, SMALLEST_PART};
pub use remembered::{fetch_elsewhere, fetch_newest_good, rows_of};
pub use retention::{
    Decision, Held, RetentionInput, RetentionRules, SetContents, SetFacts, SetOwner, SetRecord,
    Standing, Why, decide_retention,
};
pub use s3::S3Store;
pub use upload::{StoredObject, Upload};
pub use verdicts::{StoredVerdict, VerdictKind, store_verdict};
