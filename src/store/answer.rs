//! What an answer of the storage means: one table of error codes and statuses, which kind each is
//! and whether the same request is sent again. Pure.

use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use super::{StoreErrorKind, identity};
use crate::postgres::bounded_line;

/// Whether a request is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// The answer will not change.
    No,
    /// It hardly changes: damaged on the way, or two at the same moment.
    FewTimes,
    /// It changes as soon as the storage is back.
    WithinBudget,
}

/// Error codes of S3 and of its relatives, by what they mean. Compared without regard to case.
const CODES: &[(&[&str], StoreErrorKind, Again)] = {
    use Again::{FewTimes, No, WithinBudget};
    use StoreErrorKind as Kind;
    &[
        (
            &["NoSuchBucket", "InvalidBucketName"],
            Kind::BucketNotFound,
            No,
        ),
        (&["NoSuchKey", "NotFound"], Kind::NotFound, No),
        (&["NoSuchUpload"], Kind::UploadGone, No),
        (&["PreconditionFailed"], Kind::AlreadyExists, No),
        (
            &["ConditionalRequestConflict", "OperationAborted"],
            Kind::UploadFailed,
            FewTimes,
        ),
        (&["NotImplemented"], Kind::Unsupported, No),
        // Temporary credentials are fetched again.
        (
            &[
                "ExpiredToken",
                "ExpiredTokenException",
                "TokenRefreshRequired",
            ],
            Kind::Denied,
            FewTimes,
        ),
        (
            &[
                "AccessDenied",
                "AccessForbidden",
                "AccountProblem",
                "AllAccessDisabled",
                "InvalidAccessKeyId",
                "InvalidSecurity",
                "InvalidToken",
                "NotSignedUp",
                "SignatureDoesNotMatch",
                "Unauthorized",
                // versitygw's for an unknown key, with status 404.
                "XAdminUserNotFound",
            ],
            Kind::Denied,
            No,
        ),
        (
            &[
                "RequestTimeTooSkewed",
                "RequestExpired",
                "RequestInTheFuture",
            ],
            Kind::ClockSkewed,
            No,
        ),
        (
            &[
                "EntityTooLargeForQuota",
                "InsufficientStorage",
                "QuotaExceeded",
                "StorageFull",
                "StorageQuotaExceeded",
                "TotalStorageQuotaExceeded",
                "XMinioAdminBucketQuotaExceeded",
                "XMinioStorageFull",
            ],
            Kind::Full,
            No,
        ),
        (
            &[
                "AuthorizationHeaderMalformed",
                "IllegalLocationConstraintException",
                "InvalidRegion",
            ],
            Kind::WrongRegion,
            No,
        ),
        (
            &["PermanentRedirect", "Redirect", "TemporaryRedirect"],
            Kind::Redirected,
            No,
        ),
        (&["InvalidStorageClass"], Kind::WrongStorageClass, No),
        (
            &[
                "InvalidEncryptionAlgorithmError",
                "KMS.DisabledException",
                "KMS.InvalidKeyUsageException",
                "KMS.KMSInvalidStateException",
                "KMS.NotFoundException",
                "KMSNotConfigured",
                "ServerSideEncryptionConfigurationNotFoundError",
            ],
            Kind::WrongEncryption,
            No,
        ),
        (
            &[
                "InvalidRetentionPeriod",
                "NoSuchObjectLockConfiguration",
                "ObjectLockConfigurationNotFoundError",
            ],
            Kind::WrongLock,
            No,
        ),
        // An archived object: it must be thawed before it can be read.
        (&["InvalidObjectState"], Kind::Unreadable, No),
        (
            &[
                "EntityTooLarge",
                "EntityTooSmall",
                "InvalidPart",
                "InvalidPartNumber",
                "InvalidPartOrder",
                "TooManyParts",
            ],
            Kind::WrongParts,
            No,
        ),
        (
            &[
                "BadDigest",
                "IncompleteBody",
                "InvalidDigest",
                "XAmzContentChecksumMismatch",
                "XAmzContentSHA256Mismatch",
            ],
            Kind::Damaged,
            FewTimes,
        ),
        (
            &[
                "BandwidthLimitExceeded",
                "Busy",
                "InternalError",
                "InternalServerError",
                "RequestLimitExceeded",
                "RequestThrottled",
                "RequestTimeout",
                "ServerBusy",
                "ServiceUnavailable",
                "SlowDown",
                "SlowDownRead",
                "SlowDownWrite",
                "ThrottledException",
                "Throttling",
                "ThrottlingException",
                "TooManyRequests",
                "TooManyRequestsException",
                "XMinioServerNotInitialized",
            ],
            Kind::Busy,
            WithinBudget,
        ),
    ]
};

/// Statuses of answers whose code is not known, or that have none.
const STATUSES: &[(&[u16], StoreErrorKind, Again)] = {
    use Again::{FewTimes, No, WithinBudget};
    use StoreErrorKind as Kind;
    &[
        (&[301, 302, 303, 307, 308], Kind::Redirected, No),
        (&[401, 403], Kind::Denied, No),
        (&[404], Kind::NotFound, No),
        (
            &[408, 425, 429, 500, 502, 503, 504],
            Kind::Busy,
            WithinBudget,
        ),
        (&[409], Kind::UploadFailed, FewTimes),
        (&[412], Kind::AlreadyExists, No),
        (&[501], Kind::Unsupported, No),
        (&[507], Kind::Full, No),
    ]
};

