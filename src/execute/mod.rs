//! Writes: one call per step, each with a time limit, a field manager and a precondition. Nothing is
//! decided here.

mod executor;
mod judge_backup;
mod reports;
mod writer;

pub use executor::Executor;
pub use writer::{WriteError, Writer, is_precondition, within_time};
