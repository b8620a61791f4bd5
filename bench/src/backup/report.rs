//! The report of the comparison of backups: one text with everything that the figures belong to. Pure.

use std::fmt::{self, Display, Formatter};

use super::arguments::BackupPlan;
use super::measure::Measured;
use super::setting::LINK;
use super::ways::Way;
use crate::figures::Spread;
use crate::machine::Machine;
use crate::report::in_thousands;
use crate::report_lines::{write_heading, write_target};

const MEBIBYTE: f64 = 1_048_576.0;
/// How many times as long `pg_dump | gzip | upload` must take at least.
const TARGET_GZIP: f64 = 3.0;
/// How many times as long as the floor a backup may take.
const TARGET_FLOOR: f64 = 1.25;
/// What the agent may have of memory, in MiB.
const TARGET_MEMORY: f64 = 96.0;

/// Everything that was measured.
#[derive(Clone, Debug)]
pub struct BackupReport {
    pub machine: Machine,
    /// Version of Postgres.
    pub version: String,
    /// Bytes of the database, indexes included.
    pub database_size: u64,
    pub rows: u64,
    pub plan: BackupPlan,
    pub direct: Vec<(Way, Figures)>,
    pub link: Vec<(Way, Figures)>,
    /// What was not measured, and why.
    pub left_out: Vec<String>,
}

/// Several backups by one way over one route.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    pub seconds: Spread,
    /// MiB in the bucket.
    pub stored: f64,
    /// MiB of all its processes.
    pub memory: f64,
    /// MiB of the agent alone, and of the dump before compression.
    pub agent: Option<(f64, f64)>,
}

impl Figures {
    /// Of these; none of nothing.
    pub fn of(measured: &[Measured]) -> Option<Self> {
        let largest = |of: &dyn Fn(&Measured) -> u64| {
            let largest = measured.iter().map(of).max();
            in_mebibytes(largest.unwrap_or_default())
        };
        let of_agent = |of: fn(&super::agent_process::Account) -> u64| {
            let accounts = measured.iter().filter_map(|one| one.account.as_ref());
            accounts.map(of).max().map(in_mebibytes)
        };
        let memory = of_agent(|account| account.memory);
        Some(Self {
            seconds: Spread::of(measured.iter().map(|one| one.seconds))?,
            stored: largest(&|one| one.stored),
            memory: largest(&|one| one.memory),
            agent: memory.zip(of_agent(|account| account.raw_bytes)),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "it is shown with one digit")]
fn in_mebibytes(bytes: u64) -> f64 {
    bytes as f64 / MEBIBYTE
}

impl Display for BackupReport {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write_heading(
            out,
            "backup",
            self.plan.quick,
            (&self.machine, &self.version),
        )?;
        writeln!(
            out,
            "a database of {:.0} MiB with {} rows",
            in_mebibytes(self.database_size),
            in_thousands(self.rows)
        )?;
        writeln!(out, "\n1. To an S3 server on this machine")?;
        write_route(out, &self.direct)?;
        if !self.link.is_empty() {
            writeln!(
                out,
                "\n2. The same over a link with {} ms and {} MB/s a connection",
                LINK.round_trip.as_millis(),
                LINK.rate / 1_000_000
            )?;
            write_route(out, &self.link)?;
        }
        if !self.left_out.is_empty() {
            writeln!(out)?;
        }
        for left_out in &self.left_out {
            writeln!(out, "{left_out}")?;
        }
        Ok(())
    }
}

fn write_route(out: &mut Formatter<'_>, all: &[(Way, Figures)]) -> fmt::Result {
    writeln!(
        out,
        "{:<29}{:>30}{:>10}{:>16}",
        "", "seconds on the clock", "stored", "memory, all"
    )?;
    writeln!(
        out,
        "{:<29}{:>10}{:>10}{:>10}{:>10}{:>16}",
        "", "minimum", "median", "maximum", "MiB", "processes, MiB"
    )?;
    for (way, figures) in all {
        let Spread {
            minimum,
            median,
            maximum,
        } = figures.seconds;
        writeln!(
            out,
            "   {way:<26}{minimum:>10.2}{median:>10.2}{maximum:>10.2}{:>10.1}{:>16.1}",
            figures.stored, figures.memory
        )?;
    }
    let find = |wanted: Way| {
        all.iter()
            .find(|(way, _)| *way == wanted)
            .map(|found| &found.1)
    };
    let Some(ours) = find(Way::Holdfast) else {
        return Ok(());
    };
    for (way, figures) in all.iter().filter(|(way, _)| *way != Way::Holdfast) {
        let ratio = figures.seconds.median / ours.seconds.median;
        write!(out, "     {way} takes {ratio:.2} times as long")?;
        if way.prefix().is_some() {
            let stored = figures.stored / ours.stored;
            write!(out, ", and stores {stored:.2} times as much")?;
        }
        writeln!(out)?;
    }
    if let Some((memory, raw)) = ours.agent {
        writeln!(
            out,
            "     the agent alone has {memory:.1} MiB; the dump has {raw:.0} MiB before compression"
        )?;
        write_target(out, "the agent under 96 MiB", memory < TARGET_MEMORY)?;
    }
    if let Some(floor) = find(Way::Floor) {
        let ratio = ours.seconds.median / floor.seconds.median;
        let what = format!("at most {TARGET_FLOOR} times the bare pg_dump ({ratio:.2})");
        write_target(out, &what, ratio <= TARGET_FLOOR)?;
    }
    if let Some(gzip) = find(Way::Gzip) {
        let ratio = gzip.seconds.median / ours.seconds.median;
        let what = format!("at least {TARGET_GZIP} times as fast as with gzip ({ratio:.2})");
        write_target(out, &what, ratio >= TARGET_GZIP)?;
        write_target(out, "stored less than with gzip", ours.stored < gzip.stored)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::agent_process::Account;
    use super::*;
    use crate::machine::GIBIBYTE;

    fn figures(seconds: f64, stored: u64, is_agent: bool) -> Figures {
        let measured = [seconds, seconds * 1.1, seconds * 0.9].map(|seconds| Measured {
            seconds,
            stored: stored << 20,
            memory: 90 << 20,
            account: is_agent.then_some(Account {
                rows: 10,
                raw_bytes: 768 << 20,
                memory: 60 << 20,
                path: String::new(),
                manifest_sha256: String::new(),
            }),
        });
        Figures::of(&measured).unwrap_or_else(|| unreachable!("there are some"))
    }

    #[test]
    fn a_report_reads() {
        let all = vec![
            (Way::Holdfast, figures(4.0, 200, true)),
            (Way::Floor, figures(3.5, 0, false)),
            (Way::Gzip, figures(20.0, 190, false)),
            (Way::PgBackRest, figures(8.0, 260, false)),
        ];
        let report = BackupReport {
            machine: Machine {
                cores: 2,
                processor: "a fast one".to_owned(),
                memory: 24 * GIBIBYTE,
            },
            version: "15.18".to_owned(),
            database_size: 1_100 << 20,
            rows: 12_345_678,
            plan: BackupPlan {
                size: 768 << 20,
                rounds: 3,
                link_rounds: 2,
                folder: "/tmp".into(),
                quick: false,
            },
            direct: all.clone(),
            link: all,
            left_out: vec!["Barman is left out: it is not installed (apt-get …)".to_owned()],
        };
        insta::assert_snapshot!(report);
    }
}
