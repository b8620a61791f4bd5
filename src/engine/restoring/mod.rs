//! `DatabaseRestore`s: binds a volume to its claim again, step by step. The status announces each
//! step before it is done.

mod notes;
mod pass;
mod watch;

#[cfg(test)]
pub(crate) use pass::{RestoreError, restore};
pub use watch::run_restores;
