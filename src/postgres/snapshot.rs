//! One session that exports a snapshot and stays open for a whole dump, and what distinguishes the server that
//! it is of from any other.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::time::{Instant, timeout};

use super::connect::connect_until;
use super::{
    Login, PostgresError, PostgresErrorKind, Session, connect, name_column, quote_literal,
};

/// How long a server that starts is waited for.
const CONNECT_LIMIT: Duration = Duration::from_mins(2);
/// How long the lock of an agent that was killed is waited for: its session ends when the server
/// notices that nobody is there.
const LOCK_WAIT: Duration = Duration::from_secs(15);
const LOCK_PAUSE: Duration = Duration::from_millis(500);

/// The session is idle while `pg_dump` runs: where its machine is gone the server notices within some
/// seconds, and gives the lock and the snapshot back.
const KEEP_ALIVE: &str = "set tcp_keepalives_idle = 2; set tcp_keepalives_interval = 1; set \
    tcp_keepalives_count = 3";

/// What no other server has, and this one only as long as it runs: identifier, timeline, when it
/// started, and the databases with their object ids. Nothing here depends on the snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerMark {
    /// The identifier that initdb gave it.
    pub system_identifier: String,
    /// Timeline of the write-ahead log.
    pub timeline: i64,
    /// When the server process started, as seconds with a fraction.
    pub started: String,
    /// Whether it is a replica.
    pub in_recovery: bool,
    /// Databases by name, with their object ids.
    pub databases: BTreeMap<String, i64>,
}

impl ServerMark {
    /// What is another server's, in words; none if it is the same one. Of the databases only these
    /// count: others may come and go.
    #[must_use]
    pub fn difference(&self, now: &Self, wanted: &[String]) -> Option<String> {
        if self.system_identifier != now.system_identifier {
            return Some(format!(
                "the system identifier was {} and is {}: another database cluster answers",
                self.system_identifier, now.system_identifier
            ));
        }
        if self.started != now.started {
            return Some(
                "the server process that answers was started at another time: Postgres was \
                 restarted, or another server of the same database cluster answers"
                    .to_owned(),
            );
        }
        if self.timeline != now.timeline || self.in_recovery != now.in_recovery {
            return Some(format!(
                "the timeline was {} and is {}: the server was promoted",
                self.timeline, now.timeline
            ));
        }
        wanted.iter().find_map(|name| {
            let (before, after) = (self.databases.get(name)?, now.databases.get(name));
            match after {
                Some(after) if after == before => None,
                Some(after) => Some(format!(
                    "database {name} had the object id {before} and has {after}: it was dropped and \
                     created again"
                )),
                None => Some(format!("database {name} was dropped")),
            }
        })
    }
}

/// A snapshot that `pg_dump` can use as long as the session is open.
#[derive(Debug)]
pub struct Snapshot {
    /// The session that exports it. What it asks is of the snapshot, too.
    pub session: Session,
    /// Its name, for `pg_dump --snapshot`.
    pub name: String,
    /// The server that it is of.
    pub server: ServerMark,
    /// When it was taken, by the database's clock, in whole seconds: what was committed before is in
    /// it.
    pub time: Time,
}

impl Snapshot {
    /// Opens a session and exports its snapshot. `lock`, if there is one, is the number of an advisory
    /// lock that only one such session can have; without it there is none.
    pub async fn open(
        login: &Login,
        database: &str,
        deadline: Instant,
        lock: Option<i64>,
    ) -> Result<Option<Self>, PostgresError> {
        let until = Instant::now() + CONNECT_LIMIT;
        let session = connect_until(login, database, until, deadline).await?;
        session.fetch_plainly(KEEP_ALIVE).await?;
        if let Some(lock) = lock
            && !take_lock(&session, lock).await?
        {
            return Ok(None);
        }
        session.stay_in_transaction();
        let (name, time) = export(&session).await?;
        let server = fetch_mark(&session).await?;
        Ok(Some(Self {
            session,
            name,
            server,
            time,
        }))
    }

