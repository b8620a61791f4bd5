//! Fills databases: rows are copied in frozen, so that they lie as in a table that was vacuumed
//! long ago, then analyzed.

use anyhow::{Context as _, Result};
use tokio_postgres::Client;

use crate::layout::{Table, partition_statements, total_rows};
use crate::progress::say;
use crate::report::in_thousands;
use crate::server::{MAINTENANCE, Server};

/// How many rows are loaded between two words about it.
const STEP: u64 = 5_000_000;
/// How many tables are made in one transaction.
const BATCH: usize = 100;

/// Makes a database with these tables; says how many bytes it has.
pub async fn load(server: &Server, database: &str, tables: &[Table]) -> Result<u64> {
    let (count, rows) = (tables.len(), total_rows(tables));
    let what = format!(
        "{} rows in {} tables",
        in_thousands(rows),
        in_thousands(count as u64)
    );
    say(&format!("loading database {database}: {what}"));
    let client = create(server, database).await?;
    let mut progress = Progress {
        rows: 0,
        told: 0,
        of: rows,
    };
    for batch in tables.chunks(BATCH) {
        let (large, small): (Vec<_>, Vec<_>) = batch.iter().partition(|table| table.rows > STEP);
        let statements: Vec<String> = small
            .iter()
            .map(|table| {
                format!(
                    "{}; {}",
                    build_create(table),
                    build_copy(table, 1, table.rows)
                )
            })
            .collect();
        // One transaction: rows can be frozen only in a table that is as new as they are.
        client
            .batch_execute(&statements.join("; "))
            .await
            .context("small tables can't be filled")?;
        progress.tell(total_rows(&small.into_iter().cloned().collect::<Vec<_>>()));
        for table in large {
            fill(&client, table, &mut progress)
                .await
                .with_context(|| format!("table {} can't be filled", table.name))?;
        }
    }
    finish(&client, database).await
}

/// Creates a database; returns a session in it.
async fn create(server: &Server, database: &str) -> Result<Client> {
    server
        .superuser(MAINTENANCE)
        .await?
        .batch_execute(&format!("create database {database}"))
        .await?;
    server.superuser(database).await
}

/// Leaves a database as it lies after a while; says how many bytes it has.
async fn finish(client: &Client, database: &str) -> Result<u64> {
    say(&format!("analyzing database {database}"));
    client.batch_execute("vacuum (analyze)").await?;
    client.batch_execute("checkpoint").await?;
    let size: i64 = client
        .query_one("select pg_database_size(current_database())", &[])
        .await?
        .get(0);
    Ok(u64::try_from(size)?)
}

/// Makes a database with a table of that many partitions; says how many bytes it has.
pub async fn load_partitions(server: &Server, database: &str, partitions: u64) -> Result<u64> {
    say(&format!(
        "loading database {database}: {} partitions",
        in_thousands(partitions)
    ));
    let client = create(server, database).await?;
    for batch in partition_statements(partitions).chunks(BATCH) {
        client.batch_execute(&batch.join("; ")).await?;
    }
    finish(&client, database).await
}

/// Gives these tables to a role that is no superuser, as most applications have one: a check counts
/// them by COPY.
pub async fn hand_over(server: &Server, database: &str, tables: &[Table]) -> Result<()> {
    say(&format!(
        "giving the tables of database {database} to an ordinary role"
    ));
    let statements: Vec<String> = tables
        .iter()
        .map(|table| format!("alter table public.{} owner to application", table.name))
        .collect();
    let client = server.superuser(database).await?;
    client.batch_execute("create role application").await?;
    client.batch_execute(&statements.join("; ")).await?;
    Ok(())
}

async fn fill(client: &Client, table: &Table, progress: &mut Progress) -> Result<()> {
    client
        .batch_execute(&format!("begin; {}", build_create(table)))
        .await?;
    let mut from = 1;
    while from <= table.rows {
        let to = (from + STEP - 1).min(table.rows);
        client.batch_execute(&build_copy(table, from, to)).await?;
        progress.tell(to + 1 - from);
        from = to + 1;
    }
    client.batch_execute("commit").await?;
    Ok(())
}

fn build_create(table: &Table) -> String {
    format!("create table public.{} (id bigint not null)", table.name)
}

/// The server itself runs `seq`, which is faster than anything that is sent to it.
fn build_copy(table: &Table, from: u64, to: u64) -> String {
    format!(
        "copy public.{} from program 'seq {from} {to}' with (freeze)",
        table.name
    )
}

/// How far it is.
struct Progress {
    rows: u64,
    told: u64,
    of: u64,
}

impl Progress {
    fn tell(&mut self, more: u64) {
        self.rows += more;
        if self.rows >= self.told + STEP {
            self.told = self.rows;
            say(&format!(
                "  {} of {} rows",
                in_thousands(self.rows),
                in_thousands(self.of)
            ));
        }
    }
}
