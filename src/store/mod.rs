//! The bucket: where things are, what the manifest says, and uploads that are whole or not there.
//! A set is deleted only as retention has decided, its manifest first; what has no manifest is none, and
//! the run that has failed takes its own objects back.

mod answer;
mod catalog;
mod client;
mod confirmed_sets;
mod copy;
mod credentials;
mod dialect;
mod error;
mod explain;
mod identities;
mod identity;
mod layout;
mod leftovers;
mod limits;
mod look;
mod manifest;
mod manifest_directory;
mod object_store;
mod objects;
mod part_sizes;
mod piece_reader;
mod remembered;
mod removal;
mod retention;
#[cfg(test)]
mod retention_tests;
mod retention_words;
mod s3;
mod sample;
mod set_facts;
mod stall;
mod take_back;
mod upload;
mod verdicts;
mod verify;
mod wait_budget;
mod write;

pub use catalog::{
    CatalogSet, MANIFEST_LIMIT, fetch_catalog, fetch_databases, fetch_set, is_object_name,
};
pub use confirmed_sets::RetentionRules;
pub use copy::{CopiedSet, CopyOrder, copy_set};
pub use dialect::PartRules;
pub use error::{StoreError, StoreErrorKind};
pub use identities::{ENCRYPTED_SUFFIX, Identities, Unopened, open_stored};
pub use layout::{
    GLOBALS_NAME, MAIN_DUMP_NAME, MANIFEST_NAME, SetPath, database_folder, further_dump_name,
    root_directory, set_suffix,
};
pub use leftovers::{LONGEST_BACKUP, Rehearsed, UnfinishedUpload};
pub use limits::StoreLimits;
pub use manifest::{
    Compression, CountedBy, Durations, FORMAT_VERSION, Manifest, ManifestDatabase,
    ManifestExtension, ManifestIdentity, ManifestLargeObject, ManifestLargeObjects, ManifestObject,
    ManifestTable, OLDEST_FORMAT_VERSION, ObjectEncryption, ProtectedDatabaseReference,
    RolePasswords, SetState,
};
pub use manifest_directory::{ManifestDirectory, directory_object_name};
pub use object_store::{ObjectStore, PendingUpload, StoredPart, Whole};
pub use part_sizes::{PartSizes, SMALLEST_PART};
pub use piece_reader::PieceReader;
pub use remembered::{NewestGood, fetch_newest_good, fetch_rows_elsewhere, rows_of};
pub use removal::{LeftSet, fetch_lock, remove_set};
pub use retention::{Decision, RetentionInput, decide_retention};
pub use retention_words::{Held, Why};
pub use s3::S3Store;
pub use sample::{Sample, SampleCandidate, choose_sample};
pub use set_facts::{SetContents, SetFacts, SetOwner, SetRecord, Standing};
pub use take_back::TakenBack;
pub use upload::{StoredObject, Upload};
pub use verdicts::{StoredVerdict, VerdictKind, Verdicts, store_verdict};
pub use verify::{ReadBack, WholeRead, read_back, read_whole, verify_set};
