//! Writes: one call per step, each with a time limit, a field manager and a precondition. Nothing is
//! decided here.

mod executor;
mod writer;

pub use executor::Executor;
pub use writer::{WriteError, Writer, within_time};
