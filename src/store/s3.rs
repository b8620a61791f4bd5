//! An S3 bucket by `aws-sdk-s3`, with settings that other servers than Amazon's accept too, and
//! its errors with what to do.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Config, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use aws_smithy_http_client::{Builder, tls};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::api::S3Storage;

use super::{ObjectStore, PendingUpload, StoreError, StoreErrorKind, StoredPart};

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const READ_LIMIT: Duration = Duration::from_mins(1);
const OPERATION_LIMIT: Duration = Duration::from_mins(10);
const ATTEMPTS: u32 = 4;
const NO_OVERWRITE: &str = "*";

/// A bucket and the client for it.
#[derive(Clone, Debug)]
pub struct S3Store {
    client: Client,
    storage: S3Storage,
    namespace: String,
}

impl S3Store {
    /// Reads the mounted credentials and builds a client; nothing is sent yet.
    pub fn open(
        storage: &S3Storage,
        namespace: &str,
        credentials_directory: &Path,
        ca_directory: &Path,
    ) -> Result<Self, StoreError> {
        let secret = &storage.credentials_secret;
        let read = |file: &str, key: &str| {
            read_credential(storage, namespace, &credentials_directory.join(file), key)
        };
        let access_key_id = read("accessKeyId", &secret.access_key_id_key)?;
        let secret_access_key = read("secretAccessKey", &secret.secret_access_key_key)?;
        let authority = storage
            .ca_secret
            .as_ref()
            .map(|_| ca_directory.join("ca.crt"));
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(storage.region.clone()))
            .credentials_provider(Credentials::new(
                access_key_id,
                secret_access_key,
                None,
                None,
                "mounted Secret",
            ))
            .force_path_style(storage.force_path_style)
            // The checksums that new SDKs add by default are refused by several servers; bodies are
            // signed and digested anyway.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_LIMIT)
                    .read_timeout(READ_LIMIT)
                    .operation_timeout(OPERATION_LIMIT)
                    .build(),
            );
        if let Some(endpoint) = &storage.endpoint {
            config = config.endpoint_url(endpoint);
        }
        let encrypted = storage
            .endpoint
            .as_ref()
            .is_none_or(|endpoint| endpoint.starts_with("https://"));
        config = config.http_client(if encrypted {
            let context = build_tls_context(storage, namespace, authority)?;
            Builder::new()
                .tls_provider(tls::Provider::Rustls(
                    tls::rustls_provider::CryptoMode::AwsLc,
                ))
                .tls_context(context)
                .build_https()
        } else {
            Builder::new().build_http()
        });
        Ok(Self {
            client: Client::from_conf(config.build()),
            storage: storage.clone(),
            namespace: namespace.to_owned(),
        })
    }

    /// Asks whether the bucket is there and the key may use it, before any work is done.
    pub async fn check_bucket(&self) -> Result<(), StoreError> {
        let outcome = self
            .client
            .list_objects_v2()
            .bucket(&self.storage.bucket)
            .prefix(&self.storage.prefix)
            .max_keys(1)
            .send()
            .await;
        outcome
            .map(drop)
            .map_err(|error| self.explain(&error, "looking into the bucket"))
    }

    /// Lists the directories directly below a directory, each with a slash at its end.
    pub async fn list_folders(&self, directory: &str) -> Result<Vec<String>, StoreError> {
        let mut directories = Vec::new();
        let request = self
            .client
            .list_objects_v2()
            .bucket(&self.storage.bucket)
            .prefix(directory)
            .delimiter("/");
        let mut pages = request.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.explain(&error, "looking into the bucket"))?;
            directories.extend(
                page.common_prefixes()
                    .iter()
                    .filter_map(|found| found.prefix().map(ToOwned::to_owned)),
            );
        }
        Ok(directories)
    }

    /// Reads an object, which must not be larger than `limit` bytes, and its checksum.
    pub async fn fetch(&self, key: &str, limit: usize) -> Result<(Vec<u8>, String), StoreError> {
        let request = self
            .client
            .get_object()
            .bucket(&self.storage.bucket)
            .key(key);
        let mut answer = request
            .send()
            .await
            .map_err(|error| self.explain(&error, "reading an object of"))?;
        let checksum = bare_checksum(answer.e_tag());
        let mut body = Vec::new();
        while let Some(chunk) = answer.body.try_next().await.map_err(|error| {
            StoreError::new(
                StoreErrorKind::Unreachable,
                format!("the connection to the storage broke while `{key}` was read ({error})"),
            )
        })? {
            body.extend_from_slice(&chunk);
            if body.len() > limit {
                return Err(StoreError::new(
                    StoreErrorKind::UploadFailed,
                    format!(
                        "`{key}` in the bucket `{}` is larger than the {limit} bytes that are read \
                         of such an object",
                        self.storage.bucket
                    ),
                ));
            }
        }
        Ok((body, checksum))
    }

    fn explain<E>(&self, error: &SdkError<E>, doing: &str) -> StoreError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let kind = kind_of(error);
        let endpoint = self.storage.endpoint.as_deref().unwrap_or("Amazon S3");
        let bucket = &self.storage.bucket;
        let answer = crate::postgres::bounded_line(&match (error.code(), error.message()) {
            (Some(code), message) => format!("{code}: {}", message.unwrap_or("no message")),
            _ => DisplayErrorContext(error).to_string(),
        });
        let message = match kind {
            StoreErrorKind::BucketNotFound => format!(
                "the bucket `{bucket}` does not exist at {endpoint} ({answer}). Holdfast creates \
                 no buckets: create it, or correct `spec.backup.storage.s3.bucket`"
            ),
            StoreErrorKind::Denied => format!(
                "{endpoint} refused the access key while {doing} `{bucket}` ({answer}). Correct \
                 the Secret of `spec.backup.storage.s3.credentialsSecret`, or allow its key to \
                 list, read and write below the prefix: `{}`",
                create_secret_command(&self.storage, &self.namespace)
            ),
            StoreErrorKind::Unreachable => format!(
                "the storage at {endpoint} can't be reached ({answer}). Correct \
                 `spec.backup.storage.s3.endpoint`, or for `https` the certificate authority in \
                 `spec.backup.storage.s3.caSecret`; network policies must let the agent's pod out"
            ),
            StoreErrorKind::AlreadyExists => {
                format!(
                    "an object already exists at the key while {doing} `{bucket}` ({answer}); \
                     nothing was overwritten. Take another backup"
                )
            }
            StoreErrorKind::NotFound => {
                format!("no object is at the key in the bucket `{bucket}` at {endpoint} ({answer})")
            }
            StoreErrorKind::SecretMissing | StoreErrorKind::UploadFailed => {
                format!(
                    "{endpoint} failed while {doing} `{bucket}` ({answer}), so no object was \
                     stored. The next backup tries again"
                )
            }
        };
        StoreError::new(kind, message)
    }
}

