//! `kubectl holdfast drill NAME`: proves a backup by restoring it into a throwaway server, by way of a
//! `DatabaseRestore`.

mod command;
mod text;

pub use command::{DrillArguments, run};
pub use text::say_times;
