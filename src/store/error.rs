//! The one error of this module and the reason that each kind maps to.

use crate::api::{AgentFailure, reasons};

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// A mounted credential or certificate is not there.
    SecretMissing,
    /// The bucket does not exist.
    BucketNotFound,
    /// The storage refused the access key.
    Denied,
    /// Nothing answers at the endpoint, or not with a certificate that is trusted.
    Unreachable,
    /// No object is at the key.
    NotFound,
    /// An object already exists at the key; nothing is overwritten.
    AlreadyExists,
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
            Self::Unreachable => reasons::STORAGE_UNREACHABLE,
            Self::NotFound | Self::AlreadyExists | Self::UploadFailed => reasons::UPLOAD_FAILED,
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
}

impl From<StoreError> for AgentFailure {
    fn from(error: StoreError) -> Self {
        Self {
            reason: error.kind.reason().to_owned(),
            message: error.message,
        }
    }
}
