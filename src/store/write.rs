//! The writing half of [`S3Store`]: requests with the checksum, the mark, the lock and the
//! encryption that storage and spec ask for, and what the storage says it received compared.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart, ObjectLockMode,
    ServerSideEncryption, StorageClass,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use md5::{Digest as _, Md5};

use super::answer::{Again, Answer};
use super::dialect::Checksum;
use super::look::{MARK, stored_and_unseen};
use super::object_store::Whole;
use super::s3::{S3Store, answered, bare_checksum};
use super::{ObjectStore, PartRules, PendingUpload, StoreError, StoreErrorKind, StoredPart};
use crate::api::{EncryptionAlgorithm, ObjectLockMode as LockMode};

/// The condition that nothing is at the key.
const NO_OVERWRITE: &str = "*";
const DAY: Duration = Duration::from_hours(24);

/// What the bytes of a request must be digested to.
#[derive(Clone, Copy, Debug)]
struct Sums {
    md5: [u8; 16],
    crc64: u64,
}

impl Sums {
    /// Digests away from the threads that serve requests.
    async fn of(body: &Bytes) -> Self {
        let bytes = body.clone();
        let sums = tokio::task::spawn_blocking(move || Self::of_now(&bytes));
        match sums.await {
            Ok(sums) => sums,
            Err(_) => Self::of_now(body),
        }
    }

    fn of_now(bytes: &[u8]) -> Self {
        Self {
            md5: Md5::digest(bytes).into(),
            crc64: crc_fast::crc64_nvme(bytes),
        }
    }

    fn md5_header(&self) -> String {
        STANDARD.encode(self.md5)
    }

    /// Whether what the storage says of the bytes contradicts them. An `ETag` is a digest only
    /// where it has its form and nothing is encrypted.
    fn are_contradicted(&self, tag: &str, is_encrypted: bool, crc64: Option<&str>) -> bool {
        let is_digest = tag.len() == 32 && tag.bytes().all(|byte| byte.is_ascii_hexdigit());
        let other_digest =
            is_digest && !is_encrypted && !tag.eq_ignore_ascii_case(&hex::encode(self.md5));
        other_digest || crc64.is_some_and(|stored| stored != crc64_header(self.crc64))
    }
}

fn crc64_header(crc64: u64) -> String {
    STANDARD.encode(crc64.to_be_bytes())
}

fn contradiction(tag: &str) -> Answer {
    Answer {
        kind: StoreErrorKind::Damaged,
        again: Again::FewTimes,
        text: format!("the storage's checksum {tag:?} is not that of the bytes"),
        was_answered: true,
    }
}

impl S3Store {
    fn lock(&self) -> Option<(ObjectLockMode, DateTime)> {
        let lock = self.storage.object_lock.as_ref()?;
        let mode = match lock.mode {
            LockMode::Governance => ObjectLockMode::Governance,
            LockMode::Compliance => ObjectLockMode::Compliance,
        };
        let length = DAY * lock.days.unsigned_abs();
        let until = Timestamp::now().as_second() + i64::try_from(length.as_secs()).ok()?;
        Some((mode, DateTime::from_secs(until)))
    }

    fn encryption(&self) -> Option<(ServerSideEncryption, Option<String>)> {
        let encryption = self.storage.server_side_encryption.as_ref()?;
        let algorithm = match encryption.algorithm {
            EncryptionAlgorithm::Aes256 => ServerSideEncryption::Aes256,
            EncryptionAlgorithm::Kms => ServerSideEncryption::AwsKms,
        };
        Some((algorithm, encryption.kms_key_id.clone()))
    }

    fn storage_class(&self) -> Option<StorageClass> {
        let class = self.storage.storage_class.as_deref();
        class.map(StorageClass::from)
    }

