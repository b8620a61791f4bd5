//! The bucket that backups are stored in, and how it is reached.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretKey;

/// Where backups are stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// An S3 bucket, at Amazon or any compatible server.
    pub s3: S3Storage,
}

/// An S3 bucket and how to reach it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.prefix) || !self.prefix.split('/').exists(part, part \
    == '.' || part == '..')")
    .message("storage.s3.prefix must not contain `.` or `..`: some servers would store \
        the backups below the prefix of somebody else"))]
#[x_kube(validation = Rule::new("!has(self.endpoint) || !self.endpoint.contains('@')")
    .message("storage.s3.endpoint must not contain a user or a password: write the host \
        only, and the access key into the Secret of credentialsSecret"))]
#[x_kube(validation = Rule::new("!has(self.endpoint) || !self.endpoint.lowerAscii().matches(\
    '^https?://(169[.]254[.]|\\\\[fe[89ab]|\\\\[fd00:ec2:|\\\\[::ffff:|metadata([.]google[.]internal)?[.]?(:|/|$)\
    |kubernetes([.]default([.]svc([.][a-z0-9.-]+)?)?)?[.]?(:|/|$)\
    |(0x[0-9a-f]+|[0-9]+)([.](0x[0-9a-f]+|[0-9]+)){0,2}(:|/|$)|0[0-9x][0-9a-f]*[.])')")
    .message("storage.s3.endpoint is an address of the node or of the API server, \
        which no storage has; name the host of the storage"))]
#[x_kube(validation = Rule::new("!has(self.caSecret) || !has(self.endpoint) || \
    self.endpoint.startsWith('https://')")
    .message("storage.s3.caSecret asks for TLS, and storage.s3.endpoint is not `https`: all data would \
        go in clear text; write `https`, or remove caSecret"))]
pub struct S3Storage {
    /// Name of the bucket. It must exist; Holdfast does not create buckets.
    #[schemars(regex(pattern = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"))]
    pub bucket: String,
    /// Path inside the bucket below which everything is written, without leading or trailing slash,
    /// and without `.` or `..`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(
        regex(pattern = r"^([A-Za-z0-9._=-]+(/[A-Za-z0-9._=-]+)*)?$"),
        length(max = 256)
    )]
    pub prefix: String,
    /// URL of the server, such as `http://s3.storage:9000`. Default: Amazon's for the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://[^/\s?#]+/?$"), length(max = 300))]
    pub endpoint: Option<String>,
    /// Kind of the server, which decides about checksums, parts and conditions. Default: by the
    /// endpoint's name, `Aws` without endpoint, otherwise `Generic`, which most servers understand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<S3Profile>,
    /// Region that requests are signed for.
    #[serde(default = "default_region")]
    #[schemars(length(min = 1, max = 64))]
    pub region: String,
    /// Whether the bucket is part of the path (`http://host/bucket`) and not of the host name. Most
    /// servers other than Amazon's need it.
    #[serde(default)]
    pub force_path_style: bool,
    /// Secret in the same namespace with the access key. Agents mount it; the operator never reads
    /// it. Without it the agents use what their service account `holdfast-agent` stands for: on EKS
    /// an IAM role, by annotation (IRSA) or by Pod Identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret: Option<S3CredentialsSecret>,
    /// Certificate authority (PEM) of an `https` endpoint, in addition to the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret: Option<SecretKey>,
    /// Retention lock on every uploaded object. Object Lock must be enabled on the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_lock: Option<ObjectLock>,
    /// Encryption by the storage. Default: as the bucket is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_side_encryption: Option<ServerSideEncryption>,
    /// Storage class of every uploaded object, such as `STANDARD_IA`. Classes that must be thawed
    /// before they can be read make every restore wait. Default: that of the storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Z][A-Z0-9_]{0,63}$"))]
    pub storage_class: Option<String>,
    /// How long one backup waits in all for a storage that is unavailable or busy, such as `90m`. 1 s to
    /// 24 h. Default: `1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([0-9]+(s|m|h|d))+$"), length(max = 20))]
    pub retry_timeout: Option<String>,
}

impl S3Storage {
    /// Whether a directory of the bucket is below its prefix.
    #[must_use]
    pub fn contains(&self, directory: &str) -> bool {
        let prefix = self.prefix.trim_matches('/');
        let rest = directory.strip_prefix(prefix);
        prefix.is_empty() || rest.is_some_and(|rest| rest.starts_with('/'))
    }

    /// The name of a set's directory, if it is one of this database.
    #[must_use]
    pub fn set_of<'a>(&self, namespace: &str, database: &str, path: &'a str) -> Option<&'a str> {
        let prefix = self.prefix.trim_matches('/');
        let below = path.strip_prefix(prefix)?;
        let below = if prefix.is_empty() {
            below
        } else {
            below.strip_prefix('/')?
        };
        let set = below.strip_prefix(namespace)?.strip_prefix('/')?;
        let set = set.strip_prefix(database)?.strip_prefix('/')?;
        (!set.is_empty() && !set.contains('/') && !set.starts_with('.')).then_some(set)
    }
}

/// Kind of an S3 server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum S3Profile {
    /// Amazon S3: verified by CRC64NVME.
    Aws,
    /// `MinIO`.
    Minio,
    /// Cloudflare R2: all parts of one size.
    R2,
    /// Backblaze B2.
    B2,
    /// Ceph's object gateway.
    Ceph,
    /// Google Cloud Storage with an HMAC key: it heeds no `If-None-Match`.
    Gcs,
    /// Scaleway Object Storage: at most 1,000 parts.
    Scaleway,
    /// `OVHcloud` Object Storage: it heeds no `If-None-Match`.
    Ovh,
    /// Any other server: verified by `Content-MD5`, parts that grow.
    Generic,
}

/// Encryption by the storage
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/serv-side-encryption.html>).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.kmsKeyId) || self.algorithm == 'Kms'")
    .message("storage.s3.serverSideEncryption.kmsKeyId needs the algorithm Kms"))]
pub struct ServerSideEncryption {
    /// With which keys.
    pub algorithm: EncryptionAlgorithm,
    /// Id or ARN of the key. Default: the one of the storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub kms_key_id: Option<String>,
}

/// With which keys a storage encrypts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EncryptionAlgorithm {
    /// Keys of the storage (`AES256`, SSE-S3).
    Aes256,
    /// A key of its key management service (`aws:kms`, SSE-KMS).
    Kms,
}

/// A Secret with an S3 access key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct S3CredentialsSecret {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key that holds the access key's id.
    #[serde(default = "default_access_key_id_key")]
    #[schemars(length(min = 1, max = 253))]
    pub access_key_id_key: String,
    /// Key that holds the secret access key.
    #[serde(default = "default_secret_access_key_key")]
    #[schemars(length(min = 1, max = 253))]
    pub secret_access_key_key: String,
}

/// S3 Object Lock (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html>).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectLock {
    /// Who may shorten the lock.
    pub mode: ObjectLockMode,
    /// How long each object is locked, in days, 1 to 3650.
    #[schemars(range(min = 1, max = 3650))]
    pub days: i32,
}

/// Who may shorten an object's lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ObjectLockMode {
    /// Users with a special permission.
    Governance,
    /// Nobody.
    Compliance,
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

fn default_access_key_id_key() -> String {
    "accessKeyId".to_owned()
}

fn default_secret_access_key_key() -> String {
    "secretAccessKey".to_owned()
}
