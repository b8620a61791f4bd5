//! The Secrets that an agent mounts as files: no more than it needs. Pure.

use k8s_openapi::api::core::v1::{KeyToPath, SecretVolumeSource, Volume};

use crate::api::{
    CredentialsSecret, IDENTITY_DIRECTORY, IDENTITY_FILE, POSTGRES_CA_DIRECTORY,
    POSTGRES_CERTIFICATE_DIRECTORY, POSTGRES_CREDENTIALS_DIRECTORY, ProtectedDatabase,
    S3_BACKUP_CREDENTIALS_DIRECTORY, S3_CA_DIRECTORY, S3_COPY_CA_DIRECTORY,
    S3_COPY_CREDENTIALS_DIRECTORY, S3_CREDENTIALS_DIRECTORY, S3CredentialsSecret, SecretKey,
};

/// Which credentials an agent gets: no more than it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secrets {
    /// Those of Postgres.
    Postgres,
    /// Those of Postgres and of the bucket.
    PostgresAndStorage,
    /// Those of the bucket, for the look at its sets.
    Storage,
    /// Those of restores, and of the bucket.
    Restore,
    /// Those of the bucket, to read a set, and the private keys of encrypted ones: a drill reaches no server
    /// but its own.
    Drill,
    /// The same, for a restore of files, which reaches no server at all.
    Files,
    /// Those of the bucket of backups, and of the copy at this place in the spec.
    Copy(usize),
}

impl Secrets {
    pub(super) const fn has_postgres(self) -> bool {
        !matches!(
            self,
            Self::Storage | Self::Drill | Self::Files | Self::Copy(_)
        )
    }

    /// Whether the programs of Postgres are needed.
    pub(super) const fn needs_programs(self) -> bool {
        !matches!(self, Self::Storage | Self::Files | Self::Copy(_))
    }

    const fn has_storage(self) -> bool {
        !matches!(self, Self::Postgres)
    }
}

/// A Secret that is mounted as files under names of our own.
pub(super) struct SecretMount {
    pub volume: &'static str,
    pub directory: &'static str,
    secret: String,
    /// The user's key and our file name.
    files: Vec<(String, &'static str)>,
    mode: i32,
}

impl SecretMount {
    pub(super) fn volume(&self) -> Volume {
        let items = self
            .files
            .iter()
            .map(|(key, path)| KeyToPath {
                key: key.clone(),
                path: (*path).to_owned(),
                mode: None,
            })
            .collect();
        Volume {
            name: self.volume.to_owned(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(self.secret.clone()),
                items: Some(items),
                default_mode: Some(self.mode),
                // A missing Secret then shows as a missing file, which the agent can report;
                // otherwise the pod would hang without a word.
                optional: Some(true),
            }),
            ..Volume::default()
        }
    }
}

/// The Secrets of an agent. `has_no_group`: its pod has no `fsGroup`.
pub(super) fn secrets(
    database: &ProtectedDatabase,
    which: Secrets,
    has_no_group: bool,
) -> Vec<SecretMount> {
    // Without an `fsGroup` the files belong to root's group. That all may read them shows them to
    // nobody else: only our container mounts them.
    let mode = if has_no_group { 0o444 } else { 0o440 };
    let connection = &database.spec.connection;
    let authority = |volume, directory, key: &SecretKey| SecretMount {
        volume,
        directory,
        secret: key.name.clone(),
        files: vec![(key.key.clone(), "ca.crt")],
        mode,
    };
    let mut mounts = Vec::new();
    let login = |credentials: &CredentialsSecret, has_name: bool| {
        let username = (credentials.username_key.clone(), "username");
        let password = (credentials.password_key.clone(), "password");
        SecretMount {
            volume: "postgres",
            directory: POSTGRES_CREDENTIALS_DIRECTORY,
            secret: credentials.name.clone(),
            files: has_name
                .then_some(username)
                .into_iter()
                .chain([password])
                .collect(),
            mode,
        }
    };
    if which == Secrets::Restore {
        // Another role than that of checks and backups, and nothing of theirs.
        let restore = database.spec.restore.as_ref();
        mounts.extend(restore.map(|restore| login(&restore.credentials_secret, true)));
    } else if which.has_postgres() {
        let credentials = connection.credentials_secret.as_ref();
        // A name that the spec says needs no key.
        let has_name = connection.username.is_none();
        mounts.extend(credentials.map(|credentials| login(credentials, has_name)));
        let certificate = connection.client_certificate_secret.as_ref();
        mounts.extend(certificate.map(|certificate| SecretMount {
            volume: "postgres-certificate",
            directory: POSTGRES_CERTIFICATE_DIRECTORY,
            secret: certificate.name.clone(),
            files: vec![
                (certificate.certificate_key.clone(), "tls.crt"),
                (certificate.private_key_key.clone(), "tls.key"),
            ],
            mode,
        }));
    }
    if matches!(which, Secrets::Restore | Secrets::Drill | Secrets::Files) {
        let restore = database.spec.restore.as_ref();
        let identity = restore.and_then(|restore| restore.identity_secret.as_ref());
        mounts.extend(identity.map(|key| SecretMount {
            volume: "identity",
            directory: IDENTITY_DIRECTORY,
            secret: key.name.clone(),
            files: vec![(key.key.clone(), IDENTITY_FILE)],
            mode,
        }));
    }
    if which.has_postgres() {
        mounts.extend(
            connection
                .tls
                .ca_secret
                .iter()
                .map(|key| authority("postgres-ca", POSTGRES_CA_DIRECTORY, key)),
        );
    }
    if let (true, Some(backup)) = (which.has_storage(), &database.spec.backup) {
        let s3 = &backup.storage.s3;
        // What may delete is not where the database's own image runs.
        let key = if which == Secrets::Storage {
            backup.look_credentials()
        } else {
            s3.credentials_secret.as_ref()
        };
        let access_key = |volume, directory, key: &S3CredentialsSecret| SecretMount {
            volume,
            directory,
            secret: key.name.clone(),
            files: vec![
                (key.access_key_id_key.clone(), "accessKeyId"),
                (key.secret_access_key_key.clone(), "secretAccessKey"),
            ],
            mode,
        };
        mounts.extend(key.map(|key| access_key("s3", S3_CREDENTIALS_DIRECTORY, key)));
        if which == Secrets::Storage && backup.has_look_credentials() {
            // What the next backup will do is tried with what it will have.
            let key = s3.credentials_secret.as_ref();
            mounts.extend(
                key.map(|key| access_key("s3-backup", S3_BACKUP_CREDENTIALS_DIRECTORY, key)),
            );
        }
        let ca = s3.ca_secret.iter();
        mounts.extend(ca.map(|key| authority("s3-ca", S3_CA_DIRECTORY, key)));
        if let Secrets::Copy(place) = which
            && let Some(copy) = backup.copies.get(place)
        {
            let s3 = &copy.storage.s3;
            let key = s3.credentials_secret.as_ref();
            mounts.extend(key.map(|key| access_key("s3-copy", S3_COPY_CREDENTIALS_DIRECTORY, key)));
            let ca = s3.ca_secret.iter();
            mounts.extend(ca.map(|key| authority("s3-copy-ca", S3_COPY_CA_DIRECTORY, key)));
        }
    }
    mounts
}