    async fn put_once(
        &self,
        key: &str,
        body: &Bytes,
        sums: &Sums,
        is_conditional: bool,
    ) -> Result<(String, bool), Answer> {
        let (mode, until) = self.lock().unzip();
        let (encryption, kms_key) = self.encryption().unzip();
        let request = self
            .client
            .put_object()
            .bucket(&self.storage.bucket)
            .key(key)
            .metadata(MARK, &*self.mark)
            .set_if_none_match(is_conditional.then(|| NO_OVERWRITE.to_owned()))
            .set_object_lock_mode(mode)
            .set_object_lock_retain_until_date(until)
            .set_server_side_encryption(encryption)
            .set_ssekms_key_id(kms_key.flatten())
            .set_storage_class(self.storage_class());
        let request = match self.dialect.checksum {
            Checksum::Md5 => request.content_md5(sums.md5_header()),
            Checksum::Crc64 => request.checksum_crc64_nvme(crc64_header(sums.crc64)),
        };
        let body = ByteStream::from(body.clone());
        let answer = answered(request.body(body).send().await)?;
        let tag = bare_checksum(answer.e_tag());
        let is_encrypted = answer.server_side_encryption().is_some();
        let is_doubtful = tag.is_empty()
            || sums.are_contradicted(&tag, is_encrypted, answer.checksum_crc64_nvme());
        Ok((tag, is_doubtful))
    }

    async fn put_part_once(
        &self,
        upload: &PendingUpload,
        number: i32,
        body: &Bytes,
        sums: &Sums,
    ) -> Result<StoredPart, Answer> {
        let request = self
            .client
            .upload_part()
            .bucket(&self.storage.bucket)
            .key(&upload.key)
            .upload_id(&upload.id)
            .part_number(number);
        let request = match self.dialect.checksum {
            Checksum::Md5 => request.content_md5(sums.md5_header()),
            Checksum::Crc64 => request.checksum_crc64_nvme(crc64_header(sums.crc64)),
        };
        let body = ByteStream::from(body.clone());
        let answer = answered(request.body(body).send().await)?;
        let tag = bare_checksum(answer.e_tag());
        let is_encrypted = answer.server_side_encryption().is_some();
        // Without a tag there is nothing to complete the upload with.
        if tag.is_empty() || sums.are_contradicted(&tag, is_encrypted, answer.checksum_crc64_nvme())
        {
            return Err(contradiction(&tag));
        }
        Ok(StoredPart {
            number,
            tag: answer.e_tag().unwrap_or_default().to_owned(),
            crc64: sums.crc64,
        })
    }

    async fn complete_once(
        &self,
        upload: &PendingUpload,
        parts: &[StoredPart],
        whole: Whole,
        is_conditional: bool,
    ) -> Result<String, Answer> {
        let is_crc = self.dialect.checksum == Checksum::Crc64;
        let parts = parts
            .iter()
            .map(|part| {
                CompletedPart::builder()
                    .part_number(part.number)
                    .e_tag(&part.tag)
                    .set_checksum_crc64_nvme(is_crc.then(|| crc64_header(part.crc64)))
                    .build()
            })
            .collect();
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(parts))
            .build();
        let mut request = self
            .client
            .complete_multipart_upload()
            .bucket(&self.storage.bucket)
            .key(&upload.key)
            .upload_id(&upload.id)
            .set_if_none_match(is_conditional.then(|| NO_OVERWRITE.to_owned()))
            .multipart_upload(parts);
        if is_crc {
            request = request
                .checksum_type(ChecksumType::FullObject)
                .checksum_crc64_nvme(crc64_header(whole.crc64))
                .mpu_object_size(i64::try_from(whole.size).unwrap_or(i64::MAX));
        }
        let answer = answered(request.send().await)?;
        Ok(bare_checksum(answer.e_tag()))
    }

    async fn begin_once(&self, key: &str) -> Result<PendingUpload, Answer> {
        let (mode, until) = self.lock().unzip();
        let (encryption, kms_key) = self.encryption().unzip();
        let is_crc = self.dialect.checksum == Checksum::Crc64;
        let request = self
            .client
            .create_multipart_upload()
            .bucket(&self.storage.bucket)
            .key(key)
            .metadata(MARK, &*self.mark)
            .set_object_lock_mode(mode)
            .set_object_lock_retain_until_date(until)
            .set_server_side_encryption(encryption)
            .set_ssekms_key_id(kms_key.flatten())
            .set_storage_class(self.storage_class())
            .set_checksum_algorithm(is_crc.then_some(ChecksumAlgorithm::Crc64Nvme))
            .set_checksum_type(is_crc.then_some(ChecksumType::FullObject));
        let answer = answered(request.send().await)?;
        let id = answer.upload_id().filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| Answer {
            kind: StoreErrorKind::Unsupported,
            again: Again::FewTimes,
            text: "it began an upload without naming it".to_owned(),
            was_answered: true,
        })?;
        Ok(PendingUpload {
            key: key.to_owned(),
            id: id.to_owned(),
        })
    }
}

