//! Rules of other S3 servers: what they refuse that the server behind the proxy takes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::{Fault, Operation, Refusal, Seen};

/// What a server refuses or does differently. The default is nothing.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a rule that some servers have and others do not"
)]
pub struct Dialect {
    /// Uploads without a checksum, as buckets with a default retention of Object Lock.
    pub needs_checksum: bool,
    /// `If-None-Match`, with status 501.
    pub refuses_condition: bool,
    /// `If-None-Match` is not heeded, as if it were not there.
    pub ignores_condition: bool,
    /// The checksum headers of new SDKs.
    pub refuses_new_checksums: bool,
    /// Parts of different sizes, apart from the last.
    pub needs_equal_parts: bool,
    /// Parts with a greater number; 0 is no limit.
    pub part_limit: i32,
    /// A second Complete of the same upload: it no longer knows it.
    pub forgets_completed: bool,
}

/// What a dialect remembers of uploads.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    parts: BTreeMap<String, BTreeMap<i32, u64>>,
    completed: BTreeSet<String>,
}

impl Dialect {
    /// What happens to a request, if it is not just passed on.
    pub(super) fn judge(&self, memory: &Memory, seen: &Seen) -> Fault {
        let refuse = |status, code, message| Fault::Refuse(Refusal::new(status, code, message));
        let mut memory = memory.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_upload = matches!(seen.operation, Operation::Put | Operation::Part);
        let names = || seen.headers.keys().map(http::HeaderName::as_str);
        let has_new_checksum = names().any(|name| {
            name.starts_with("x-amz-checksum-") || name == "x-amz-sdk-checksum-algorithm"
        });
        if self.needs_checksum
            && is_upload
            && !has_new_checksum
            && seen.header("content-md5").is_empty()
        {
            return refuse(
                400,
                "InvalidRequest",
                "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests \
                 with Object Lock parameters",
            );
        }
        if self.refuses_new_checksums && has_new_checksum {
            return refuse(
                400,
                "InvalidArgument",
                "Unsupported header 'x-amz-checksum-crc64nvme' received for this API call.",
            );
        }
        if seen.headers.contains_key("if-none-match") {
            if self.refuses_condition {
                return refuse(
                    501,
                    "NotImplemented",
                    "A header you provided implies functionality that is not implemented",
                );
            }
            if self.ignores_condition {
                return Fault::Without("if-none-match");
            }
        }
        let id = seen.query("uploadId").to_owned();
        match seen.operation {
            Operation::Part => {
                let number = seen.query("partNumber").parse().unwrap_or_default();
                if self.part_limit > 0 && number > self.part_limit {
                    return refuse(
                        400,
                        "InvalidArgument",
                        "Part number must be an integer between 1 and 1000, inclusive",
                    );
                }
                let parts = memory.parts.entry(id).or_default();
                parts.insert(number, seen.length);
            }
            Operation::Complete => {
                let sizes: Vec<u64> = memory
                    .parts
                    .get(&id)
                    .into_iter()
                    .flat_map(|parts| parts.values().copied())
                    .collect();
                let before_last = &sizes[..sizes.len().saturating_sub(1)];
                let are_equal = before_last.windows(2).all(|pair| pair[0] == pair[1])
                    && sizes.last() <= before_last.first().or(sizes.last());
                if self.needs_equal_parts && !are_equal {
                    return refuse(
                        400,
                        "InvalidPart",
                        "All non-trailing parts must have the same length.",
                    );
                }
                if !memory.completed.insert(id) && self.forgets_completed {
                    return refuse(
                        404,
                        "NoSuchUpload",
                        "The specified multipart upload does not exist.",
                    );
                }
            }
            _ => {}
        }
        Fault::None
    }
}
