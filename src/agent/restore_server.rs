//! The session with the server that a restore is carried out by: it holds the lock that only one restore
//! of a database has, and looks what is there.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::api::{AgentFailure, RestoreTarget, reasons};
use crate::postgres::{
    Login, PostgresError, PostgresErrorKind, Writer, quote_identifier, quote_literal,
};
use crate::store::Manifest;
use crate::wording::quoted;

use super::restore_database::failed;
use super::restore_facts::{DatabaseRow, fetch_databases};
use super::restore_mark::Mark;
use super::restore_names::Names;
use super::restore_order::RESTORE_APPLICATION_NAME;
use super::restore_swap::set_door;
use super::restore_swap_state::{
    Found, Left, Places, doors_left_closed, left_to_replace, left_to_restore_beside,
};

/// How long the lock of an agent that was killed is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(20);
const LOCK_PAUSE: Duration = Duration::from_millis(500);
/// Databases to work from, in this order: one can't be renamed by a session of its own.
const WORKPLACES: [&str; 2] = ["postgres", "template1"];

/// What a set makes of the databases of a server.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    pub manifest: &'a Manifest,
    pub restore_uid: &'a str,
    pub into: RestoreTarget,
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
                    let places = Places {
                        present: at(&names.name),
                        restored: at(&names.restored_as),
                        kept: at(&names.kept_as),
                    };
                    left_to_replace(&places, self.restore_uid)
                }
                _ => left_to_restore_beside(at(&names.restored_as).as_ref(), self.restore_uid),
            })
            .collect()
    }
}

/// Connects to a database that the set does not replace.
pub async fn connect(
    login: &Login,
    plan: Plan<'_>,
    deadline: Instant,
) -> Result<Writer, AgentFailure> {
    let is_replaced = |name: &str| plan.manifest.databases.iter().any(|one| one.name == name);
    let mut last = None;
    for workplace in WORKPLACES.into_iter().filter(|name| !is_replaced(name)) {
        match Writer::connect(login, workplace, RESTORE_APPLICATION_NAME, deadline).await {
            Ok(writer) => return Ok(writer),
            Err(error) if error.kind == PostgresErrorKind::DatabaseNotFound => last = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    Err(last.map_or_else(
        || AgentFailure {
            reason: reasons::RESTORE_REFUSED.to_owned(),
            message: "the set replaces every database that a restore could work from".to_owned(),
        },
        AgentFailure::from,
    ))
}

/// Makes sure that no other restore of this database runs, as long as the session is open.
pub async fn lock(writer: &Writer, number: i64) -> Result<(), AgentFailure> {
    let end = Instant::now() + LOCK_WAIT;
    let question = format!("select pg_catalog.pg_try_advisory_lock({number}) as taken");
    loop {
        let rows = writer.run(&question).await?;
        let taken = rows
            .first()
            .map(|row| writer.truth(row, "taken"))
            .transpose()?;
        if taken == Some(true) {
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

/// Puts right what restores have left that were killed: opens what they closed, and gives a name back that
/// nothing has. Returns the databases as they are then.
pub async fn put_right(writer: &Writer, plan: Plan<'_>) -> Result<Vec<DatabaseRow>, AgentFailure> {
    let put_right = async {
        let databases = fetch_databases(writer).await?;
        let found: Vec<Found> = databases.iter().map(|row| row.found.clone()).collect();
        for oid in doors_left_closed(&found) {
            if let Some(row) = databases.iter().find(|row| row.found.oid == oid) {
                tracing::warn!(
                    database = row.name,
                    "a restore that was killed has left it closed"
                );
                set_door(writer, &row.name, true).await?;
            }
        }
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
