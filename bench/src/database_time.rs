//! How long the server worked for one role in one database, by its own account.

use std::cell::Cell;
use std::convert::Infallible;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::sleep;
use tokio_postgres::Client;

use crate::server::{MAINTENANCE, Server};

/// How often it is looked for parallel workers.
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

/// One measurement, in seconds. The server's two accounts, because each leaves something out, and
/// the clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// `active_time` of `pg_stat_database`: from a statement's arrival to its end, parsing,
    /// planning and what was cancelled included.
    pub active: f64,
    /// `total_exec_time` of `pg_stat_statements`: the execution of the statements that came to
    /// their end.
    pub statements: f64,
    /// What passed for the one who asked, logging in included.
    pub wall: f64,
}

/// Reads both accounts of what is done in between.
pub struct Meter<'a> {
    server: &'a Server,
    observer: Client,
}

impl<'a> Meter<'a> {
    /// Gets ready; its own session is in a database that nothing is measured in.
    pub async fn connect(server: &'a Server) -> Result<Self> {
        Ok(Self {
            server,
            observer: server.superuser(MAINTENANCE).await?,
        })
    }

    /// The time that this role makes the server work in this database; nobody else may work there
    /// meanwhile.
    pub async fn measure<T>(
        &self,
        role: &str,
        database: &str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<(T, Sample)> {
        self.server
            .wait_for_sessions_to_end(&self.observer, role)
            .await?;
        self.observer
            .batch_execute("select pg_stat_statements_reset()")
            .await?;
        let before = self.fetch_active(database).await?;
        let begin = tokio::time::Instant::now();
        let done = work.await?;
        let wall = begin.elapsed().as_secs_f64();
        // A session hands in what it did before it is gone.
        self.server
            .wait_for_sessions_to_end(&self.observer, role)
            .await?;
        let milliseconds = (
            self.fetch_active(database).await? - before,
            self.fetch_statements(role).await?,
        );
        Ok((
            done,
            Sample {
                active: milliseconds.0 / 1_000.0,
                statements: milliseconds.1 / 1_000.0,
                wall,
            },
        ))
    }

    /// The most parallel workers that were seen at a time while something was done.
    pub async fn watch<T>(&self, work: impl Future<Output = Result<T>>) -> Result<i64> {
        let observer = self.server.superuser(MAINTENANCE).await?;
        let seen = Cell::new(0);
        let watching: Result<Infallible> = tokio::select! {
            done = work => { done?; return Ok(seen.get()) }
            problem = watch_workers(&observer, &seen) => problem,
        };
        match watching? {}
    }

    async fn fetch_active(&self, database: &str) -> Result<f64> {
        Ok(self
            .observer
            .query_one(
                "select active_time from pg_stat_database where datname = $1",
                &[&database],
            )
            .await?
            .get(0))
    }

    async fn fetch_statements(&self, role: &str) -> Result<f64> {
        let forgotten: i64 = self
            .observer
            .query_one("select dealloc from pg_stat_statements_info", &[])
            .await?
            .get(0);
        ensure!(
            forgotten == 0,
            "pg_stat_statements forgot statements, so its sum is too small; raise \
             pg_stat_statements.max in bench/src/server.rs"
        );
        let sum = "select coalesce(sum(total_exec_time), 0)::float8 from pg_stat_statements as \
                   statements join pg_roles as roles on roles.oid = statements.userid where \
                   roles.rolname = $1";
        Ok(self.observer.query_one(sum, &[&role]).await?.get(0))
    }
}

/// Looks for parallel workers until it is dropped.
async fn watch_workers(observer: &Client, seen: &Cell<i64>) -> Result<Infallible> {
    loop {
        let question =
            "select count(*) from pg_stat_activity where backend_type = 'parallel worker'";
        let workers: i64 = observer.query_one(question, &[]).await?.get(0);
        seen.set(seen.get().max(workers));
        sleep(BETWEEN_LOOKS).await;
    }
}
