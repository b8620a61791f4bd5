//! A session with the server: every query has an end in time, and every answer is read as text.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use super::incoming::CopiedRows;
use super::settings::{Limits, build_local_settings};
use super::{Login, PostgresError, PostgresErrorKind, classify, read_name};

/// The longest wait for a lock of others.
pub(super) const LOCK_LIMIT: Duration = Duration::from_secs(5);

/// An open connection to one database.
#[derive(Debug)]
pub struct Session {
    client: Client,
    driver: JoinHandle<()>,
    login: Login,
    database: String,
    deadline: Instant,
    restricted: bool,
    /// Whether this database holds text that the server can't translate for us.
    untranslated: AtomicBool,
    /// Whether all that is asked is part of one transaction that is open.
    is_in_transaction: AtomicBool,
    copied: CopiedRows,
}

/// What one statement has answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub rows: Vec<SimpleQueryRow>,
    /// How many rows the server says that there were. Those of COPY are nowhere else: they are
    /// counted as they come and not kept.
    pub count: u64,
}

impl Session {
    pub(super) const fn new(
        client: Client,
        driver: JoinHandle<()>,
        login: Login,
        database: String,
        deadline: Instant,
        restricted: bool,
        copied: CopiedRows,
    ) -> Self {
        Self {
            client,
            driver,
            login,
            database,
            deadline,
            restricted,
            untranslated: AtomicBool::new(false),
            is_in_transaction: AtomicBool::new(false),
            copied,
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

    /// Runs statements in one transaction and returns the rows of all of them.
    pub async fn fetch_rows(&self, sql: &str) -> Result<Vec<SimpleQueryRow>, PostgresError> {
        Ok(self.fetch_sets(sql).await?.into_iter().flatten().collect())
    }

    /// Runs statements in one transaction and one round trip, and returns the rows of each.
    pub async fn fetch_sets(&self, sql: &str) -> Result<Vec<Vec<SimpleQueryRow>>, PostgresError> {
        let remaining = self.deadline.saturating_duration_since(Instant::now());
        self.fetch_within(sql, remaining, LOCK_LIMIT).await
    }

    /// Whether a name can be written in a statement: text that is not translated when it is read is
    /// still translated when it is sent.
    pub(super) fn can_name(&self, name: &str) -> bool {
        name.is_ascii() || !self.untranslated.load(Ordering::Relaxed)
    }

    /// How many rows COPY has sent since this was asked the last time, whether it has ended or not.
    pub(super) fn take_copied(&self) -> i64 {
        self.copied.take()
    }

    /// The same, where no statement may take longer than `time`, nor wait longer than `lock` for
    /// a lock.
    pub(super) async fn fetch_within(
        &self,
        sql: &str,
        time: Duration,
        lock: Duration,
    ) -> Result<Vec<Vec<SimpleQueryRow>>, PostgresError> {
        let answers = self.fetch_answers(sql, time, lock).await?;
        Ok(answers.into_iter().map(|answer| answer.rows).collect())
    }

    /// The same, with how many rows each statement had.
    pub(super) async fn fetch_answers(
        &self,
        sql: &str,
        time: Duration,
        lock: Duration,
    ) -> Result<Vec<Answer>, PostgresError> {
        let answer = self.fetch_once(sql, time, lock).await;
        match answer {
            // Names in another encoding than their database's: they come as they are.
            Err(error)
                if error.kind == PostgresErrorKind::Untranslatable
                    && !self.untranslated.swap(true, Ordering::Relaxed) =>
            {
                self.copied.take();
                self.fetch_once(sql, time, lock).await
            }
            answer => answer,
        }
    }

    async fn fetch_once(
        &self,
        sql: &str,
        time: Duration,
        lock: Duration,
    ) -> Result<Vec<Answer>, PostgresError> {
        let settings = self.build_local_settings(time, lock);
        if self.is_in_transaction.load(Ordering::Relaxed) {
            return self.fetch_in_transaction(&settings, sql).await;
        }
        // Statements of one message are one transaction, which ends with it.
        let mut answers = part(self.send(&format!("{settings}; {sql}")).await?);
        if !answers.is_empty() {
            answers.remove(0);
        }
        Ok(answers)
    }

    /// The same in the transaction that is open. An error does not end it, and no lock is kept.
    async fn fetch_in_transaction(
        &self,
        settings: &str,
        sql: &str,
    ) -> Result<Vec<Answer>, PostgresError> {
        const BACK: &str = "rollback to savepoint holdfast; release savepoint holdfast";
        let statements = format!("savepoint holdfast; {settings}; {sql}; {BACK}");
        match self.send(&statements).await {
            Ok(messages) => {
                let mut answers = part(messages);
                answers.truncate(answers.len().saturating_sub(2));
                Ok(answers.into_iter().skip(2).collect())
            }
            Err(error) => {
                if !error.kind.is_of_the_connection() {
                    self.send(BACK).await?;
                }
                Err(error)
            }
        }
    }

    /// Takes note that a transaction was begun that stays open as long as the session.
    pub(super) fn stay_in_transaction(&self) {
        self.is_in_transaction.store(true, Ordering::Relaxed);
    }

    /// The statement that puts our settings in force for a transaction.
    pub(super) fn build_local_settings(&self, time: Duration, lock: Duration) -> String {
        build_local_settings(Limits {
            time,
            lock: lock.min(time),
            restricted: self.restricted,
            untranslated: self.untranslated.load(Ordering::Relaxed),
        })
    }

    /// Runs a statement with the settings that the session has.
    pub(super) async fn fetch_plainly(
        &self,
        sql: &str,
    ) -> Result<Vec<SimpleQueryRow>, PostgresError> {
        let answers = part(self.send(sql).await?).into_iter();
        Ok(answers.flat_map(|answer| answer.rows).collect())
    }

    async fn send(&self, sql: &str) -> Result<Vec<SimpleQueryMessage>, PostgresError> {
        match tokio::time::timeout_at(self.deadline, self.client.simple_query(sql)).await {
            Ok(Ok(messages)) => Ok(messages),
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

    /// A column with a name, by [`name_column`](super::name_column): with what is no UTF-8 shown
    /// by its bytes, and whether there was nothing like that.
    pub fn name(
        &self,
        row: &SimpleQueryRow,
        column: &str,
    ) -> Result<(String, bool), PostgresError> {
        read_name(self.text(row, column)?)
            .ok_or_else(|| self.odd_answer(&format!("no name in column {column}")))
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

/// The answer to each statement: the server says where one ends.
fn part(messages: Vec<SimpleQueryMessage>) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut rows = Vec::new();
    for message in messages {
        match message {
            SimpleQueryMessage::Row(row) => rows.push(row),
            SimpleQueryMessage::CommandComplete(count) => answers.push(Answer {
                rows: std::mem::take(&mut rows),
                count,
            }),
            _ => {}
        }
    }
    answers
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
