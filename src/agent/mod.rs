//! What runs inside Jobs: `install`, `check` and `backup` in the database's own image, `files` in
//! ours. Judges nothing; it reports what it finds.

mod backup;
mod backup_set;
mod check;
mod command;
mod counting;
mod dump;
mod dump_stream;
mod file_walk;
mod files;
mod gather;
mod host;
mod install;
mod interrupt;
mod kubernetes;
mod look_for_files;
mod mounted;
mod named_paths;
mod remembered;
mod suspicion;
mod without_login;

pub use backup_set::{SetOrder, TakenSet, take_set};
pub use command::{AgentCommand, run};
pub use dump::{DUMP_APPLICATION_NAME, DumpPrograms};
pub use gather::{Gathered, gather, gather_in_parts};
pub use install::install;
pub use interrupt::Interrupt;
pub use look_for_files::{look_for_files, nothing_found};
pub use mounted::MountedFiles;
pub use remembered::{build_evidence, fetch_remembered};
pub use suspicion::{ProtectedDatabaseSuspicion, SuspicionSource, suspicion_of};
pub use without_login::look_without_login;
