//! The one error of this module and the reason that each kind maps to.

use crate::api::{AgentFailure, reasons};

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// A mounted credential or certificate is not there, or can't be used.
    SecretMissing,
    /// The bucket does not exist.
    BucketNotFound,
    /// The storage refused the access key.
    Denied,
    /// Nothing answers at the endpoint, or not with a certificate that is trusted.
    Unreachable,
    /// TLS is asked for, and is not what the endpoint has.
    ClearText,
    /// The storage answers that it is busy or broken.
    Busy,
    /// The clocks of node and storage are too far apart for a signature.
    ClockSkewed,
    /// The storage, or a quota, is full.
    Full,
    /// The bucket is in another region than requests are signed for.
    WrongRegion,
    /// The storage sent the request to another address.
    Redirected,
    /// The storage does not have the storage class.
    WrongStorageClass,
    /// The storage can't encrypt as it is asked to.
    WrongEncryption,
    /// The bucket can't lock objects as it is asked to.
    WrongLock,
    /// The storage wants parts of other sizes or fewer of them.
    WrongParts,
    /// The storage does not have what was asked for.
    Unsupported,
    /// The storage received, or stored, other bytes than were sent.
    Damaged,
    /// An object was read and has another size than was stored.
    OtherSize,
    /// No object is at the key.
    NotFound,
    /// An object is larger than such an object may be.
    TooLarge,
    /// What is stored can't be read.
    Unreadable,
    /// The storage no longer knows the upload.
    UploadGone,
    /// An object already exists at the key; nothing is overwritten.
    AlreadyExists,
    /// A copy was to go to the bucket that the set is in.
    SameBucket,
    /// Any other answer of the storage.
    UploadFailed,
}

impl StoreErrorKind {
    /// The documented word.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::SecretMissing => reasons::SECRET_MISSING,
            Self::BucketNotFound => reasons::BUCKET_NOT_FOUND,
            Self::Denied => reasons::STORAGE_DENIED,
            Self::Unreachable | Self::Busy => reasons::STORAGE_UNREACHABLE,
            Self::ClockSkewed => reasons::CLOCK_SKEWED,
            Self::Full => reasons::STORAGE_FULL,
            Self::ClearText
            | Self::WrongRegion
            | Self::Redirected
            | Self::WrongStorageClass
            | Self::WrongEncryption
            | Self::WrongLock
            | Self::WrongParts
            | Self::Unsupported
            | Self::SameBucket => reasons::STORAGE_REFUSED,
            Self::TooLarge | Self::Unreadable => reasons::BACKUPS_UNREADABLE,
            Self::Damaged
            | Self::OtherSize
            | Self::NotFound
            | Self::UploadGone
            | Self::AlreadyExists
            | Self::UploadFailed => reasons::UPLOAD_FAILED,
        }
    }
}

/// Why something could not be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// What kind of thing went wrong.
    pub kind: StoreErrorKind,
    /// What happened, what it means, what to do next. Never a secret.
    pub message: String,
}

impl StoreError {
    /// Joins a kind and a message.
    #[must_use]
    pub fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// Names fields below this part of the spec, and not below `spec.backup.storage`.
    #[must_use]
    pub fn below(mut self, field: &str) -> Self {
        self.message = self.message.replace("spec.backup.storage", field);
        self
    }

    /// Adds what else is known.
    #[must_use]
    pub(super) fn and(mut self, what: &str) -> Self {
        self.message = format!("{}. {what}", self.message);
        self
    }
}

impl From<StoreError> for AgentFailure {
    fn from(error: StoreError) -> Self {
        Self {
            reason: error.kind.reason().to_owned(),
            message: error.message,
        }
    }
}
