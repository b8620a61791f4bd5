//! The report of a run: one text with everything that the figures belong to. Pure.

use std::fmt::{self, Display, Formatter};

use crate::arguments::Plan;
use crate::comparison::{Checks, Comparison, Found};
use crate::database_time::Sample;
use crate::figures::{Spread, losses};
use crate::machine::{GIBIBYTE, Machine};
use crate::pgbench::{CLIENTS, SCALE};
use crate::report_lines::{write_heading, write_target};
use crate::throughput::{Measured, Pace, Throughput};

/// What a check may take in the database, in seconds.
const TARGET_SECONDS: f64 = 1.0;
/// How many times as long counting everything must take at least.
const TARGET_RATIO: f64 = 50.0;
/// What checks may cost a busy server, in percent.
const TARGET_LOSS: f64 = 5.0;

/// Everything that was measured.
#[derive(Clone, Debug)]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// Version of Postgres.
    pub version: String,
    /// Sizes and times.
    pub plan: Plan,
    /// The large database.
    pub large: Comparison,
    /// Beside pgbench.
    pub throughput: Vec<Throughput>,
    /// The database of many tables.
    pub many: Comparison,
    /// The database of many partitions.
    pub partitions: Comparison,
    /// The large database once more, with tables that no superuser owns.
    pub copied: Comparison,
    /// And of a replica.
    pub replica: Comparison,
}

impl Display for Report {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write_heading(
            out,
            "check",
            self.plan.quick,
            (&self.machine, &self.version),
        )?;
        writeln!(out, "{} rounds\n", self.plan.rounds)?;
        write!(out, "1. A large database: ")?;
        write_comparison(out, &self.large)?;
        write_targets(out, &self.large)?;
        write!(
            out,
            "\n2. Beside pgbench: {CLIENTS} clients, scale {SCALE}, windows of {} s; ",
            self.plan.window.as_secs()
        )?;
        writeln!(
            out,
            "a check looks at pgbench's database and at the large one"
        )?;
        write_throughput(out, &self.throughput)?;
        write!(out, "\n3. Many tables: ")?;
        write_comparison(out, &self.many)?;
        write!(
            out,
            "\n4. {} partitions, nearly all of them empty: ",
            in_thousands(self.plan.partitions)
        )?;
        write_comparison(out, &self.partitions)?;
        write!(
            out,
            "\n5. The large database, with tables that no superuser owns: "
        )?;
        write_comparison(out, &self.copied)?;
        write!(out, "\n6. The same, of a replica: ")?;
        write_comparison(out, &self.replica)
    }
}

fn write_comparison(out: &mut Formatter<'_>, comparison: &Comparison) -> fmt::Result {
    let Comparison {
        tables,
        rows,
        size,
        checks,
        count,
        workers,
    } = comparison;
    let size = format!("{:.1} GiB", as_float(*size) / as_float(GIBIBYTE));
    writeln!(
        out,
        "{} rows in {} tables, {size}",
        in_thousands(*rows),
        in_thousands(*tables)
    )?;
    writeln!(
        out,
        "{:34}{:>27}{:>15}{:>15}",
        "", "seconds in the database", "of those, in", "seconds"
    )?;
    writeln!(
        out,
        "{:34}{:>9}{:>9}{:>9}{:>15}{:>15}",
        "", "minimum", "median", "maximum", "statements", "on the clock"
    )?;
    write_samples(out, "count(*) of every table", count)?;
    for check in checks {
        write_samples(out, &in_budget("a check", check), &check.samples)?;
        let ratio = |figure| ratio(count, &check.samples, figure).unwrap_or(f64::NAN);
        let (active, statements, wall) = (
            ratio(|sample| sample.active),
            ratio(|sample| sample.statements),
            ratio(|sample| sample.wall),
        );
        writeln!(
            out,
            "   {:31}{:>9}{active:>9.1}{:>9}{statements:>15.1}{wall:>15.1}",
            "  count(*) takes times as long", "", ""
        )?;
        let Found {
            tables,
            exact,
            enough,
            estimated,
            surely,
        } = &check.found;
        writeln!(
            out,
            "     it found {} tables, and counted {exact} to their end and {enough} as far as is \
             enough; {estimated} it estimated; {} rows are surely there",
            in_thousands(tables),
            in_thousands(surely)
        )?;
    }
    writeln!(
        out,
        "   parallel workers seen: {} during a check, {} during count(*)",
        workers.0, workers.1
    )
}

fn write_samples(out: &mut Formatter<'_>, name: &str, samples: &[Sample]) -> fmt::Result {
    let spreads = (
        spread(samples, |sample| sample.active),
        spread(samples, |sample| sample.statements),
        spread(samples, |sample| sample.wall),
    );
    let (Some(active), Some(statements), Some(wall)) = spreads else {
        return Ok(());
    };
    write!(
        out,
        "   {name:31}{:>9.3}{:>9.3}{:>9.3}",
        active.minimum, active.median, active.maximum
    )?;
    writeln!(out, "{:>15.3}{:>15.3}", statements.median, wall.median)
}

fn write_targets(out: &mut Formatter<'_>, comparison: &Comparison) -> fmt::Result {
    for check in &comparison.checks {
        let Some(active) = spread(&check.samples, |sample| sample.active) else {
            continue;
        };
        let ratio = ratio(&comparison.count, &check.samples, |sample| sample.active);
        write_target(
            out,
            &in_budget("under 1 s in the database", check),
            active.median < TARGET_SECONDS,
        )?;
        let is_reached = ratio.is_some_and(|ratio| ratio >= TARGET_RATIO);
        write_target(
            out,
            &in_budget("at least 50 times less than count(*)", check),
            is_reached,
        )?;
    }
    Ok(())
}

