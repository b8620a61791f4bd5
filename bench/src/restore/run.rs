//! One run: every way in turns, and one report.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::arguments::RestoreArguments;
use super::clients::Clients;
use super::report::{Figures, RestoreReport, Swap};
use super::ways::{Measured, Source, Way};
use crate::backup::{DATABASE, Setting};
use crate::machine::{GIBIBYTE, Machine, ensure_room};
use crate::progress::say;
use crate::server::MAINTENANCE;

/// How many times the size of the dump is needed: two databases with indexes, the log, the set, two files.
const TIMES_SIZE: u64 = 9;
/// How long clients go on after the swap.
const AFTERWARDS: Duration = Duration::from_secs(2);
/// What is built beside each other once the rows are there.
const INDEXES: &str = "create index on orders (placed_at); create index on orders (token); \
    create index on orders (md5(body)); create index on counters (n)";

/// Measures everything; the servers are gone when this returns.
pub async fn run(arguments: &RestoreArguments) -> Result<RestoreReport> {
    let plan = arguments.plan();
    let machine = Machine::fetch()?;
    let backup = &plan.backup;
    let needed = backup.size * TIMES_SIZE + GIBIBYTE;
    ensure_room(&backup.folder, needed)?;
    say(&format!(
        "starting Postgres and an S3 server in {}; up to {} GiB of disk are needed",
        backup.folder.display(),
        needed.div_ceil(GIBIBYTE)
    ));
    let setting = Setting::start(backup).await?;
    let session = setting.server.superuser(MAINTENANCE).await?;
    let version = session.query_one("show server_version", &[]).await?.get(0);
    // Restores create databases.
    let role = crate::server::CHECKING_ROLE;
    session
        .batch_execute(&format!("alter role {role} superuser"))
        .await?;
    say("building indexes, then backing up in each way");
    setting
        .server
        .superuser(DATABASE)
        .await?
        .batch_execute(INDEXES)
        .await?;
    let source = Source::prepare(&setting, plan.jobs).await?;
    // Once, so that everything is in memory for the first one that is measured.
    say("warming up");
    source.measure(&setting, Way::Parallel).await?;
    let mut measured: BTreeMap<Way, Vec<Measured>> = BTreeMap::new();
    for round in 0..backup.rounds {
        // Each round begins with another, so that what the machine does over time hits all.
        let first = usize::from(round) % Way::ALL.len();
        for way in Way::ALL[first..].iter().chain(&Way::ALL[..first]) {
            let one = source.measure(&setting, *way).await?;
            let seconds = one.seconds;
            say(&format!(
                "  round {} of {}: {way} {seconds:.1} s",
                round + 1,
                backup.rounds
            ));
            measured.entry(*way).or_default().push(one);
        }
    }
    say("restoring in the place of the present database, with clients that connect all the time");
    let clients = Clients::start(&setting);
    let replaced = source.replace(&setting).await?;
    // Those that wait for their turn then have one.
    tokio::time::sleep(AFTERWARDS).await;
    let swap = Swap {
        outage: replaced.outage.context("no names were swapped")?,
        longest: clients.end().await?,
    };
    let figures = measured.into_iter();
    Ok(RestoreReport {
        machine,
        version,
        rows: setting.rows,
        raw_bytes: source.set.raw_bytes,
        figures: figures
            .filter_map(|(way, measured)| Some((way, Figures::of(&measured)?)))
            .collect(),
        swap,
        plan,
    })
}
