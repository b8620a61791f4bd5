//! The bucket: where things are, what the manifest says, and uploads that are whole or not there.
//! Nothing here deletes a finished object.

mod error;
mod layout;
mod manifest;
mod object_store;
mod remembered;
mod s3;
mod upload;

pub use error::{StoreError, StoreErrorKind};
pub use layout::{
    GLOBALS_NAME, MAIN_DUMP_NAME, MANIFEST_NAME, SetPath, database_folder, further_dump_name,
    root_directory,
};
pub use manifest::{
    Compression, Durations, FORMAT_VERSION, Manifest, ManifestDatabase, ManifestExtension,
    ManifestIdentity, ManifestLargeObjects, ManifestObject, ManifestTable,
    ProtectedDatabaseReference, SetState,
};
pub use object_store::{ObjectStore, PendingUpload, StoredPart};
pub use remembered::{fetch_elsewhere, fetch_newest_good, rows_of};
pub use s3::S3Store;
pub use upload::{SMALLEST_PART, StoredObject, Upload, choose_part_size};
