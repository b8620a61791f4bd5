//! One run: the databases are loaded, measured one after the other, and told about in one report.

use anyhow::Result;

use crate::arguments::Arguments;
use crate::comparison::compare;
use crate::layout::{large_database, many_partitions, many_tables, rules, size_on_disk};
use crate::load::{hand_over, load, load_partitions};
use crate::machine::{GIBIBYTE, Machine, ensure_room};
use crate::pgbench::{self, Workload};
use crate::progress::say;
use crate::report::Report;
use crate::server::{CHECK_SETTINGS, MAINTENANCE, Server};
use crate::throughput::measure;

/// The names of the databases.
const LARGE: &str = "large";
const MANY: &str = "many";
const PARTITIONS: &str = "partitions";
/// What the server itself takes, pgbench's tables, the empty partitions, and its log until the next
/// checkpoint.
const SERVER_SIZE: u64 = 3 * GIBIBYTE;

/// Measures everything; the server is gone when this returns.
pub async fn run(arguments: &Arguments) -> Result<Report> {
    let plan = arguments.plan();
    let (large, many) = (large_database(plan.rows), many_tables(plan.tables));
    let machine = Machine::fetch()?;
    let needed = size_on_disk(&large) + size_on_disk(&many) + SERVER_SIZE;
    ensure_room(&plan.folder, needed)?;
    say(&format!(
        "starting a Postgres in {}; up to {} GiB of disk are needed",
        plan.folder.display(),
        needed.div_ceil(GIBIBYTE)
    ));
    let mut server = Server::start(&plan.folder, CHECK_SETTINGS).await?;
    let version: String = server
        .superuser(MAINTENANCE)
        .await?
        .query_one("show server_version", &[])
        .await?
        .get(0);

    let size = load(&server, LARGE, &large).await?;
    let large_comparison = compare(&server, LARGE, &large, size, &plan).await?;
    say("making pgbench's tables");
    pgbench::initialize(&server).await?;
    let mut throughput = Vec::new();
    for workload in [Workload::TpcbLike, Workload::SelectOnly] {
        throughput.push(measure(&server, workload, LARGE, &rules(LARGE, &large), &plan).await?);
    }
    let size = load(&server, MANY, &many).await?;
    let many_comparison = compare(&server, MANY, &many, size, &plan).await?;
    let partitioned = many_partitions(plan.partitions);
    let size = load_partitions(&server, PARTITIONS, plan.partitions).await?;
    let partitions_comparison = compare(&server, PARTITIONS, &partitioned, size, &plan).await?;
    hand_over(&server, LARGE, &large).await?;
    let copied_comparison = compare(&server, LARGE, &large, large_comparison.size, &plan).await?;
    say("starting the server again, as a replica");
    server.become_replica().await?;
    let replica_comparison = compare(&server, LARGE, &large, large_comparison.size, &plan).await?;
    Ok(Report {
        machine,
        version,
        plan,
        large: large_comparison,
        throughput,
        many: many_comparison,
        partitions: partitions_comparison,
        copied: copied_comparison,
        replica: replica_comparison,
    })
}
