//! Where the files are that a Job mounts into its agent.

use std::path::PathBuf;

use crate::api::{
    POSTGRES_CA_DIRECTORY, POSTGRES_CERTIFICATE_DIRECTORY, POSTGRES_CREDENTIALS_DIRECTORY,
    S3_CA_DIRECTORY, S3_CREDENTIALS_DIRECTORY, WORK_DIRECTORY,
};

/// The mounted directories. The default is what Jobs mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountedFiles {
    /// User name and password of Postgres.
    pub postgres_credentials: PathBuf,
    /// Certificate authority of Postgres.
    pub postgres_ca: PathBuf,
    /// Client certificate for Postgres.
    pub postgres_certificate: PathBuf,
    /// Access key of the bucket.
    pub s3_credentials: PathBuf,
    /// Certificate authority of the bucket's endpoint.
    pub s3_ca: PathBuf,
    /// A directory in memory for the password file.
    pub work: PathBuf,
}

impl Default for MountedFiles {
    fn default() -> Self {
        Self {
            postgres_credentials: POSTGRES_CREDENTIALS_DIRECTORY.into(),
            postgres_ca: POSTGRES_CA_DIRECTORY.into(),
            postgres_certificate: POSTGRES_CERTIFICATE_DIRECTORY.into(),
            s3_credentials: S3_CREDENTIALS_DIRECTORY.into(),
            s3_ca: S3_CA_DIRECTORY.into(),
            work: WORK_DIRECTORY.into(),
        }
    }
}
