//! Which database cluster answers: one query that works on a primary and on a replica, and the
//! databases it holds.

use std::net::IpAddr;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use tokio::time::Instant;
use tokio_postgres::SimpleQueryRow;

use crate::api::{DatabaseEvidence, Identity};

use super::list_tables::{build_query, read_tables};
use super::session::LOCK_LIMIT;
use super::{PostgresError, PostgresErrorKind, Session, TableList, name_column};

/// The most databases that evidence carries; the ones asked for are always among them.
const DATABASE_LIMIT: usize = 500;

/// The timeline of a primary is that of the write-ahead log that it writes: `pg_control` has that of
/// the last checkpoint, which comes some time after a promotion.
///
/// The flushed position, which no crash takes back: what is only written can be lost with the
/// machine. Whoever may not read where the data lies gets an error from `current_setting`;
/// `pg_settings` would be empty instead, but makes up all settings for it, which costs more than
/// all the rest.
///
/// Whether the role is a superuser is asked of its name as well: the owner of a database can make
/// every session there begin as another role.
const IDENTITY_QUERY: &str = "select system.system_identifier::text as system_identifier, \
    case when pg_catalog.pg_is_in_recovery() then checkpoint.timeline_id::bigint else \
    ('x' || pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), \
    8))::bit(32)::bigint end::text as timeline, case when pg_catalog.pg_is_in_recovery() then \
    coalesce(pg_catalog.pg_last_wal_replay_lsn(), pg_catalog.pg_last_wal_receive_lsn(), \
    checkpoint.redo_lsn) else pg_catalog.pg_current_wal_flush_lsn() end::text as wal_position, \
    pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot())::text as \
    next_transaction_id, pg_catalog.floor(extract(epoch from \
    pg_catalog.pg_postmaster_start_time()))::bigint::text as started, \
    pg_catalog.floor(extract(epoch from pg_catalog.clock_timestamp()))::bigint::text as observed, \
    pg_catalog.current_setting('server_version') as server_version, case when \
    pg_catalog.pg_has_role('pg_read_all_settings', 'USAGE') then \
    pg_catalog.current_setting('data_directory') else '' end as data_directory, \
    pg_catalog.pg_is_in_recovery()::text as in_recovery, \
    coalesce(pg_catalog.host(pg_catalog.inet_server_addr()), '') as server_address, \
    (pg_catalog.current_setting('is_superuser') = 'on' or exists (select from pg_catalog.pg_roles as a \
    where a.rolsuper and a.rolname = session_user))::text as superuser from \
    pg_catalog.pg_control_system() as system, pg_catalog.pg_control_checkpoint() as checkpoint";

fn build_databases_query() -> String {
    format!(
        "select {} as name, oid::bigint::text as oid, datistemplate as template, datallowconn as \
         open, pg_catalog.has_database_privilege(oid, 'CONNECT') as allowed from \
         pg_catalog.pg_database order by datname",
        name_column("datname")
    )
}

/// What one round trip says of a server and of the database that was connected to.
#[derive(Clone, Debug, PartialEq)]
pub struct Overview {
    /// Which database cluster answers.
    pub observed: ObservedIdentity,
    /// Whether the role that asks is a superuser.
    pub superuser: bool,
    /// The server's databases.
    pub databases: Vec<DatabaseEvidence>,
    /// Those that nobody has asked for, and whether the role may connect to them.
    pub others: Vec<(DatabaseEvidence, bool)>,
    /// The tables of the database that was connected to, or why they could not be listed.
    pub tables: Result<TableList, PostgresError>,
}

/// An identity and when it was read, by the database's clock.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedIdentity {
    /// Which database cluster answers.
    pub identity: Identity,
    /// When, by the database's clock.
    pub observed_at: Time,
    /// The server's own address in this connection; empty through a socket.
    pub server_address: String,
}

/// Reads the identity.
pub async fn fetch_identity(session: &Session) -> Result<ObservedIdentity, PostgresError> {
    read_identity(session, &session.fetch_row(IDENTITY_QUERY).await?)
}

/// Of the time that is left, the list of tables may take three quarters: if it fails, identity and
/// databases are read without it.
const SHARE_OF_THE_TABLES: (u32, u32) = (3, 4);

