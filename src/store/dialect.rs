//! What each kind of storage wants of a request: parts, checksums, conditions. Pure.

use crate::api::{S3Profile, S3Storage};

/// The most parts of an upload, S3's limit.
const PARTS: i32 = 10_000;

/// The checksum by which the storage itself verifies what it receives. There is always one: a bucket
/// with a default retention refuses uploads without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checksum {
    /// CRC64NVME, of each part and of the whole object.
    Crc64,
    /// `Content-MD5`, which every server knows.
    Md5,
}

/// How many parts an upload may have, and whether they may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartRules {
    /// The most parts.
    pub limit: i32,
    /// Whether all but the last one must be of one size.
    pub are_equal: bool,
}

/// How to speak with a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
    pub parts: PartRules,
    pub checksum: Checksum,
    /// Whether `If-None-Match` is heeded. Otherwise it is looked first whether something is at the
    /// key.
    pub is_conditional: bool,
}

impl Dialect {
    pub(super) fn of(storage: &S3Storage) -> Self {
        let profile = storage
            .profile
            .unwrap_or_else(|| guess(storage.endpoint.as_deref()));
        let (limit, are_equal, checksum, is_conditional) = match profile {
            S3Profile::Aws => (PARTS, false, Checksum::Crc64, true),
            S3Profile::R2 => (PARTS, true, Checksum::Md5, true),
            S3Profile::Scaleway => (1_000, false, Checksum::Md5, true),
            S3Profile::Gcs | S3Profile::Ovh => (PARTS, false, Checksum::Md5, false),
            S3Profile::Minio | S3Profile::B2 | S3Profile::Ceph | S3Profile::Generic => {
                (PARTS, false, Checksum::Md5, true)
            }
        };
        Self {
            parts: PartRules { limit, are_equal },
            checksum,
            is_conditional,
        }
    }
}

/// The profile of a well-known endpoint; Amazon's where there is none.
fn guess(endpoint: Option<&str>) -> S3Profile {
    const KNOWN: &[(&str, S3Profile)] = &[
        (".amazonaws.com", S3Profile::Aws),
        (".amazonaws.com.cn", S3Profile::Aws),
        (".r2.cloudflarestorage.com", S3Profile::R2),
        (".backblazeb2.com", S3Profile::B2),
        (".scw.cloud", S3Profile::Scaleway),
        ("storage.googleapis.com", S3Profile::Gcs),
        (".io.cloud.ovh.net", S3Profile::Ovh),
        (".io.cloud.ovh.us", S3Profile::Ovh),
    ];
    let Some(endpoint) = endpoint else {
        return S3Profile::Aws;
    };
    let host = endpoint.split("://").nth(1).unwrap_or(endpoint);
    let host = host.trim_end_matches('/').to_lowercase();
    let host = host.split(':').next().unwrap_or_default();
    let known = KNOWN.iter().find(|(end, _)| host.ends_with(end));
    known.map_or(S3Profile::Generic, |(_, profile)| *profile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_endpoints_have_their_profile() {
        for (endpoint, profile) in [
            (None, S3Profile::Aws),
            (
                Some("https://s3.eu-central-1.amazonaws.com"),
                S3Profile::Aws,
            ),
            (Some("https://abc.r2.cloudflarestorage.com/"), S3Profile::R2),
            (Some("https://s3.fr-par.scw.cloud:443"), S3Profile::Scaleway),
            (Some("https://storage.googleapis.com"), S3Profile::Gcs),
            (Some("http://s3.storage:9000"), S3Profile::Generic),
            (
                Some("http://r2.cloudflarestorage.com.example"),
                S3Profile::Generic,
            ),
        ] {
            assert_eq!(guess(endpoint), profile, "{endpoint:?}");
        }
    }
}
