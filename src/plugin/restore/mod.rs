//! `kubectl holdfast restore NAME`: restores a backup into the server, by way of a `DatabaseRestore`.

mod carry_out;
mod command;
mod dry_run;
mod files;
mod follow;
mod question;
mod text;

pub use carry_out::{Following, carry_out, refuse_without_role};
pub use command::{RestoreArguments, fetch_backups, run};
pub use follow::{Followed, follow};