impl ObjectStore for S3Store {
    fn part_rules(&self) -> PartRules {
        self.dialect.parts
    }

    async fn put(&self, key: &str, body: impl Into<Bytes> + Send) -> Result<String, StoreError> {
        let body = body.into();
        let sums = Sums::of(&body).await;
        let is_doubtful = AtomicBool::new(false);
        let send = |is_conditional| {
            let (body, sums, is_doubtful) = (&body, &sums, &is_doubtful);
            async move {
                let (tag, doubtful) = self.put_once(key, body, sums, is_conditional).await?;
                is_doubtful.store(doubtful, Ordering::Relaxed);
                Ok(tag)
            }
        };
        let tag = self
            .settle(key, body.len() as u64, "storing an object in", send)
            .await?;
        if is_doubtful.into_inner() {
            let stored = self.fetch(key, body.len()).await;
            let (stored, _) = stored.map_err(|unseen| unseen.and(&stored_and_unseen(key)))?;
            if stored != *body {
                let damaged = self.explain(&contradiction(&tag), "storing an object in", 1);
                return Err(damaged.and(&format!("A damaged object is at `{key}`")));
            }
        }
        Ok(tag)
    }

    async fn begin(&self, key: &str) -> Result<PendingUpload, StoreError> {
        let attempts = AtomicU32::new(0);
        let ask = || {
            attempts.fetch_add(1, Ordering::Relaxed);
            self.begin_once(key)
        };
        let upload = self
            .persist(&self.budget, "beginning an upload to", ask)
            .await?;
        if attempts.into_inner() > 1 {
            // An earlier attempt may have begun one whose answer was lost.
            self.abort_others(&upload).await;
        }
        Ok(upload)
    }

    async fn put_part(
        &self,
        upload: &PendingUpload,
        number: i32,
        body: Bytes,
    ) -> Result<StoredPart, StoreError> {
        let sums = Sums::of(&body).await;
        let ask = || self.put_part_once(upload, number, &body, &sums);
        self.persist(&self.budget, "storing a part in", ask).await
    }

    async fn complete(
        &self,
        upload: &PendingUpload,
        parts: &[StoredPart],
        whole: Whole,
    ) -> Result<String, StoreError> {
        let send = |is_conditional| self.complete_once(upload, parts, whole, is_conditional);
        self.settle(&upload.key, whole.size, "completing an upload to", send)
            .await
    }

    async fn abort(&self, upload: &PendingUpload) -> Result<(), StoreError> {
        self.abort_whole(upload).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_contradicts_only_where_it_is_a_digest() {
        let sums = Sums::of_now(b"bytes");
        let md5 = hex::encode(sums.md5);
        let zeros = "0".repeat(32);
        for (tag, is_encrypted, expected) in [
            (md5.as_str(), false, false),
            (md5.to_uppercase().as_str(), false, false),
            (zeros.as_str(), false, true),
            (zeros.as_str(), true, false),
            ("opaque", false, false),
            ("", false, false),
        ] {
            assert_eq!(
                sums.are_contradicted(tag, is_encrypted, None),
                expected,
                "{tag}"
            );
        }
        let right = crc64_header(sums.crc64);
        assert!(!sums.are_contradicted("", true, Some(&right)));
        assert!(sums.are_contradicted("", true, Some("AAAAAAAAAAA=")));
    }

    #[test]
    fn the_checksum_is_the_one_that_services_compute() {
        // The check value of CRC-64/NVME.
        assert_eq!(crc_fast::crc64_nvme(b"123456789"), 0xae8b_1486_0a79_9888);
    }
}
