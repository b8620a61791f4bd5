//! A session that writes. Only a restore has one: everything else here reads.

use std::ops::Deref;
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::SimpleQueryRow;

use super::connect::{Purpose, connect_for};
use super::{Login, PostgresError, Session};

/// How long a server that starts is waited for.
const CONNECT_LIMIT: Duration = Duration::from_mins(2);
/// A session that waits while a program works must not be ended for it. Older versions do not know all
/// of these.
const WITHOUT_AN_END: &str = "select case when pg_catalog.current_setting(asked.name, true) is not null \
    then pg_catalog.set_config(asked.name, '0', false) end as value from (values \
    ('idle_session_timeout'), ('transaction_timeout')) as asked(name); set tcp_keepalives_idle = 2; set \
    tcp_keepalives_interval = 1; set tcp_keepalives_count = 3";

/// A session that writes. Every statement takes effect by itself unless it is between `begin` and
/// `commit`.
#[derive(Debug)]
pub struct Writer {
    session: Session,
}

impl Writer {
    /// Connects, under that name in `pg_stat_activity`.
    pub async fn connect(
        login: &Login,
        database: &str,
        application: &str,
        deadline: Instant,
    ) -> Result<Self, PostgresError> {
        let purpose = Purpose::Writing { application };
        let until = deadline.min(Instant::now() + CONNECT_LIMIT);
        let session = connect_for(purpose, login, database, until, deadline).await?;
        session.fetch_plainly(WITHOUT_AN_END).await?;
        Ok(Self { session })
    }

    /// Runs statements and returns the rows of all of them.
    pub async fn run(&self, sql: &str) -> Result<Vec<SimpleQueryRow>, PostgresError> {
        self.session.fetch_plainly(sql).await
    }
}

/// What is asked by it is read as by any session.
impl Deref for Writer {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}
