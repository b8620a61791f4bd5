//! A restored database takes the name of the present one, which is kept under another name: the door is
//! closed, sessions are ended, both renames are one transaction. What was begun is finished or undone.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::api::{AgentFailure, reasons};
use crate::postgres::{
    DatabaseDescription, PostgresError, PostgresErrorKind, Writer, name_column, quote_identifier,
    quote_literal,
};
use crate::wording::{list, quoted};

use super::restore_database::mark;
use super::restore_facts::{Properties, fetch_properties};
use super::restore_mark::{Mark, MarkState};
use super::restore_names::Names;
use super::restore_order::{RestoreStep, RestoreWatcher};
use super::restore_settings::{Grant, build_grants, build_setting, read_grants};

/// How long the sessions of the present database have to end.
const END_LIMIT: Duration = Duration::from_secs(20);
const END_PAUSE: Duration = Duration::from_millis(20);

/// A database that takes its name.
#[derive(Clone, Debug)]
pub struct SwapTarget<'a> {
    pub name: &'a str,
    pub restored_as: &'a str,
    pub kept_as: &'a str,
    /// Object id of the restored one.
    pub restored: i64,
    /// Object id of the one in its place, and whether it was open before.
    pub present: Option<(i64, bool)>,
    /// Object id of one that was renamed before.
    pub kept: Option<i64>,
    pub description: Option<&'a DatabaseDescription>,
}

/// What is done to the restored database in the transaction of the swap.
struct Carried {
    statements: Vec<String>,
    comment: Option<String>,
}