    /// Takes another snapshot, of now. What changes a table in a way that no snapshot hides, such as
    /// `TRUNCATE`, must not come between the snapshot and the locks of `pg_dump`.
    pub async fn renew(&mut self) -> Result<(), PostgresError> {
        self.session.fetch_plainly("rollback").await?;
        (self.name, self.time) = export(&self.session).await?;
        Ok(())
    }

    /// What is another server's now, seen by this session and by a new one, which goes where
    /// `pg_dump` goes; none if both see the same server. An error means that the session is lost, or
    /// that nobody can connect any more.
    pub async fn find_difference(
        &self,
        login: &Login,
        wanted: &[String],
        limit: Duration,
    ) -> Result<Option<String>, PostgresError> {
        let here = timeout(limit, fetch_mark(&self.session)).await;
        let here = here.unwrap_or_else(|_| {
            Err(PostgresError::new(
                PostgresErrorKind::ConnectionFailed,
                "the session that has the snapshot does not answer any more",
            ))
        })?;
        if let Some(difference) = self.server.difference(&here, wanted) {
            return Ok(Some(difference));
        }
        let session = connect(login, self.session.database(), Instant::now() + limit).await?;
        let there = fetch_mark(&session).await?;
        Ok(self.server.difference(&there, wanted))
    }
}

/// Begins a transaction and exports its snapshot: the name, and when it was taken.
async fn export(session: &Session) -> Result<(String, Time), PostgresError> {
    let rows = session
        .fetch_plainly(
            "begin transaction isolation level repeatable read, read only; select \
             pg_catalog.pg_export_snapshot() as snapshot, pg_catalog.floor(extract(epoch from \
             pg_catalog.transaction_timestamp()))::bigint::text as taken",
        )
        .await?;
    let row = rows.first().ok_or_else(|| {
        PostgresError::new(
            PostgresErrorKind::QueryFailed,
            "the server exported no snapshot, which no supported Postgres does; see its log",
        )
    })?;
    let taken = Timestamp::from_second(session.number(row, "taken")?).unwrap_or_default();
    Ok((session.text(row, "snapshot")?.to_owned(), Time(taken)))
}

