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
mod image;
mod install;
mod interrupt;
mod kubernetes;
mod look_for_files;
mod mounted;
mod named_paths;
mod presence;
mod remembered;
mod suspicion;
mod without_login;

pub use backup_set::{SetOrder, TakenSet, take_set};
pub use command::{AgentCommand, run};
pub use dump::{DUMP_APPLICATION_NAME, DumpPrograms};
pub use gather::{Gathered, gather, gather_in_parts};
pub use image::look_at_image;
pub use install::install;
pub use interrupt::Interrupt;
pub use look_for_files::{look_for_files, look_for_files_from, nothing_found};
pub use mounted::MountedFiles;
pub use presence::build_presence;
pub use remembered::{Remembered, build_evidence, fetch_remembered};
pub use suspicion::{Look, ProtectedDatabaseSuspicion, SuspicionSource, look_since, suspicion_of};
pub use without_login::look_without_login;
