//! One run: every way in turns, directly and over the slow link, and one report.

use std::collections::BTreeMap;

use anyhow::Result;

use super::arguments::{BackupArguments, BackupPlan};
use super::measure::{Measured, measure};
use super::report::{BackupReport, Figures};
use super::setting::{DATABASE, Route, Setting};
use super::ways::Way;
use crate::machine::{GIBIBYTE, Machine, ensure_room};
use crate::progress::say;
use crate::server::MAINTENANCE;

/// How many times the size of the dump is needed: the database, its log, and one backup.
const TIMES_SIZE: u64 = 4;

/// Measures everything; the servers are gone when this returns.
pub async fn run(arguments: &BackupArguments) -> Result<BackupReport> {
    let plan = arguments.plan();
    let machine = Machine::fetch()?;
    let needed = plan.size * TIMES_SIZE + GIBIBYTE;
    ensure_room(&plan.folder, needed)?;
    let (ways, left_out): (Vec<Way>, Vec<Way>) = Way::ALL
        .into_iter()
        .partition(|way| way.missing().is_none());
    for way in &left_out {
        say(&format!("{}", LeftOut(*way)));
    }
    say(&format!(
        "starting Postgres and an S3 server in {}; up to {} GiB of disk are needed",
        plan.folder.display(),
        needed.div_ceil(GIBIBYTE)
    ));
    let setting = Setting::start(&plan).await?;
    let session = setting.server.superuser(MAINTENANCE).await?;
    let version = session.query_one("show server_version", &[]).await?.get(0);
    let size = format!("select pg_database_size('{DATABASE}')");
    let size: i64 = session.query_one(&size, &[]).await?.get(0);
    // Once, so that the database is in memory for the first one that is measured.
    say("warming up");
    measure(&setting, Way::Floor, Route::Direct).await?;
    let direct = measure_all(&setting, &ways, Route::Direct, &plan).await?;
    let link = measure_all(&setting, &ways, Route::Link, &plan).await?;
    Ok(BackupReport {
        machine,
        version,
        database_size: u64::try_from(size)?,
        rows: setting.rows,
        plan,
        direct,
        link,
        left_out: left_out
            .iter()
            .map(|way| LeftOut(*way).to_string())
            .collect(),
    })
}

/// Says that a way is left out.
struct LeftOut(Way);

impl std::fmt::Display for LeftOut {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hint = self.0.missing().unwrap_or_default();
        write!(to, "{} is left out: it is not installed ({hint})", self.0)
    }
}

async fn measure_all(
    setting: &Setting,
    ways: &[Way],
    route: Route,
    plan: &BackupPlan,
) -> Result<Vec<(Way, Figures)>> {
    let (rounds, what) = match route {
        Route::Direct => (plan.rounds, "directly"),
        Route::Link => (plan.link_rounds, "over the slow link"),
    };
    let mut measured: BTreeMap<Way, Vec<Measured>> = BTreeMap::new();
    for round in 0..rounds {
        // Each round begins with another, so that what the machine does over time hits all.
        let first = usize::from(round) % ways.len();
        for way in ways[first..].iter().chain(&ways[..first]) {
            let one = measure(setting, *way, route).await?;
            say(&format!(
                "  round {} of {rounds}, {what}: {way} {:.1} s",
                round + 1,
                one.seconds
            ));
            measured.entry(*way).or_default().push(one);
        }
    }
    let figures = measured.into_iter();
    Ok(figures
        .filter_map(|(way, measured)| Some((way, Figures::of(&measured)?)))
        .collect())
}