/// Words of a code 400 that say which setting was meant, where servers have no code of their own.
const WORDS: &[(&str, StoreErrorKind)] = &[
    ("object lock", StoreErrorKind::WrongLock),
    ("objectlock", StoreErrorKind::WrongLock),
    ("storage class", StoreErrorKind::WrongStorageClass),
    ("region", StoreErrorKind::WrongRegion),
    ("part number", StoreErrorKind::WrongParts),
    ("same length", StoreErrorKind::WrongParts),
    ("same size", StoreErrorKind::WrongParts),
    ("kms", StoreErrorKind::WrongEncryption),
    ("encryption", StoreErrorKind::WrongEncryption),
];

/// A failed request, told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub kind: StoreErrorKind,
    pub again: Again,
    /// What the storage said, on one line, bounded.
    pub text: String,
    /// Whether the storage said anything at all.
    pub was_answered: bool,
}

impl Answer {
    pub(super) fn of<E>(error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let status = error
            .raw_response()
            .map(|response| response.status().as_u16());
        let text = match (error.code(), error.message()) {
            (Some(code), message) => format!("{code}: {}", message.unwrap_or("no message")),
            _ => DisplayErrorContext(error).to_string(),
        };
        let (kind, again) = match status {
            Some(status) => judge(error.code(), status, &text),
            None => without_answer(&text),
        };
        Self {
            kind,
            again,
            text: bounded_line(&text),
            was_answered: status.is_some(),
        }
    }
}

fn judge(code: Option<&str>, status: u16, text: &str) -> (StoreErrorKind, Again) {
    let by_code = code.and_then(|code| {
        let mut known = CODES.iter();
        known.find(|(codes, ..)| codes.iter().any(|known| known.eq_ignore_ascii_case(code)))
    });
    if let Some((_, kind, again)) = by_code {
        // The access key may do this, and not with the key of the encryption.
        if *kind == StoreErrorKind::Denied && text.contains("kms:") {
            return (StoreErrorKind::WrongEncryption, Again::No);
        }
        return (*kind, *again);
    }
    if (400..500).contains(&status) && code.is_some() {
        let text = text.to_lowercase();
        if let Some((_, kind)) = WORDS.iter().find(|(word, _)| text.contains(word)) {
            return (*kind, Again::No);
        }
    }
    let by_status = STATUSES
        .iter()
        .find(|(statuses, ..)| statuses.contains(&status));
    match by_status {
        Some((_, kind, again)) => (*kind, *again),
        // A success that can't be read.
        None if status < 300 => (StoreErrorKind::UploadFailed, Again::FewTimes),
        None => (StoreErrorKind::UploadFailed, Again::No),
    }
}

/// No answer: the storage is unavailable, unless the two do not understand each other.
fn without_answer(text: &str) -> (StoreErrorKind, Again) {
    // What rustls says of bytes that are no TLS, such as a plain answer.
    const CLEAR_TEXT: &[&str] = &["InvalidContentType", "corrupt message"];
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if text.contains(identity::REFUSED) {
        (StoreErrorKind::Denied, Again::No)
    } else if has(CLEAR_TEXT) {
        (StoreErrorKind::ClearText, Again::No)
    } else if text.contains("certificate") {
        (StoreErrorKind::Unreachable, Again::No)
    } else {
        (StoreErrorKind::Unreachable, Again::WithinBudget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_come_before_statuses_and_no_code_is_listed_twice() {
        let mut seen = std::collections::BTreeSet::new();
        for code in CODES.iter().flat_map(|(codes, ..)| codes.iter()) {
            assert!(seen.insert(code.to_lowercase()), "{code}");
        }
        for (code, status, kind, again) in [
            (
                Some("RequestTimeTooSkewed"),
                403,
                StoreErrorKind::ClockSkewed,
                Again::No,
            ),
            (Some("QuotaExceeded"), 403, StoreErrorKind::Full, Again::No),
            (Some("SomethingNew"), 403, StoreErrorKind::Denied, Again::No),
            (
                Some("slowdown"),
                503,
                StoreErrorKind::Busy,
                Again::WithinBudget,
            ),
            (
                Some("InternalError"),
                200,
                StoreErrorKind::Busy,
                Again::WithinBudget,
            ),
            (None, 200, StoreErrorKind::UploadFailed, Again::FewTimes),
            (None, 503, StoreErrorKind::Busy, Again::WithinBudget),
            (None, 507, StoreErrorKind::Full, Again::No),
            (None, 400, StoreErrorKind::UploadFailed, Again::No),
            (
                Some("MalformedXML"),
                400,
                StoreErrorKind::UploadFailed,
                Again::No,
            ),
            (
                Some("OperationAborted"),
                409,
                StoreErrorKind::UploadFailed,
                Again::FewTimes,
            ),
            (None, 307, StoreErrorKind::Redirected, Again::No),
        ] {
            assert_eq!(judge(code, status, ""), (kind, again), "{code:?} {status}");
        }
        assert_eq!(
            judge(
                Some("InvalidRequest"),
                400,
                "InvalidRequest: Bucket is missing Object Lock Configuration"
            ),
            (StoreErrorKind::WrongLock, Again::No)
        );
    }

    #[test]
    fn a_certificate_that_is_not_trusted_is_not_waited_for() {
        let refused = "dispatch failure: io error: tcp connect error: Connection refused";
        assert_eq!(without_answer(refused).1, Again::WithinBudget);
        let certificate = "io error: invalid peer certificate: UnknownIssuer";
        assert_eq!(
            without_answer(certificate),
            (StoreErrorKind::Unreachable, Again::No)
        );
        let plain = "io error: received corrupt message of type InvalidContentType";
        assert_eq!(
            without_answer(plain),
            (StoreErrorKind::ClearText, Again::No)
        );
    }
}
