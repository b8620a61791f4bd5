//! The session with the server that a restore is carried out by: it holds the lock that only one restore
//! of a database has, and looks what is there.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::api::{AgentFailure, RestoreTarget, RestoredDatabase, reasons};
use crate::postgres::{
    Login, PostgresError, PostgresErrorKind, Writer, quote_identifier, quote_literal,
};
use crate::store::Manifest;
use crate::wording::quoted;

use super::restore_chosen::ChosenTables;
use super::restore_database::failed;
use super::restore_facts::fetch_databases;
use super::restore_mark::Mark;
use super::restore_names::Names;
use super::restore_order::RESTORE_APPLICATION_NAME;
use super::restore_swap_state::{
    DatabaseRow, Left, Places, left_to_replace, left_to_restore_beside,
};

/// How long the lock of an agent that was killed is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(20);
const LOCK_PAUSE: Duration = Duration::from_millis(500);
/// The database to work from. A session in the other one would keep everybody from creating databases,
/// so it is used only where this one is missing, closed or swapped itself.
pub const WORKPLACE: &str = "postgres";
const OTHER_WORKPLACE: &str = "template1";

/// What a set makes of the databases of a server.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    pub manifest: &'a Manifest,
    pub restore_uid: &'a str,
    pub into: RestoreTarget,
    /// What an earlier start has reported of the databases.
    pub known: &'a [RestoredDatabase],
    /// What is restored where only certain tables are; the manifest is that of these.
    pub tables: Option<&'a ChosenTables>,
}

impl Plan<'_> {
    /// The names of each database of the set, in its order.
    #[must_use]
    pub fn names(&self) -> Vec<Names> {
        self.manifest
            .databases
            .iter()
            .map(|database| Names::new(&database.name, self.restore_uid))
            .collect()
    }

    /// The manifest with only those databases that something is left to do for.
    #[must_use]
    pub fn part_left(&self, left: &[Left]) -> Manifest {
        let mut manifest = self.manifest.clone();
        let mut left = left.iter();
        manifest
            .databases
            .retain(|_| !matches!(left.next(), Some(Left::Nothing { .. })));
        manifest
    }

    /// What is left to do for each database of the set.
    #[must_use]
    pub fn left(&self, databases: &[DatabaseRow]) -> Vec<Left> {
        let at = |name: &str| {
            let row = databases.iter().find(|row| row.name == name)?;
            Some(row.found.clone())
        };
        self.names()
            .iter()
            .map(|names| match self.into {
                RestoreTarget::Replace => {
                    let done = self.known.iter().find(|one| one.name == names.name);
                    let places = Places {
                        present: at(&names.name),
                        restored: at(&names.restored_as),
                        kept: at(&names.kept_as),
                    };
                    left_to_replace(&places, self.restore_uid, done.and_then(|one| one.oid))
                }
                _ => left_to_restore_beside(at(&names.restored_as).as_ref(), self.restore_uid),
            })
            .collect()
    }
}

/// Connects to a database to work from.
pub async fn connect(login: &Login, deadline: Instant) -> Result<Writer, PostgresError> {
    match connect_to(login, WORKPLACE, deadline).await {
        Err(error)
            if matches!(
                error.kind,
                PostgresErrorKind::DatabaseNotFound
                    | PostgresErrorKind::DatabaseRenamed
                    | PostgresErrorKind::DatabaseClosed
                    | PostgresErrorKind::PermissionDenied
                    | PostgresErrorKind::QueryFailed
            ) =>
        {
            connect_beside(login, deadline).await
        }
        connected => connected,
    }
}

/// Connects to a database that no set replaces.
pub async fn connect_beside(login: &Login, deadline: Instant) -> Result<Writer, PostgresError> {
    connect_to(login, OTHER_WORKPLACE, deadline).await
}

async fn connect_to(
    login: &Login,
    database: &str,
    deadline: Instant,
) -> Result<Writer, PostgresError> {
    Writer::connect(login, database, RESTORE_APPLICATION_NAME, deadline).await
}