fn kind_of<E: ProvideErrorMetadata>(error: &SdkError<E>) -> StoreErrorKind {
    let status = error
        .raw_response()
        .map(|response| response.status().as_u16());
    match (error.code(), status) {
        (Some("NoSuchBucket"), _) => StoreErrorKind::BucketNotFound,
        (Some("NoSuchKey"), _) => StoreErrorKind::NotFound,
        (Some("PreconditionFailed"), _) | (_, Some(412)) => StoreErrorKind::AlreadyExists,
        // The last one is versitygw's for an unknown key, with status 404.
        (
            Some(
                "AccessDenied"
                | "InvalidAccessKeyId"
                | "SignatureDoesNotMatch"
                | "AllAccessDisabled"
                | "AccountProblem"
                | "XAdminUserNotFound",
            ),
            _,
        )
        | (_, Some(401 | 403)) => StoreErrorKind::Denied,
        _ => match error {
            SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) => StoreErrorKind::Unreachable,
            _ => StoreErrorKind::UploadFailed,
        },
    }
}

fn create_secret_command(storage: &S3Storage, namespace: &str) -> String {
    let secret = &storage.credentials_secret;
    format!(
        "kubectl create secret generic {} --namespace={namespace} --from-literal={}=ID \
         --from-file={}=FILE --dry-run=client -o yaml | kubectl apply -f -",
        secret.name, secret.access_key_id_key, secret.secret_access_key_key
    )
}

fn read_credential(
    storage: &S3Storage,
    namespace: &str,
    file: &Path,
    key: &str,
) -> Result<String, StoreError> {
    let content = std::fs::read_to_string(file).unwrap_or_default();
    match content.trim() {
        "" => Err(StoreError::new(
            StoreErrorKind::SecretMissing,
            format!(
                "key `{key}` of Secret `{}` in namespace `{namespace}` does not exist or is empty, \
                 so there is no access to the bucket (`spec.backup.storage.s3.credentialsSecret`). \
                 Create it: `{}`",
                storage.credentials_secret.name,
                create_secret_command(storage, namespace)
            ),
        )),
        value => Ok(value.to_owned()),
    }
}

