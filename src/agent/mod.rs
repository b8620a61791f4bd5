//! What runs inside Jobs, in the database's own image: `install`, `check` and `backup`. Judges nothing; it reports what it finds.

mod backup;
mod backup_set;
mod check;
mod command;
mod dump;
mod dump_stream;
mod gather;
mod host;
mod install;
mod interrupt;
mod kubernetes;
mod mounted;
mod remembered;
mod suspicion;

pub use backup_set::*;
pub use command::*;
pub use dump::*;
pub use gather::*;
pub use install::*;
pub use interrupt::*;
pub use mounted::*;
pub use remembered::*;
pub use suspicion::*;
