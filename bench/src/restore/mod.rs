//! What a restore costs, against other ways to restore the same database into the same server.

mod agent_process;
mod arguments;
mod clients;
mod report;
mod run;
mod ways;

pub use agent_process::{RestoreSetArguments, restore};
pub use arguments::RestoreArguments;
pub use run::run;
