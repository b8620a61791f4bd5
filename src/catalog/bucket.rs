//! How a bucket is reached without a cluster: the options of every command that does so, and the client.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::api::{S3CredentialsSecret, S3Storage, SecretKey};
use crate::store::{CatalogSet, S3Store, fetch_catalog, fetch_databases};

/// How the bucket is reached.
#[derive(Clone, Debug, clap::Args)]
pub struct BucketAccess {
    /// URL of the server. Default: Amazon's for the region.
    #[arg(long, env = "HOLDFAST_ENDPOINT", value_name = "URL", global = true)]
    endpoint: Option<String>,
    /// Region that requests are signed for.
    #[arg(
        long,
        env = "HOLDFAST_REGION",
        global = true,
        default_value = "us-east-1"
    )]
    region: String,
    /// The bucket is part of the path and not of the host name.
    #[arg(long, env = "HOLDFAST_PATH_STYLE", global = true)]
    path_style: bool,
    /// A directory with the files accessKeyId and secretAccessKey.
    #[arg(
        long,
        env = "HOLDFAST_CREDENTIALS",
        value_name = "DIRECTORY",
        global = true,
        default_value = "."
    )]
    credentials: PathBuf,
    /// A directory with the file ca.crt: the certificate authority of the endpoint.
    #[arg(long, env = "HOLDFAST_CA", value_name = "DIRECTORY", global = true)]
    ca: Option<PathBuf>,
}

impl BucketAccess {
    /// A client for a bucket. Nothing is sent yet.
    ///
    /// # Errors
    /// The access key can't be read, or the endpoint is none.
    pub fn open(&self, bucket: &str, prefix: &str) -> anyhow::Result<S3Store> {
        let storage = S3Storage {
            bucket: bucket.to_owned(),
            prefix: prefix.trim_matches('/').to_owned(),
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            force_path_style: self.path_style,
            credentials_secret: Some(S3CredentialsSecret {
                name: self.credentials.display().to_string(),
                access_key_id_key: "accessKeyId".to_owned(),
                secret_access_key_key: "secretAccessKey".to_owned(),
            }),
            ca_secret: self.ca.as_ref().map(|directory| SecretKey {
                name: directory.display().to_string(),
                key: "ca.crt".to_owned(),
            }),
            ..S3Storage::default()
        };
        let ca = self.ca.clone().unwrap_or_default();
        S3Store::open(&storage, "", &self.credentials, &ca).with_context(|| {
            format!(
                "the access key is read from the files accessKeyId and secretAccessKey in {}; name another \
                 directory with --credentials",
                self.credentials.display()
            )
        })
    }
}

/// Every set of all databases below a prefix, or of one, given as `NAMESPACE/NAME`.
///
/// # Errors
/// The name is none, or the storage does not answer.
pub async fn fetch_sets(
    store: &S3Store,
    prefix: &str,
    database: Option<&str>,
) -> anyhow::Result<Vec<CatalogSet>> {
    store.check_bucket().await?;
    let prefix = prefix.trim_matches('/');
    let databases = match database {
        Some(asked) => {
            let (namespace, name) = asked.split_once('/').with_context(|| {
                format!("`{asked}` is not of the form NAMESPACE/NAME, such as prod/orders")
            })?;
            vec![(namespace.to_owned(), name.to_owned())]
        }
        None => fetch_databases(store, prefix).await?,
    };
    let mut sets: Vec<CatalogSet> = Vec::new();
    for (namespace, name) in databases {
        sets.extend(fetch_catalog(store, prefix, &namespace, &name).await?);
    }
    Ok(sets)
}
