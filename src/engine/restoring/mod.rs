//! `DatabaseRestore`s: a volume that is asked back is put back, step by step, and the status says
//! each before it is done.

mod pass;
mod watch;

#[cfg(test)]
pub(crate) use pass::{RestoreError, restore};
pub use watch::run_restores;
