//! `kubectl holdfast backup NAME` and `backups NAME`: takes a backup now, and lists those that were
//! taken.

mod command;
mod progress;
mod text;

pub use command::{BackupArguments, BackupsArguments, run_backup, run_backups};
pub use text::build_backup_table;
