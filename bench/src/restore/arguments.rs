//! The command line of the comparison of restores, and what follows from it.

use std::path::PathBuf;

use clap::Args;

use crate::backup::BackupPlan;

const MEBIBYTE: u64 = 1 << 20;

/// Measures what a restore costs: against `pg_restore -j` from a file on this machine, and `gunzip | psql`
#[derive(Debug, Args)]
pub struct RestoreArguments {
    /// Size of the dump before compression in MiB, roughly [default: 768, with --quick 128]
    #[arg(long, value_parser = clap::value_parser!(u64).range(16..))]
    size: Option<u64>,
    /// How often each way is measured [default: 3, with --quick 1]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    /// Sessions that build indexes beside each other, of each way that has them
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=16))]
    jobs: u16,
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
pub struct RestorePlan {
    /// What is restored.
    pub backup: BackupPlan,
    pub jobs: u16,
}

impl RestoreArguments {
    /// What is asked for.
    pub fn plan(&self) -> RestorePlan {
        let quick = self.quick;
        RestorePlan {
            backup: BackupPlan {
                size: self.size.unwrap_or(if quick { 128 } else { 768 }) * MEBIBYTE,
                rounds: self.rounds.unwrap_or(if quick { 1 } else { 3 }),
                link_rounds: 0,
                folder: self.folder.clone().unwrap_or_else(std::env::temp_dir),
                quick,
            },
            jobs: self.jobs,
        }
    }
}
