//! A session with the server: every query has an end in time, and every answer is read as text.

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use super::{Login, PostgresError, PostgresErrorKind, classify};

/// An open connection to one database.
#[derive(Debug)]
pub struct Session {
    client: Client,
    driver: JoinHandle<()>,
    login: Login,
    database: String,
    deadline: Instant,
}

impl Session {
    pub(super) const fn new(
        client: Client,
        driver: JoinHandle<()>,
        login: Login,
        database: String,
        deadline: Instant,
    ) -> Self {
        Self {
            client,
            driver,
            login,
            database,
            deadline,
        }
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// The database that is asked.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Who is logged in.
    #[must_use]
    pub const fn login(&self) -> &Login {
        &self.login
    }

    /// When every query must have ended.
    #[must_use]
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Runs statements by the simple protocol and returns the rows of all of them.
    pub async fn fetch_rows(&self, sql: &str) -> Result<Vec<SimpleQueryRow>, PostgresError> {
        Ok(self.fetch_sets(sql).await?.into_iter().flatten().collect())
    }

    /// Runs statements in one round trip and returns the rows of each.
    pub async fn fetch_sets(&self, sql: &str) -> Result<Vec<Vec<SimpleQueryRow>>, PostgresError> {
        match tokio::time::timeout_at(self.deadline, self.client.simple_query(sql)).await {
            Ok(Ok(messages)) => Ok(part(messages)),
            Ok(Err(error)) => Err(classify(&error, &self.login, &self.database)),
            Err(_) => Err(PostgresError::new(
                PostgresErrorKind::Timeout,
                format!(
                    "Postgres at {} did not answer within the timeout. It is overloaded or \
                     stopped, or the network drops its answers; raise `spec.verification.timeout` \
                     if it is only slow",
                    self.login.address()
                ),
            )),
        }
    }

    /// Runs statements that must give exactly one row.
    pub async fn fetch_row(&self, sql: &str) -> Result<SimpleQueryRow, PostgresError> {
        self.fetch_rows(sql)
            .await?
            .pop()
            .ok_or_else(|| self.odd_answer("no row"))
    }

    /// A column that must have a value.
    pub fn text<'row>(
        &self,
        row: &'row SimpleQueryRow,
        column: &str,
    ) -> Result<&'row str, PostgresError> {
        match row.try_get(column) {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(self.odd_answer(&format!("nothing in column {column}"))),
            Err(error) => Err(self.odd_answer(&error.to_string())),
        }
    }

    /// A column that must hold a whole number.
    pub fn number(&self, row: &SimpleQueryRow, column: &str) -> Result<i64, PostgresError> {
        self.text(row, column)?
            .parse()
            .map_err(|_| self.odd_answer(&format!("no whole number in column {column}")))
    }

    /// A column that must hold a truth value.
    pub fn truth(&self, row: &SimpleQueryRow, column: &str) -> Result<bool, PostgresError> {
        Ok(self.text(row, column)? == "t")
    }

    fn odd_answer(&self, what: &str) -> PostgresError {
        PostgresError::new(
            PostgresErrorKind::QueryFailed,
            format!(
                "{} answered a query on its catalog with {what}, which no supported Postgres does; \
                 see its version and log",
                self.login.address()
            ),
        )
    }
}

/// The rows of each statement: the server says where one ends.
fn part(messages: Vec<SimpleQueryMessage>) -> Vec<Vec<SimpleQueryRow>> {
    let mut sets = Vec::new();
    let mut rows = Vec::new();
    for message in messages {
        match message {
            SimpleQueryMessage::Row(row) => rows.push(row),
            SimpleQueryMessage::CommandComplete(_) => sets.push(std::mem::take(&mut rows)),
            _ => {}
        }
    }
    sets
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
