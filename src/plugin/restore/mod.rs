//! `kubectl holdfast restore NAME`: restores a backup into the server, by way of a `DatabaseRestore`.

mod command;
mod follow;
mod question;
mod text;

pub use command::{RestoreArguments, fetch_backups, run};
pub use follow::{Followed, follow};