/// What is trusted: the mounted authority and those of the image, if it has any. The SDK panics on
/// what it can't read, so it is read here first.
fn build_tls_context(
    storage: &S3Storage,
    namespace: &str,
    authority: Option<PathBuf>,
) -> Result<tls::TlsContext, StoreError> {
    let mut roots = RootCertStore::empty();
    let (public, _) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let mut trusted = tls::TrustStore::empty().with_native_roots(public > 0);
    match (authority, &storage.ca_secret) {
        (Some(file), Some(secret)) => {
            let missing = |what: String| {
                StoreError::new(
                    StoreErrorKind::SecretMissing,
                    format!(
                        "key `{}` of Secret `{}` in namespace `{namespace}` \
                         (`spec.backup.storage.s3.caSecret`) {what}. Create it: `kubectl create \
                         secret generic {} --namespace={namespace} --from-file={}=FILE`",
                        secret.key, secret.name, secret.name, secret.key
                    ),
                )
            };
            let pem = std::fs::read(&file)
                .map_err(|error| missing(format!("is not mounted ({error})")))?;
            let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem)
                .collect::<Result<_, _>>()
                .map_err(|error| missing(format!("holds no certificate in PEM ({error})")))?;
            for certificate in certificates {
                roots.add(certificate).map_err(|error| {
                    missing(format!("holds a certificate that can't be used ({error})"))
                })?;
            }
            trusted = trusted.with_pem_certificate(pem);
        }
        _ if public == 0 => {
            return Err(StoreError::new(
                StoreErrorKind::Unreachable,
                "the endpoint uses `https` and the database's image has no certificate \
                 authorities, so its certificate can't be verified. Name the authority in \
                 `spec.backup.storage.s3.caSecret`, or install `ca-certificates` in the image",
            ));
        }
        _ => {}
    }
    tls::TlsContext::builder()
        .with_trust_store(trusted)
        .build()
        .map_err(|error| {
            StoreError::new(
                StoreErrorKind::Unreachable,
                format!("the certificate authorities of the endpoint can't be used: {error}"),
            )
        })
}

impl ObjectStore for S3Store {
    async fn put(&self, key: &str, body: Vec<u8>) -> Result<String, StoreError> {
        let request = self
            .client
            .put_object()
            .bucket(&self.storage.bucket)
            .key(key)
            .if_none_match(NO_OVERWRITE);
        match request
            .body(ByteStream::from(body.clone()))
            .send()
            .await
            .map_err(|error| self.explain(&error, "storing an object in"))
        {
            Ok(answer) => Ok(bare_checksum(answer.e_tag())),
            // A request whose answer was lost is sent again by the SDK and then finds its own
            // object.
            Err(error) if error.kind == StoreErrorKind::AlreadyExists => {
                match self.fetch(key, body.len()).await {
                    Ok((found, checksum)) if found == body => Ok(checksum),
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn begin(&self, key: &str) -> Result<PendingUpload, StoreError> {
        let request = self
            .client
            .create_multipart_upload()
            .bucket(&self.storage.bucket)
            .key(key);
        let answer = request
            .send()
            .await
            .map_err(|error| self.explain(&error, "beginning an upload to"))?;
        let id = answer.upload_id().ok_or_else(|| {
            StoreError::new(
                StoreErrorKind::UploadFailed,
                "the storage began an upload without naming it; it does not follow S3's interface",
            )
        })?;
        Ok(PendingUpload {
            key: key.to_owned(),
            id: id.to_owned(),
        })
    }

    async fn put_part(
        &self,
        upload: &PendingUpload,
        number: i32,
        body: Vec<u8>,
    ) -> Result<StoredPart, StoreError> {
        let request = self
            .client
            .upload_part()
            .bucket(&self.storage.bucket)
            .key(&upload.key)
            .upload_id(&upload.id)
            .part_number(number);
        let answer = request
            .body(ByteStream::from(body))
            .send()
            .await
            .map_err(|error| self.explain(&error, "storing a part in"))?;
        Ok(StoredPart {
            number,
            checksum: answer.e_tag().unwrap_or_default().to_owned(),
        })
    }

    async fn complete(
        &self,
        upload: &PendingUpload,
        parts: &[StoredPart],
    ) -> Result<String, StoreError> {
        let parts = parts
            .iter()
            .map(|part| {
                CompletedPart::builder()
                    .part_number(part.number)
                    .e_tag(&part.checksum)
                    .build()
            })
            .collect();
        let request = self
            .client
            .complete_multipart_upload()
            .bucket(&self.storage.bucket)
            .key(&upload.key)
            .upload_id(&upload.id);
        let answer = request
            .if_none_match(NO_OVERWRITE)
            .multipart_upload(
                CompletedMultipartUpload::builder()
                    .set_parts(Some(parts))
                    .build(),
            )
            .send()
            .await
            .map_err(|error| self.explain(&error, "completing an upload to"))?;
        Ok(bare_checksum(answer.e_tag()))
    }

    async fn abort(&self, upload: &PendingUpload) -> Result<(), StoreError> {
        let request = self
            .client
            .abort_multipart_upload()
            .bucket(&self.storage.bucket)
            .key(&upload.key)
            .upload_id(&upload.id);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("NoSuchUpload") => Ok(()),
            Err(error) => Err(self.explain(&error, "aborting an upload to")),
        }
    }
}

fn bare_checksum(tag: Option<&str>) -> String {
    tag.unwrap_or_default().trim_matches('"').to_owned()
}
