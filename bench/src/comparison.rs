//! A check against `count(*)` of every table: both warm, several rounds, one after the other.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use holdfast::api::{CountKind, Evidence, TableEvidence};

use crate::arguments::Plan;
use crate::database_time::{Meter, Sample};
use crate::layout::{Table, rules, total_rows};
use crate::progress::say;
use crate::server::{CHECKING_ROLE, COUNTING_ROLE, Server};

/// How much a check found out: what its time bought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// How many tables there are.
    pub tables: i64,
    /// Those that were counted to their end.
    pub exact: usize,
    /// Those with a rule that have as many rows as is enough.
    pub enough: usize,
    /// Those that were estimated.
    pub estimated: usize,
    /// The rows that are surely there.
    pub surely: i64,
}

/// What was measured of one database.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// How many tables there are.
    pub tables: usize,
    pub rows: u64,
    /// The size of the database in bytes.
    pub size: u64,
    /// The checks, with one counting budget after the other.
    pub checks: Vec<Checks>,
    /// The rounds of counting.
    pub count: Vec<Sample>,
    /// The most parallel workers that were seen during a check, and while everything was counted.
    pub workers: (i64, i64),
}

/// The rounds of a check with one counting budget.
#[derive(Clone, Debug, PartialEq)]
pub struct Checks {
    /// The budget.
    pub counting_budget: Duration,
    /// The rounds.
    pub samples: Vec<Sample>,
    /// What the last one found.
    pub found: Found,
}

/// Measures a database of this size that was loaded with these tables.
pub async fn compare(
    server: &Server,
    database: &str,
    tables: &[Table],
    size: u64,
    plan: &Plan,
) -> Result<Comparison> {
    let meter = Meter::connect(server).await?;
    let (databases, rules) = ([database], rules(database, tables));
    let budgets = plan.counting_budgets.iter();
    let mut checks: Vec<Checks> = budgets
        .map(|budget| Checks {
            counting_budget: *budget,
            samples: Vec::new(),
            found: Found::default(),
        })
        .collect();
    let mut count = Vec::new();
    say(&format!("warming up database {database}"));
    count_everything(server, database, tables).await?;
    for round in 1..=plan.rounds {
        for Checks {
            counting_budget,
            samples,
            found,
        } in &mut checks
        {
            let check = server.check(&databases, &rules, *counting_budget);
            let (evidence, sample) = meter.measure(CHECKING_ROLE, database, check).await?;
            *found = sum_up(&evidence);
            samples.push(sample);
        }
        let ((), sample) = meter
            .measure(
                COUNTING_ROLE,
                database,
                count_everything(server, database, tables),
            )
            .await?;
        count.push(sample);
        let seconds = checks
            .iter()
            .filter_map(|checks| checks.samples.last())
            .map(|sample| format!("{:.3}", sample.active));
        let seconds = seconds.collect::<Vec<_>>().join(", ");
        say(&format!(
            "  round {round} of {}: a check {seconds} s, count(*) {:.3} s in the database",
            plan.rounds, sample.active
        ));
    }
    let budget = plan.counting_budgets.first().copied().unwrap_or_default();
    let workers = (
        meter
            .watch(server.check(&databases, &rules, budget))
            .await?,
        meter
            .watch(count_everything(server, database, tables))
            .await?,
    );
    Ok(Comparison {
        workers,
        tables: tables.len(),
        rows: total_rows(tables),
        size,
        checks,
        count,
    })
}

/// The alternative: counts the rows of every table, a statement a table, in one session.
async fn count_everything(server: &Server, database: &str, tables: &[Table]) -> Result<()> {
    let client = server.connect(COUNTING_ROLE, database).await?;
    let mut rows: u64 = 0;
    for table in tables {
        let statement = format!("select count(*) from public.{}", table.name);
        let counted: i64 = client
            .query_one(&statement, &[])
            .await
            .with_context(|| statement.clone())?
            .get(0);
        rows += u64::try_from(counted)?;
    }
    ensure!(
        rows == total_rows(tables),
        "{rows} rows were counted, {} were loaded",
        total_rows(tables)
    );
    Ok(())
}

fn sum_up(evidence: &Evidence) -> Found {
    let of = |kind| {
        evidence
            .tables
            .iter()
            .filter(|table| table.count == kind)
            .count()
    };
    Found {
        tables: evidence.table_count,
        exact: of(CountKind::Exact),
        enough: of(CountKind::LowerBound),
        estimated: of(CountKind::Estimated),
        surely: evidence.tables.iter().map(TableEvidence::least_rows).sum(),
    }
}
