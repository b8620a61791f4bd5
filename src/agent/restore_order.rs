//! Which set is restored, into which server, and who is shown how far it is.

use std::future::Future;

use sha2::{Digest, Sha256};

use crate::api::{AgentFailure, RestoreReport, RestoreRequest, RestoredDatabase};
use crate::postgres::Presence;
use crate::store::StoreLimits;

use super::MountedFiles;

/// What agents call themselves in `pg_stat_activity` while they restore.
pub const RESTORE_APPLICATION_NAME: &str = "holdfast-restore";

/// Which set is restored, into which server.
#[derive(Clone, Debug)]
pub struct RestoreOrder<'request> {
    /// What the operator asks for.
    pub request: &'request RestoreRequest,
    /// Where the credentials are.
    pub files: &'request MountedFiles,
    /// The server.
    pub host: String,
    /// Whether the server is still the one that was found.
    pub presence: Option<Presence>,
    /// How long the storage is waited for.
    pub limits: StoreLimits,
    /// The database cluster that an earlier start has begun in: nothing is done in another one.
    pub system_identifier: Option<String>,
    /// What an earlier start of this restore has reported of its databases, or why that is not known.
    pub known: Result<Vec<RestoredDatabase>, AgentFailure>,
}

impl RestoreOrder<'_> {
    /// The number of the lock in the server that only one restore of a `ProtectedDatabase` can have.
    #[must_use]
    pub fn lock_number(&self) -> i64 {
        let whose = format!("holdfast restore {}", self.request.database_uid);
        let digest: [u8; 32] = Sha256::digest(whose).into();
        let bytes = digest.iter().take(8);
        bytes.fold(0, |number, byte| (number << 8) | i64::from(*byte))
    }
}

/// A point at which a restore can be killed; each is after something was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RestoreStep {
    /// Nothing stands against it.
    LookedAhead,
    /// Missing roles exist.
    RolesCreated,
    /// A database was created, and does not carry its mark yet.
    Created,
    /// It carries its mark and accepts connections of ours.
    Opened,
    /// All rows are in it.
    Restored,
    /// All of it was compared, and its mark says so.
    Verified,
    /// The mark says which database it will replace.
    SwapAnnounced,
    /// The present database accepts no connections any more.
    DoorClosed,
    /// Nobody is in the present database any more.
    SessionsEnded,
    /// The present database was renamed, in a transaction that is still open.
    PresentRenamed,
    /// The restored one has its name, in the same transaction.
    RestoredRenamed,
    /// That was committed.
    Committed,
}

/// Who is shown how far a restore is.
pub trait RestoreWatcher: Send + Sync {
    /// Takes note of the report as it is now. Called often.
    fn note(&self, report: &RestoreReport);

    /// Makes sure that what was noted is kept, before names are swapped: the next start relies on it. After
    /// an error nothing is swapped.
    fn keep(&self) -> impl Future<Output = Result<(), AgentFailure>> + Send {
        std::future::ready(Ok(()))
    }

    /// Called after each step.
    fn after(&self, _step: RestoreStep) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}
