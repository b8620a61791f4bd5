//! What checks cost a server that is busy: pgbench in windows, without checks, with one every few
//! seconds, and with one after the other.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::{Context as _, Result};
use holdfast::api::{Evidence, TableRule};
use tokio::time::{Instant, sleep_until};

use crate::arguments::Plan;
use crate::pgbench::{self, Workload};
use crate::progress::say;
use crate::server::{CHECKING_ROLE, MAINTENANCE, Server};

/// Throughput differs from one window to the next by more than a check costs, so there are more
/// rounds of it than of the rest.
const MORE_ROUNDS: u16 = 2;

/// When checks are made during a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Never.
    Never,
    /// One every so often.
    Every(Duration),
    /// One after the other, as no schedule asks for.
    BackToBack,
}

/// What was measured at one pace.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    pub pace: Pace,
    /// Transactions in a second, a window each.
    pub throughput: Vec<f64>,
    /// How long the checks took that ended within a window, in seconds.
    pub checks: Vec<f64>,
}

/// What was measured with one kind of work.
#[derive(Clone, Debug, PartialEq)]
pub struct Throughput {
    /// The kind of work.
    pub workload: Workload,
    /// Without checks first.
    pub paces: Vec<Measured>,
}

/// Measures with one kind of work. A check looks at pgbench's database and at the large one, with
/// these rules.
pub async fn measure(
    server: &Server,
    workload: Workload,
    large: &str,
    rules: &[TableRule],
    plan: &Plan,
) -> Result<Throughput> {
    let observer = server.superuser(MAINTENANCE).await?;
    let budget = plan
        .counting_budgets
        .first()
        .copied()
        .context("no counting budget is given")?;
    let check = async || {
        server
            .check(&[pgbench::DATABASE, large], rules, budget)
            .await
    };
    let paces = [Pace::Never, Pace::Every(plan.every), Pace::BackToBack];
    let mut measured: Vec<Measured> = paces
        .into_iter()
        .map(|pace| Measured {
            pace,
            throughput: Vec::new(),
            checks: Vec::new(),
        })
        .collect();
    say(&format!("pgbench, {}: warming up", workload.name()));
    pgbench::work(server, workload, plan.window / 2 + Duration::from_secs(1)).await?;
    let rounds = plan.rounds.saturating_mul(MORE_ROUNDS);
    for round in 0..rounds {
        for position in 0..paces.len() {
            // Each round begins with another pace, so that no pace is always measured first.
            let measured = &mut measured[(usize::from(round) + position) % paces.len()];
            server
                .wait_for_sessions_to_end(&observer, CHECKING_ROLE)
                .await?;
            // What a checkpoint costs belongs to no window, and each begins with none behind it.
            observer.batch_execute("checkpoint").await?;
            let throughput = tokio::select! {
                throughput = pgbench::work(server, workload, plan.window) => throughput?,
                problem = make_checks(measured.pace, check, &mut measured.checks) => match problem? {},
            };
            measured.throughput.push(throughput);
        }
        let told: Vec<String> = measured
            .iter()
            .filter_map(|measured| Some(format!("{:.0}", measured.throughput.last()?)))
            .collect();
        say(&format!(
            "  round {} of {}: {} transactions a second",
            round + 1,
            rounds,
            told.join(", ")
        ));
    }
    Ok(Throughput {
        workload,
        paces: measured,
    })
}

/// Makes checks at a pace until it is dropped.
async fn make_checks(
    pace: Pace,
    check: impl AsyncFn() -> Result<Evidence>,
    took: &mut Vec<f64>,
) -> Result<Infallible> {
    let mut next = match pace {
        Pace::Never => return std::future::pending().await,
        Pace::Every(time) => Instant::now() + time / 2,
        Pace::BackToBack => Instant::now(),
    };
    loop {
        sleep_until(next).await;
        let begin = Instant::now();
        check().await?;
        took.push(begin.elapsed().as_secs_f64());
        next = match pace {
            Pace::Every(time) => next + time,
            Pace::Never | Pace::BackToBack => Instant::now(),
        };
    }
}