/// Makes sure that no other restore of this database runs, as long as the session is open.
pub async fn lock(writer: &Writer, number: i64) -> Result<(), AgentFailure> {
    let end = Instant::now() + LOCK_WAIT;
    loop {
        if try_lock(writer, number).await? {
            return Ok(());
        }
        if Instant::now() + LOCK_PAUSE >= end {
            return Err(AgentFailure {
                reason: reasons::ANOTHER_IS_RUNNING.to_owned(),
                message:
                    "another restore of this database runs, so this one was not begun. Wait until \
                    `kubectl get dbrestore` shows that it has ended, then create this one again"
                        .to_owned(),
            });
        }
        sleep(LOCK_PAUSE).await;
    }
}

/// Takes the lock if nobody else has it. Postgres keeps such locks by database, so others that have it
/// in another database are looked for.
pub async fn try_lock(writer: &Writer, number: i64) -> Result<bool, PostgresError> {
    if !lock_here(writer, number).await? {
        return Ok(false);
    }
    let [high, low] = halves(number);
    let others = format!(
        "select 1 from pg_catalog.pg_locks where locktype = 'advisory' and objsubid = 1 and classid = {high} \
         and objid = {low} and granted and pid <> pg_catalog.pg_backend_pid()"
    );
    if writer.run(&others).await?.is_empty() {
        return Ok(true);
    }
    unlock(writer, number).await?;
    Ok(false)
}

/// Takes the lock in the database of the session, whoever has it in another one.
pub async fn lock_here(writer: &Writer, number: i64) -> Result<bool, PostgresError> {
    let question = format!("select pg_catalog.pg_try_advisory_lock({number}) as taken");
    let rows = writer.run(&question).await?;
    let taken = rows
        .first()
        .map(|row| writer.truth(row, "taken"))
        .transpose()?;
    Ok(taken == Some(true))
}

/// Gives the lock back.
pub async fn unlock(writer: &Writer, number: i64) -> Result<(), PostgresError> {
    let statement = format!("select pg_catalog.pg_advisory_unlock({number})");
    writer.run(&statement).await.map(drop)
}

/// The two numbers that the server shows for the number of a lock.
fn halves(number: i64) -> [u32; 2] {
    let half = |number: i64| u32::try_from(number & i64::from(u32::MAX)).unwrap_or_default();
    [half(number >> 32), half(number)]
}

/// Gives a name back that nothing has, because what was restored is gone. Returns the databases as they are
/// then.
pub async fn put_right(writer: &Writer, plan: Plan<'_>) -> Result<Vec<DatabaseRow>, AgentFailure> {
    let put_right = async {
        let databases = fetch_databases(writer).await?;
        for (names, left) in plan.names().iter().zip(plan.left(&databases)) {
            if let Left::PutBack { .. } = left {
                tracing::warn!(
                    database = names.name,
                    "nothing has its name; what was kept gets it"
                );
                let (kept, name) = (
                    quote_identifier(&names.kept_as),
                    quote_identifier(&names.name),
                );
                let row = databases.iter().find(|row| row.name == names.kept_as);
                let comment = row
                    .and_then(|row| Mark::before(row.comment.as_deref()?, &names.name))
                    .map_or_else(|| "null".to_owned(), |text| quote_literal(&text));
                writer
                    .run(&format!(
                        "comment on database {kept} is {comment}; alter database {kept} allow_connections true; \
                         alter database {kept} rename to {name}"
                    ))
                    .await?;
            }
        }
        fetch_databases(writer).await
    };
    put_right
        .await
        .map_err(|error: PostgresError| failed("what is there could not be put right", &error))
}

/// Which names are taken by others.
#[must_use]
pub fn taken(plan: Plan<'_>, left: &[Left]) -> Vec<String> {
    plan.names()
        .iter()
        .zip(left)
        .filter_map(|(names, left)| match left {
            Left::Taken { is_restored } => {
                let name = if *is_restored { &names.restored_as } else { &names.kept_as };
                Some(format!(
                    "a database {} already exists, and this restore needs the name: rename or drop it",
                    quoted(name, 80)
                ))
            }
            _ => None,
        })
        .collect()
}

/// The names of all extensions of a set.
#[must_use]
pub fn extensions_of(manifest: &Manifest) -> BTreeSet<String> {
    let extensions = manifest.databases.iter().flat_map(|one| &one.extensions);
    extensions.map(|extension| extension.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_lock_is_looked_for_as_the_server_shows_it() {
        assert_eq!(halves(0x0001_0002_0003_0004), [0x0001_0002, 0x0003_0004]);
        assert_eq!(halves(-2), [u32::MAX, u32::MAX - 1]);
    }
}
