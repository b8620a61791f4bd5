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

pub use agent_process::{Account as SetAccount, Errand, PutArguments, SetArguments, put, take};
pub use arguments::{BackupArguments, BackupPlan};
pub use memory::peak_of;
pub use run::run;
pub use setting::{DATABASE, Route, Setting};