async fn take_lock(session: &Session, lock: i64) -> Result<bool, PostgresError> {
    let end = Instant::now() + LOCK_WAIT;
    loop {
        let rows = session
            .fetch_plainly(&format!(
                "select pg_catalog.pg_try_advisory_lock({lock}) as taken"
            ))
            .await?;
        if rows
            .first()
            .is_some_and(|row| session.truth(row, "taken").unwrap_or(false))
        {
            return Ok(true);
        }
        if Instant::now() + LOCK_PAUSE >= end {
            return Ok(false);
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
}

async fn fetch_mark(session: &Session) -> Result<ServerMark, PostgresError> {
    let query = format!(
        "select system.system_identifier::text as system_identifier, case when \
         pg_catalog.pg_is_in_recovery() then checkpoint.timeline_id::bigint else ('x' || \
         pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), \
         8))::bit(32)::bigint end::text as timeline, extract(epoch from \
         pg_catalog.pg_postmaster_start_time())::text as started, \
         pg_catalog.pg_is_in_recovery() as in_recovery from pg_catalog.pg_control_system() as system, \
         pg_catalog.pg_control_checkpoint() as checkpoint; select {} as name, oid::bigint::text as \
         oid from pg_catalog.pg_database",
        name_column("datname")
    );
    let sets = session.fetch_sets(&query).await?;
    let mut mark = ServerMark::default();
    if let Some(row) = sets.first().and_then(|rows| rows.first()) {
        session
            .text(row, "system_identifier")?
            .clone_into(&mut mark.system_identifier);
        mark.timeline = session.number(row, "timeline")?;
        session.text(row, "started")?.clone_into(&mut mark.started);
        mark.in_recovery = session.truth(row, "in_recovery")?;
    }
    for row in sets.iter().skip(1).flatten() {
        let name = session.name(row, "name")?.0;
        mark.databases.insert(name, session.number(row, "oid")?);
    }
    if mark.system_identifier.is_empty() {
        return Err(PostgresError::new(
            PostgresErrorKind::QueryFailed,
            "the server gave no identity, which no supported Postgres does; see its version and log",
        ));
    }
    Ok(mark)
}

/// How long the longest of those waits that want a table for themselves and wait for a session of that
/// application: what `ALTER TABLE` and `TRUNCATE` do. Every query of the table then waits as well.
pub async fn fetch_longest_wait(
    session: &Session,
    application: &str,
) -> Result<Option<Duration>, PostgresError> {
    let rows = session
        .fetch_rows(&format!(
            "select coalesce(pg_catalog.floor(extract(epoch from pg_catalog.max(\
             pg_catalog.clock_timestamp() - waiting.waitstart)) * 1000), 0)::bigint::text as \
             milliseconds from pg_catalog.pg_locks as waiting where not waiting.granted and \
             waiting.mode = 'AccessExclusiveLock' and exists (select from \
             pg_catalog.pg_stat_activity as ours where ours.pid = \
             any(pg_catalog.pg_blocking_pids(waiting.pid)) and ours.application_name = {}) having \
             pg_catalog.count(*) > 0",
            quote_literal(application)
        ))
        .await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let milliseconds = session.number(row, "milliseconds")?;
    Ok(Some(Duration::from_millis(
        u64::try_from(milliseconds).unwrap_or(0),
    )))
}

/// Ends the sessions of our own role whose application begins like that, and says how many there were.
pub async fn end_sessions(session: &Session, application: &str) -> Result<i64, PostgresError> {
    let rows = session
        .fetch_rows(&format!(
            "select pg_catalog.count(*)::text as ended from (select \
             pg_catalog.pg_terminate_backend(a.pid) from pg_catalog.pg_stat_activity as a where \
             pg_catalog.starts_with(a.application_name, {}) and a.usename = session_user and a.pid <> \
             pg_catalog.pg_backend_pid() offset 0) as ended",
            quote_literal(application)
        ))
        .await?;
    rows.first()
        .map_or(Ok(0), |row| session.number(row, "ended"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark() -> ServerMark {
        ServerMark {
            system_identifier: "7".to_owned(),
            timeline: 1,
            started: "1795258801.123456".to_owned(),
            in_recovery: false,
            databases: [("knowledge_os".to_owned(), 16_384), ("other".to_owned(), 5)].into(),
        }
    }

    /// A change of a mark, and what is then reported.
    type Change<'a> = (&'a dyn Fn(&mut ServerMark), &'a str);

    #[test]
    fn another_server_is_told_by_each_of_its_marks() {
        let wanted = ["knowledge_os".to_owned()];
        let said = |change: &dyn Fn(&mut ServerMark)| {
            let mut now = mark();
            change(&mut now);
            mark().difference(&now, &wanted)
        };
        assert_eq!(said(&|_| ()), None);
        assert_eq!(
            said(&|now| {
                now.databases.remove("other");
                now.databases.insert("new".to_owned(), 9);
            }),
            None,
            "others may come and go"
        );
        let changes: [Change<'_>; 6] = [
            (
                &|now| now.system_identifier = "8".to_owned(),
                "another database cluster",
            ),
            (
                &|now| now.started = "1795258801.123457".to_owned(),
                "started at another time",
            ),
            (&|now| now.timeline = 2, "promoted"),
            (&|now| now.in_recovery = true, "promoted"),
            (
                &|now| {
                    now.databases.insert("knowledge_os".to_owned(), 16_390);
                },
                "created again",
            ),
            (
                &|now| {
                    now.databases.remove("knowledge_os");
                },
                "was dropped",
            ),
        ];
        for (change, expected) in changes {
            let said = said(change).unwrap_or_default();
            assert!(said.contains(expected), "{expected}: {said}");
        }
    }
}
