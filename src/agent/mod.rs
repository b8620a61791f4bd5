//! What runs inside Jobs: `install`, `check` and `backup` in the database's own image, `files` in
//! ours. Judges nothing; it reports what it finds.

mod backup;
mod backup_set;
mod check;
mod command;
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

pub use backup_set::*;
pub use command::*;
pub use dump::*;
pub use gather::*;
pub use install::*;
pub use interrupt::*;
pub use look_for_files::*;
pub use mounted::*;
pub use remembered::*;
pub use suspicion::*;
