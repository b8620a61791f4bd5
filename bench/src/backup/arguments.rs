//! The command line of the comparison of backups, and what follows from it.

use std::path::PathBuf;

use clap::Args;

const MEBIBYTE: u64 = 1 << 20;

/// Measures what a backup costs: against a bare dump, a dump through gzip to the storage, pgBackRest and Barman
#[derive(Debug, Args)]
pub struct BackupArguments {
    /// Size of the dump before compression in MiB, roughly [default: 768, with --quick 128]
    #[arg(long, value_parser = clap::value_parser!(u64).range(16..))]
    size: Option<u64>,
    /// How often each way is measured [default: 3, with --quick 1]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    /// How often each way is measured over the slow link; 0 leaves it out [default: 2, with --quick 1]
    #[arg(long)]
    link_rounds: Option<u16>,
    /// A try with a small database; its figures say little
    #[arg(long)]
    quick: bool,
    /// Where the servers' temporary folders are made; the user postgres must be able to reach it
    /// [default: the system's folder for temporary files]
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// Sizes of one run.
#[derive(Clone, Debug)]
pub struct BackupPlan {
    /// Bytes of the dump before compression, roughly.
    pub size: u64,
    pub rounds: u16,
    pub link_rounds: u16,
    pub folder: PathBuf,
    /// Whether this is only a try.
    pub quick: bool,
}

impl BackupArguments {
    /// What is asked for.
    pub fn plan(&self) -> BackupPlan {
        let quick = self.quick;
        BackupPlan {
            size: self.size.unwrap_or(if quick { 128 } else { 768 }) * MEBIBYTE,
            rounds: self.rounds.unwrap_or(if quick { 1 } else { 3 }),
            link_rounds: self.link_rounds.unwrap_or(if quick { 1 } else { 2 }),
            folder: self.folder.clone().unwrap_or_else(std::env::temp_dir),
            quick,
        }
    }
}