fn in_budget(what: &str, check: &Checks) -> String {
    format!("{what}, budget {} ms", check.counting_budget.as_millis())
}

fn write_throughput(out: &mut Formatter<'_>, throughput: &[Throughput]) -> fmt::Result {
    writeln!(
        out,
        "{:34}{:>27}{:>27}{:>18}",
        "", "transactions a second", "lost, in percent", "a check took, s"
    )?;
    write!(
        out,
        "{:34}{:>9}{:>9}{:>9}",
        "", "minimum", "median", "maximum"
    )?;
    writeln!(
        out,
        "{:>9}{:>9}{:>9}{:>9}{:>9}",
        "minimum", "median", "maximum", "median", "maximum"
    )?;
    let mut targets = Vec::new();
    for Throughput { workload, paces } in throughput {
        let without = paces
            .iter()
            .find(|measured| measured.pace == Pace::Never)
            .map_or(&[][..], |measured| &measured.throughput);
        for Measured {
            pace,
            throughput,
            checks,
        } in paces
        {
            let name = format!("{}, {}", workload.name(), in_words(*pace));
            let Some(spread) = Spread::of(throughput.iter().copied()) else {
                continue;
            };
            write!(
                out,
                "   {name:31}{:>9.0}{:>9.0}{:>9.0}",
                spread.minimum, spread.median, spread.maximum
            )?;
            if *pace != Pace::Never
                && let Some(lost) = Spread::of(losses(without, throughput))
            {
                write!(
                    out,
                    "{:>9.1}{:>9.1}{:>9.1}",
                    lost.minimum, lost.median, lost.maximum
                )?;
                targets.push((format!("under 5 % lost, {name}"), lost.median < TARGET_LOSS));
            }
            match Spread::of(checks.iter().copied()) {
                Some(took) => writeln!(out, "{:>9.3}{:>9.3}", took.median, took.maximum)?,
                None => writeln!(out)?,
            }
        }
    }
    targets
        .iter()
        .try_for_each(|(target, is_reached)| write_target(out, target, *is_reached))
}

fn in_words(pace: Pace) -> String {
    match pace {
        Pace::Never => "no checks".to_owned(),
        Pace::Every(time) => format!("one every {} s", time.as_secs()),
        Pace::BackToBack => "back to back".to_owned(),
    }
}

fn ratio(count: &[Sample], check: &[Sample], figure: fn(&Sample) -> f64) -> Option<f64> {
    Some(spread(count, figure)?.median / spread(check, figure)?.median)
}

fn spread(samples: &[Sample], figure: fn(&Sample) -> f64) -> Option<Spread> {
    Spread::of(samples.iter().map(figure))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "bytes on a disk, told to a tenth of a gibibyte"
)]
fn as_float(bytes: u64) -> f64 {
    bytes as f64
}

/// A number as people read it: `100,000,000`.
pub fn in_thousands(number: impl Display) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::pgbench::Workload;

    fn comparison(check: f64, count: f64) -> Comparison {
        let sample = |active: f64| Sample {
            active,
            statements: active * 0.5,
            wall: active * 2.0,
        };
        let checks = |milliseconds, check: f64| Checks {
            counting_budget: Duration::from_millis(milliseconds),
            samples: vec![sample(check), sample(check * 1.5), sample(check * 2.0)],
            found: Found {
                tables: 27,
                exact: 23,
                enough: 4,
                estimated: 0,
                surely: 1_234_567,
            },
        };
        Comparison {
            tables: 27,
            rows: 100_000_000,
            size: 4 * GIBIBYTE,
            checks: vec![checks(500, check), checks(50, check / 10.0)],
            count: vec![sample(count), sample(count), sample(count)],
            workers: (0, 2),
        }
    }

    fn throughput(workload: Workload, lost: f64) -> Throughput {
        let measured = |pace, left: f64, checks: &[f64]| Measured {
            pace,
            throughput: vec![1_000.0 * left, 1_100.0 * left],
            checks: checks.to_vec(),
        };
        let paces = vec![
            measured(Pace::Never, 1.0, &[]),
            measured(Pace::Every(Duration::from_secs(10)), 1.0 - lost, &[0.5]),
            measured(Pace::BackToBack, 1.0 - lost * 10.0, &[0.6, 0.7]),
        ];
        Throughput { workload, paces }
    }

    #[test]
    fn a_report_reads() {
        let report = Report {
            machine: Machine {
                cores: 2,
                processor: "a fast one".to_owned(),
                memory: 24 * GIBIBYTE,
            },
            version: "15.18".to_owned(),
            plan: Plan {
                rows: 100_000_000,
                tables: 10_000,
                partitions: 4_000,
                rounds: 3,
                window: Duration::from_secs(20),
                every: Duration::from_secs(10),
                counting_budgets: vec![Duration::from_millis(500), Duration::from_millis(50)],
                folder: "/tmp".into(),
                quick: false,
            },
            large: comparison(0.5, 8.0),
            throughput: vec![
                throughput(Workload::TpcbLike, 0.02),
                throughput(Workload::SelectOnly, 0.01),
            ],
            many: comparison(0.01, 2.0),
            partitions: comparison(0.03, 0.3),
            copied: comparison(0.5, 8.0),
            replica: comparison(0.002, 8.0),
        };
        insta::assert_snapshot!(report);
    }

    #[test]
    fn thousands_are_parted() {
        let numbers = [0, 999, 1_000, 26_337, 100_000_000].map(in_thousands);
        assert_eq!(numbers, ["0", "999", "1,000", "26,337", "100,000,000"]);
    }
}
