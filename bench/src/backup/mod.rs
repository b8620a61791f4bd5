//! What a backup costs, against other ways to back up the same database to the same server.

mod agent_process;
mod arguments;
mod measure;
mod memory;
mod peers;
mod report;
mod run;
mod setting;
mod ways;

pub use agent_process::{PutArguments, SetArguments, put, take};
pub use arguments::BackupArguments;
pub use run::run;
