//! Where the files are that a Job mounts into its agent, and what is opened with them.

use std::path::PathBuf;

use crate::api::{
    FILES_DIRECTORY, IDENTITY_DIRECTORY, POSTGRES_CA_DIRECTORY, POSTGRES_CERTIFICATE_DIRECTORY,
    POSTGRES_CREDENTIALS_DIRECTORY, S3_CA_DIRECTORY, S3_CREDENTIALS_DIRECTORY, S3Storage,
    ServerRequest, WORK_DIRECTORY,
};
use crate::postgres::{Login, PostgresError, Presence};
use crate::store::{S3Store, StoreError, StoreLimits};

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
    /// Private keys that read encrypted sets.
    pub identity: PathBuf,
    /// A directory in memory for the password file.
    pub work: PathBuf,
    /// The claims whose directories belong to the backup set, each below it by its place.
    pub claims: PathBuf,
}

impl Default for MountedFiles {
    fn default() -> Self {
        Self {
            postgres_credentials: POSTGRES_CREDENTIALS_DIRECTORY.into(),
            postgres_ca: POSTGRES_CA_DIRECTORY.into(),
            postgres_certificate: POSTGRES_CERTIFICATE_DIRECTORY.into(),
            s3_credentials: S3_CREDENTIALS_DIRECTORY.into(),
            s3_ca: S3_CA_DIRECTORY.into(),
            identity: IDENTITY_DIRECTORY.into(),
            work: WORK_DIRECTORY.into(),
            claims: FILES_DIRECTORY.into(),
        }
    }
}

impl MountedFiles {
    /// Opens a bucket; nothing is sent yet.
    pub fn open_store(
        &self,
        storage: &S3Storage,
        namespace: &str,
        limits: StoreLimits,
    ) -> Result<S3Store, StoreError> {
        S3Store::open_within(
            storage,
            namespace,
            &self.s3_credentials,
            &self.s3_ca,
            limits,
        )
    }

    /// Reads how to log in to a server; nothing is sent yet. `presence` says whether it is still the
    /// server that was found.
    pub fn read_login(
        &self,
        server: &ServerRequest,
        namespace: &str,
        host: &str,
        presence: Option<Presence>,
    ) -> Result<Login, PostgresError> {
        let login = Login::read(
            server,
            namespace,
            host,
            &self.postgres_credentials,
            &self.postgres_ca,
            &self.postgres_certificate,
        )?;
        Ok(Login { presence, ..login })
    }
}
