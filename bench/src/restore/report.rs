//! The report of the comparison of restores: one text with everything that the figures belong to. Pure.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use super::arguments::RestorePlan;
use super::clients::CLIENTS;
use super::ways::{Measured, Way};
use crate::figures::Spread;
use crate::machine::Machine;
use crate::report::in_thousands;
use crate::report_lines::{write_heading, write_target};

/// How many times as long as `pg_restore -j` from a file restoring may take.
const TARGET: f64 = 1.10;
/// How long the swap may keep clients away, in milliseconds.
const TARGET_OUTAGE: i64 = 2_000;

/// Everything that was measured.
#[derive(Clone, Debug)]
pub struct RestoreReport {
    pub machine: Machine,
    /// Version of Postgres.
    pub version: String,
    pub rows: u64,
    /// Bytes of the dump before compression.
    pub raw_bytes: u64,
    pub plan: RestorePlan,
    pub figures: Vec<(Way, Figures)>,
    pub swap: Swap,
}

/// How the swap was for clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swap {
    /// For how long nobody could connect, in milliseconds.
    pub outage: i64,
    /// The longest time that a client had no answer.
    pub longest: Duration,
}

/// Several restores by one way.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    pub seconds: Spread,
    /// The parts of ours: hashing, restoring, comparing.
    pub parts: Option<[Spread; 3]>,
    /// The most memory of our agent, in bytes.
    pub memory: Option<u64>,
}

impl Figures {
    /// Of these; none of nothing.
    pub fn of(measured: &[Measured]) -> Option<Self> {
        let accounts = || measured.iter().filter_map(|one| one.account.as_ref());
        let part = |index: usize| Spread::of(accounts().map(|account| account.parts[index]));
        Some(Self {
            seconds: Spread::of(measured.iter().map(|one| one.seconds))?,
            parts: part(0)
                .zip(part(1))
                .zip(part(2))
                .map(|((hashing, restoring), comparing)| [hashing, restoring, comparing]),
            memory: accounts().map(|account| account.memory).max(),
        })
    }
}

impl Display for RestoreReport {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write_heading(
            out,
            "restore",
            self.plan.backup.quick,
            (&self.machine, &self.version),
        )?;
        writeln!(
            out,
            "a dump of {} MiB with {} rows; {} sessions beside each other\n",
            self.raw_bytes >> 20,
            in_thousands(self.rows),
            self.plan.jobs
        )?;
        let line = |out: &mut Formatter<'_>, what: &str, spread: &Spread| {
            let Spread {
                minimum,
                median,
                maximum,
            } = spread;
            writeln!(
                out,
                "   {what:<34}{minimum:>10.2}{median:>10.2}{maximum:>10.2}"
            )
        };
        writeln!(out, "{:<37}{:>30}", "", "seconds on the clock")?;
        writeln!(
            out,
            "{:<37}{:>10}{:>10}{:>10}",
            "", "minimum", "median", "maximum"
        )?;
        for (way, figures) in &self.figures {
            line(out, &way.to_string(), &figures.seconds)?;
            for (what, spread) in ["hashing", "restoring", "comparing"]
                .iter()
                .zip(figures.parts.iter().flatten())
            {
                line(out, &format!("  of these {what}"), spread)?;
            }
        }
        let find = |wanted: Way| {
            let mut all = self.figures.iter();
            all.find(|(way, _)| *way == wanted).map(|found| &found.1)
        };
        let Some(ours) = find(Way::Holdfast) else {
            return Ok(());
        };
        if let Some(memory) = ours.memory {
            writeln!(out, "     the agent alone has {} MiB", memory >> 20)?;
        }
        if let (Some(parallel), Some([_, restoring, _])) = (find(Way::Parallel), &ours.parts) {
            let whole = ours.seconds.median / parallel.seconds.median;
            writeln!(
                out,
                "     Holdfast takes {whole:.2} times as long as {}, with all that it proves",
                Way::Parallel
            )?;
            let ratio = restoring.median / parallel.seconds.median;
            let what = format!(
                "restoring at most {TARGET:.2} times {} ({ratio:.2})",
                Way::Parallel
            );
            write_target(out, &what, ratio <= TARGET)?;
        }
        if let Some(plain) = find(Way::Plain) {
            let ratio = plain.seconds.median / ours.seconds.median;
            writeln!(out, "     {} takes {ratio:.2} times as long", Way::Plain)?;
        }
        writeln!(
            out,
            "\nThe swap, with {CLIENTS} clients that connect all the time: nobody could connect for {} ms; the \
             longest\n     time that one of them had no answer while all of it was restored was {} ms",
            self.swap.outage,
            self.swap.longest.as_millis()
        )?;
        let is_reached = self.swap.outage < TARGET_OUTAGE;
        write_target(out, "away for less than 2 s", is_reached)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use std::path::PathBuf;

    use super::super::agent_process::Account;
    use super::*;
    use crate::backup::BackupPlan;

    #[test]
    fn a_report_reads() {
        let figures = |seconds: f64, is_ours: bool| {
            let measured = [1.0, 1.1, 0.9].map(|times| Measured {
                seconds: seconds * times,
                account: is_ours.then_some(Account {
                    rows: 10,
                    parts: [0.1, 0.6, 0.3].map(|part| part * seconds * times),
                    memory: 60 << 20,
                    outage: None,
                }),
            });
            Figures::of(&measured).unwrap()
        };
        let report = RestoreReport {
            machine: Machine {
                cores: 2,
                processor: "a processor".to_owned(),
                memory: 24 << 30,
            },
            version: "17.1".to_owned(),
            rows: 7_000_000,
            raw_bytes: 768 << 20,
            plan: RestorePlan {
                backup: BackupPlan {
                    size: 768 << 20,
                    rounds: 3,
                    link_rounds: 0,
                    folder: PathBuf::from("/tmp"),
                    quick: false,
                },
                jobs: 2,
            },
            swap: Swap {
                outage: 140,
                longest: Duration::from_millis(900),
            },
            figures: vec![
                (Way::Holdfast, figures(20.0, true)),
                (Way::Parallel, figures(11.0, false)),
                (Way::Plain, figures(30.0, false)),
            ],
        };
        insta::assert_snapshot!(report.to_string());
    }
}
