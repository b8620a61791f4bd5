//! The disk that a server's data is on, as far as the operator knows it.

use serde::{Deserialize, Serialize};

/// The volume of a server's data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DataDisk {
    /// The claim that the data is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// The capacity that the claim's status has, in bytes; none where that says nothing of the disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity_bytes: Option<u64>,
    /// Why the capacity is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

impl DataDisk {
    /// One whose capacity is not known.
    #[must_use]
    pub fn unknown(claim: Option<&str>, why: String) -> Self {
        Self {
            claim: claim.map(ToOwned::to_owned),
            capacity_bytes: None,
            unknown: Some(why),
        }
    }
}