/// Reads identity, databases and tables in one round trip. The databases come in the order of their
/// names, without templates unless they are asked for.
pub async fn fetch_overview(
    session: &Session,
    wanted: &[String],
) -> Result<Overview, PostgresError> {
    let (part, whole) = SHARE_OF_THE_TABLES;
    let remaining = session.deadline().saturating_duration_since(Instant::now());
    let server = format!("{IDENTITY_QUERY}; {}", build_databases_query());
    let with_tables = format!("{server}; {}", build_query());
    let answer = session
        .fetch_within(&with_tables, remaining / whole * part, LOCK_LIMIT)
        .await;
    let (sets, failure) = match answer {
        Ok(sets) => (sets, None),
        Err(error) if error.kind.is_of_the_connection() => return Err(error),
        Err(error) => (session.fetch_sets(&server).await?, Some(error)),
    };
    let mut sets = sets.into_iter();
    let identity = sets.next().and_then(|mut rows| rows.pop()).ok_or_else(|| {
        PostgresError::new(
            PostgresErrorKind::QueryFailed,
            "the server gave no identity, which no supported Postgres does; see its version and \
             log",
        )
    })?;
    let found = sets.next().unwrap_or_default();
    let (databases, others) = read_databases(session, &found, wanted)?;
    Ok(Overview {
        observed: read_identity(session, &identity)?,
        superuser: session.text(&identity, "superuser")? == "true",
        databases,
        others,
        tables: match failure {
            Some(error) => Err(error),
            None => read_tables(session, &sets.collect::<Vec<_>>()).await,
        },
    })
}

fn read_identity(
    session: &Session,
    row: &SimpleQueryRow,
) -> Result<ObservedIdentity, PostgresError> {
    let system_identifier = session.text(row, "system_identifier")?.to_owned();
    // Postgres prints the identifier as a signed number; its upper half is the second of initdb.
    let bits = system_identifier
        .parse::<i64>()
        .map(i64::cast_unsigned)
        .or_else(|_| system_identifier.parse::<u64>())
        .map_err(|_| {
            PostgresError::new(
                PostgresErrorKind::QueryFailed,
                "the server's system identifier is not a number, which no supported Postgres does",
            )
        })?;
    let initialized = i64::try_from(bits >> 32).unwrap_or_default();
    Ok(ObservedIdentity {
        observed_at: time_of(session.number(row, "observed")?),
        server_address: read_address(session.text(row, "server_address")?),
        identity: Identity {
            initialized_at: time_of(initialized),
            system_identifier: bits.to_string(),
            timeline: session.number(row, "timeline")?,
            wal_position: session.text(row, "wal_position")?.to_owned(),
            next_transaction_id: session.text(row, "next_transaction_id")?.to_owned(),
            postmaster_started_at: time_of(session.number(row, "started")?),
            server_version: short_version(session.text(row, "server_version")?),
            data_directory: session.text(row, "data_directory")?.to_owned(),
            in_recovery: session.text(row, "in_recovery")? == "true",
        },
    })
}

/// The server is not trusted: what is no address is none.
fn read_address(text: &str) -> String {
    let address = text.parse::<IpAddr>().ok();
    address.map_or_else(String::new, |address| address.to_canonical().to_string())
}

/// The databases, and those among them that nobody asks for, with whether the role may connect.
type Databases = (Vec<DatabaseEvidence>, Vec<(DatabaseEvidence, bool)>);

fn read_databases(
    session: &Session,
    rows: &[SimpleQueryRow],
    wanted: &[String],
) -> Result<Databases, PostgresError> {
    let mut databases = Vec::new();
    let mut others = Vec::new();
    for row in rows {
        let (name, is_exact) = session.name(row, "name")?;
        let database = DatabaseEvidence {
            oid: session.number(row, "oid")?,
            name,
        };
        let is_wanted = is_exact && wanted.contains(&database.name);
        if !is_wanted && !session.truth(row, "template")? && others.len() < DATABASE_LIMIT {
            let may_connect =
                is_exact && session.truth(row, "open")? && session.truth(row, "allowed")?;
            others.push((database.clone(), may_connect));
            databases.push(database);
        } else if is_wanted {
            databases.push(database);
        }
    }
    Ok((databases, others))
}

/// Bytes that the database takes on disk.
pub async fn fetch_database_size(session: &Session) -> Result<i64, PostgresError> {
    let row = session
        .fetch_row(
            "select pg_catalog.pg_database_size(pg_catalog.current_database())::text as bytes",
        )
        .await?;
    session.number(&row, "bytes")
}

/// Whether this connection is encrypted.
pub async fn fetch_encrypted(session: &Session) -> Result<bool, PostgresError> {
    let row = session
        .fetch_row(
            "select coalesce((select ssl from pg_catalog.pg_stat_ssl where pid = \
            pg_catalog.pg_backend_pid()), false) as encrypted",
        )
        .await?;
    session.truth(&row, "encrypted")
}

/// Whether this role may read the hashes of all roles' passwords, as `pg_dumpall` does.
pub async fn may_read_role_passwords(session: &Session) -> Result<bool, PostgresError> {
    let row = session
        .fetch_row(
            "select pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'select') as readable",
        )
        .await?;
    session.truth(&row, "readable")
}

fn time_of(second: i64) -> Time {
    Time(Timestamp::from_second(second).unwrap_or_default())
}

/// Distributions append their own version in brackets; the first word is that of Postgres.
fn short_version(version: &str) -> String {
    version
        .split_whitespace()
        .next()
        .unwrap_or(version)
        .to_owned()
}
