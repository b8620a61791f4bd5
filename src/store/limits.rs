//! How long a storage is waited for.

use std::time::Duration;

use tokio::time::Instant;

/// How long a set waits for its storage by default.
pub(super) const DEFAULT_BUDGET: Duration = Duration::from_hours(1);

/// How long a storage is waited for.
#[derive(Clone, Copy, Debug)]
pub struct StoreLimits {
    /// All waiting for a storage that is unavailable or busy, together.
    pub budget: Duration,
    /// When waiting ends at the latest.
    pub ends_at: Option<Instant>,
    /// The longest time without a byte while a body is sent or an answer is read.
    pub silence: Duration,
    /// The longest time from the last byte that was handed to the connection, which may have megabytes
    /// on their way still, until the answer.
    pub answer: Duration,
    /// The same for making parts one object, for which some servers copy all of it.
    pub completion: Duration,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            budget: DEFAULT_BUDGET,
            ends_at: None,
            silence: Duration::from_mins(1),
            answer: Duration::from_mins(3),
            completion: Duration::from_mins(10),
        }
    }
}