/// Swaps all databases of a set at once. Returns for how long clients were kept out, and notes what could
/// not be carried over. After an error it is for the caller to look
/// what became of it.
pub async fn swap(
    writer: &Writer,
    restore_uid: &str,
    targets: &[SwapTarget<'_>],
    watcher: &impl RestoreWatcher,
    warnings: &mut Vec<String>,
) -> Result<Duration, PostgresError> {
    let mut carried = Vec::new();
    for target in targets {
        carried.push(carry_over(writer, target, warnings).await?);
    }
    for target in targets {
        if let Some((oid, was_open)) = target.present {
            let state = MarkState::Swapping { oid, was_open };
            let new = Mark::new(restore_uid, state);
            mark(writer, target.restored_as, target.name, &new).await?;
        }
    }
    watcher.after(RestoreStep::SwapAnnounced).await;
    let begun = Instant::now();
    for target in targets.iter().filter(|target| target.present.is_some()) {
        set_door(writer, target.name, false).await?;
    }
    watcher.after(RestoreStep::DoorClosed).await;
    end_sessions(writer, targets).await?;
    watcher.after(RestoreStep::SessionsEnded).await;
    writer.run("begin").await?;
    let renamed = rename(writer, restore_uid, targets, &carried, watcher).await;
    if let Err(error) = renamed {
        writer.run("rollback").await.ok();
        return Err(error);
    }
    writer.run("commit").await?;
    let outage = begun.elapsed();
    watcher.after(RestoreStep::Committed).await;
    Ok(outage)
}

/// Everything from here is in one transaction.
async fn rename(
    writer: &Writer,
    restore_uid: &str,
    targets: &[SwapTarget<'_>],
    carried: &[Carried],
    watcher: &impl RestoreWatcher,
) -> Result<(), PostgresError> {
    for (target, carried) in targets.iter().zip(carried) {
        let Some((_, was_open)) = target.present else {
            continue;
        };
        let kept = quote_identifier(target.kept_as);
        let mark = Mark::new(restore_uid, MarkState::Kept);
        let comment = mark.write(target.name, carried.comment.as_deref());
        writer
            .run(&format!(
                "alter database {} rename to {kept}; comment on database {kept} is {}; alter database \
                 {kept} allow_connections {was_open}",
                quote_identifier(target.name),
                quote_literal(&comment)
            ))
            .await?;
    }
    watcher.after(RestoreStep::PresentRenamed).await;
    for (target, carried) in targets.iter().zip(carried) {
        for statement in &carried.statements {
            writer.run(statement).await?;
        }
        // Without one that was kept, the comment alone says that this is done.
        let is_recorded = target.present.is_some() || target.kept.is_some();
        let comment = if is_recorded {
            carried.comment.clone()
        } else {
            let done = Mark::new(restore_uid, MarkState::Done);
            Some(done.write(target.name, carried.comment.as_deref()))
        };
        let comment = comment.map_or_else(|| "null".to_owned(), |text| quote_literal(&text));
        let restored = quote_identifier(target.restored_as);
        writer
            .run(&format!(
                "comment on database {restored} is {comment}; alter database {restored} rename to {}",
                quote_identifier(target.name)
            ))
            .await?;
    }
    watcher.after(RestoreStep::RestoredRenamed).await;
    Ok(())
}

/// Prepares what hangs on the object id of the present database, or on that in the manifest, and tries
/// each of it: what fails here would fail while clients wait.
async fn carry_over(
    writer: &Writer,
    target: &SwapTarget<'_>,
    warnings: &mut Vec<String>,
) -> Result<Carried, PostgresError> {
    let live = target.present.map(|(oid, _)| oid).or(target.kept);
    let properties = match live {
        Some(oid) => fetch_properties(writer, oid, target.name).await?,
        None => described(target.description),
    };
    let restored = quote_identifier(target.restored_as);
    let mut asked = Vec::new();
    for setting in &properties.settings {
        match build_setting(target.restored_as, setting) {
            Some(statement) => asked.push(statement),
            None => warnings.push(format!(
                "the setting {} of database {} is not in the set, because it may be secret. Set it again: \
                 `ALTER DATABASE … SET …`",
                quoted(&setting.name, 80),
                quoted(target.name, 80)
            )),
        }
    }
    asked.push(format!(
        "alter database {restored} connection limit {}",
        properties.connection_limit
    ));
    if properties.owner.is_empty() {
        asked.push(format!(
            "grant connect, temporary on database {restored} to public"
        ));
    } else {
        asked.push(format!(
            "alter database {restored} owner to {}",
            quote_identifier(&properties.owner)
        ));
        asked.extend(build_grants(
            target.restored_as,
            &properties.owner,
            &properties.grants,
        ));
    }
    let others = properties
        .grants
        .iter()
        .any(|grant| grant.grantor != properties.owner);
    if others {
        warnings.push(format!(
            "permissions on database {} that others than its owner have given are now given by the owner",
            quoted(target.name, 80)
        ));
    }
    let mut statements = Vec::new();
    writer.run("begin").await?;
    for statement in asked {
        writer.run("savepoint one").await?;
        match writer.run(&statement).await {
            Ok(_) => statements.push(statement),
            Err(error) if error.kind.is_of_the_connection() => return Err(error),
            Err(error) => {
                writer.run("rollback to savepoint one").await?;
                warnings.push(format!(
                    "this could not be carried over to database {}: {error}",
                    quoted(target.name, 80)
                ));
            }
        }
    }
    writer.run("rollback").await?;
    Ok(Carried {
        statements,
        comment: properties.comment,
    })
}

/// What the manifest says of a database that is not there any more.
fn described(description: Option<&DatabaseDescription>) -> Properties {
    let Some(of) = description else {
        return Properties {
            connection_limit: -1,
            ..Properties::default()
        };
    };
    let grants = match &of.acl {
        Some(acl) => read_grants(acl),
        None => default_grants(&of.owner),
    };
    Properties {
        owner: of.owner.clone(),
        connection_limit: of.connection_limit,
        grants,
        settings: of.settings.clone(),
        comment: of.comment.clone(),
    }
}

/// What a database has to which nobody has given or taken anything.
fn default_grants(owner: &str) -> Vec<Grant> {
    let public = [(None, "temporary"), (None, "connect")];
    let own = ["create", "temporary", "connect"].map(|privilege| (Some(owner), privilege));
    public
        .into_iter()
        .chain(own)
        .map(|(grantee, privilege)| Grant {
            grantor: owner.to_owned(),
            grantee: grantee.map(ToOwned::to_owned),
            privilege: privilege.to_owned(),
            grantable: false,
        })
        .collect()
}

/// Opens or closes a database.
pub async fn set_door(writer: &Writer, name: &str, is_open: bool) -> Result<(), PostgresError> {
    writer
        .run(&format!(
            "alter database {} allow_connections {is_open}",
            quote_identifier(name)
        ))
        .await
        .map(drop)
}

/// Ends every session of the databases that are renamed.
async fn end_sessions(writer: &Writer, targets: &[SwapTarget<'_>]) -> Result<(), PostgresError> {
    let oids: Vec<String> = targets
        .iter()
        .flat_map(|target| [Some(target.restored), target.present.map(|(oid, _)| oid)])
        .flatten()
        .map(|oid| oid.to_string())
        .collect();
    // The rename itself ends those of autovacuum, which have no role.
    let query = format!(
        "select pid::text as pid, coalesce({}, '') as role, coalesce({}, '') as application from \
         pg_catalog.pg_stat_activity where datid in ({}) and pid <> pg_catalog.pg_backend_pid() and \
         usesysid is not null and coalesce(backend_type, '') <> 'autovacuum worker'",
        name_column("usename"),
        name_column("application_name"),
        oids.join(", ")
    );
    let end = Instant::now() + END_LIMIT;
    loop {
        let rows = writer.run(&query).await?;
        if rows.is_empty() {
            return Ok(());
        }
        let mut left = Vec::new();
        for row in &rows {
            let pid = writer.number(row, "pid")?;
            let ended = writer
                .run(&format!("select pg_catalog.pg_terminate_backend({pid})"))
                .await;
            if let Err(error) = ended
                && error.kind.is_of_the_connection()
            {
                return Err(error);
            }
            left.push(format!(
                "{} as {}",
                quoted(&writer.name(row, "application")?.0, 60),
                quoted(&writer.name(row, "role")?.0, 60)
            ));
        }
        if Instant::now() >= end {
            return Err(PostgresError::new(
                PostgresErrorKind::Locked,
                format!(
                    "these sessions could not be ended: {}. The role of restores needs \
                     `GRANT pg_signal_backend`, and for those of superusers it must be one",
                    list(&left)
                ),
            ));
        }
        sleep(END_PAUSE).await;
    }
}

/// The swap failed, and what was there is as it was.
pub fn not_swapped(why: &str, names: &[Names]) -> AgentFailure {
    let restored: Vec<String> = names
        .iter()
        .map(|one| quoted(&one.restored_as, 80))
        .collect();
    AgentFailure {
        reason: reasons::SWAP_FAILED.to_owned(),
        message: format!(
            "the restored database could not take the name of the present one, which is unchanged and \
             accepts connections: {why}. What was restored and compared stays beside it, as {}. Drop it \
             with `DROP DATABASE` before the next restore",
            list(&restored)
        ),
    }
}

/// The swap failed, and what was there may still be closed.
pub fn left_closed(why: &str, names: &[Names]) -> AgentFailure {
    let open: Vec<String> = names
        .iter()
        .map(|one| {
            let name = quote_identifier(&one.name);
            format!("`ALTER DATABASE {name} ALLOW_CONNECTIONS true`")
        })
        .collect();
    AgentFailure {
        reason: reasons::SWAP_FAILED.to_owned(),
        message: format!(
            "the swap was interrupted, and the server could not be asked what became of it ({why}). No row \
             is lost, and the name leads to the old database or to the restored one, which may accept no \
             connections: {}",
            open.join(", ")
        ),
    }
}

/// The commands for afterwards: dropping what was kept, and swapping back.
#[must_use]
pub fn build_commands(name: &str, restored_as: &str, kept_as: &str) -> (String, String) {
    let (one, restored, kept) = (
        quote_identifier(name),
        quote_identifier(restored_as),
        quote_identifier(kept_as),
    );
    let drop = format!(
        "SELECT format('DROP DATABASE %I', datname) FROM pg_database AS d WHERE datname = {} AND NOT EXISTS \
         (SELECT FROM pg_replication_slots AS s WHERE s.database = d.datname) \\gexec",
        quote_literal(kept_as)
    );
    let back = format!(
        "ALTER DATABASE {one} ALLOW_CONNECTIONS false; SELECT pg_terminate_backend(pid) FROM \
         pg_stat_activity WHERE datname IN ({}, {}); BEGIN; ALTER DATABASE {one} RENAME TO {restored}; ALTER \
         DATABASE {kept} RENAME TO {one}; COMMIT; ALTER DATABASE {restored} ALLOW_CONNECTIONS true",
        quote_literal(name),
        quote_literal(kept_as)
    );
    (drop, back)
}
