//! `DatabaseRestore`s: binds a volume to its claim again, step by step, or has an agent restore a backup.
//! The status announces each step before it is done.

mod from_backup;
mod notes;
mod pass;
mod report;
mod restore_error;
mod watch;

#[cfg(test)]
pub(crate) use pass::restore;
#[cfg(test)]
pub(crate) use restore_error::RestoreError;
pub use watch::run_restores;
