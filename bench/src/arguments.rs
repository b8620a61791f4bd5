//! The command line, and what follows from it: the sizes and times of one run.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

/// Measures what a check costs a database: against count(*), in databases of many tables and of many
/// partitions, of a replica, and beside a running pgbench
#[derive(Debug, Args)]
pub struct Arguments {
    /// Rows of the large database [default: 100000000, with --quick 2000000]
    #[arg(long)]
    rows: Option<u64>,
    /// Tables of the database of many tables [default: 10000, with --quick 1000]
    #[arg(long)]
    tables: Option<u64>,
    /// Partitions of the database of many partitions [default: 4000, with --quick 400]
    #[arg(long)]
    partitions: Option<u64>,
    /// How often each thing is measured, beside pgbench twice as often [default: 7, with --quick 3]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    /// Seconds that pgbench runs at a time [default: 10, with --quick 3]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    window: Option<u16>,
    /// Seconds from one check to the next beside pgbench [default: 10, with --quick 2]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    every: Option<u16>,
    /// Counting budgets of a check in milliseconds; each is measured, and the first one beside
    /// pgbench too. The default is that of `spec.verification.countingBudget`
    #[arg(
        long,
        value_name = "MILLISECONDS",
        value_delimiter = ',',
        default_value = "10"
    )]
    counting_budget: Vec<u64>,
    /// A try with small sizes and short times; its figures say little
    #[arg(long)]
    quick: bool,
    /// Where the server's temporary folder is made; the user postgres must be able to reach it
    /// [default: the system's folder for temporary files]
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// Sizes and times of one run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Rows of the large database.
    pub rows: u64,
    /// Tables of the database of many tables.
    pub tables: u64,
    /// Partitions of the database of many partitions.
    pub partitions: u64,
    /// How often each thing is measured.
    pub rounds: u16,
    /// How long pgbench runs at a time.
    pub window: Duration,
    /// From one check to the next beside pgbench.
    pub every: Duration,
    /// The counting budgets of a check, at least one.
    pub counting_budgets: Vec<Duration>,
    /// Where the server's folder is made.
    pub folder: PathBuf,
    /// Whether this is only a try.
    pub quick: bool,
}

impl Arguments {
    /// What is asked for.
    pub fn plan(&self) -> Plan {
        let seconds = |given: Option<u16>, usual: u16, quick: u16| {
            Duration::from_secs(u64::from(given.unwrap_or(if self.quick {
                quick
            } else {
                usual
            })))
        };
        Plan {
            rows: self
                .rows
                .unwrap_or(if self.quick { 2_000_000 } else { 100_000_000 }),
            tables: self
                .tables
                .unwrap_or(if self.quick { 1_000 } else { 10_000 }),
            partitions: self
                .partitions
                .unwrap_or(if self.quick { 400 } else { 4_000 }),
            rounds: self.rounds.unwrap_or(if self.quick { 3 } else { 7 }),
            window: seconds(self.window, 10, 3),
            every: seconds(self.every, 10, 2),
            counting_budgets: self
                .counting_budget
                .iter()
                .copied()
                .map(Duration::from_millis)
                .collect(),
            folder: self.folder.clone().unwrap_or_else(std::env::temp_dir),
            quick: self.quick,
        }
    }
}
