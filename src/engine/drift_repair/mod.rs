//! Admission policies and definitions that are not as installed: found, restored, reported.

mod definitions;
mod policies;
mod run;
mod shared;

pub use run::{fetch_policy, run_drift_repair};
