//! A restored database takes the name of the present one, which is kept under another name: the door is
//! closed, sessions are ended, both renames are one transaction. What was begun is finished or undone.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::api::{AgentFailure, reasons};
use crate::postgres::{
    PostgresError, PostgresErrorKind, Writer, name_column, quote_identifier, quote_literal,
};
use crate::wording::{list, quoted};

use super::restore_carry::{Carried, SwapTarget, carry_over};
use super::restore_database::mark;
use super::restore_mark::{Mark, MarkState};
use super::restore_names::Names;
use super::restore_order::{RestoreStep, RestoreWatcher};

/// How long the sessions of the present database have to end.
const END_LIMIT: Duration = Duration::from_secs(20);
const END_PAUSE: Duration = Duration::from_millis(20);

/// Swaps all databases of a set at once. Returns for how long clients were kept out, and notes what could
/// not be carried over. The marks name the lock that this session has. After an error it is for the caller
/// to look what became of it.
pub async fn swap(
    writer: &Writer,
    (restore_uid, lock): (&str, i64),
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
            let state = MarkState::Swapping {
                oid,
                was_open,
                lock,
            };
            let new = Mark::new(restore_uid, state);
            mark(writer, target.restored_as, target.name, &new).await?;
        }
    }
    watcher.after(RestoreStep::SwapAnnounced).await;
    ensure_nothing_is_prepared(writer, targets).await?;
    let begun = Instant::now();
    let end = begun + END_LIMIT;
    for target in targets {
        if target.present.is_some() {
            set_door(writer, target.name, false).await?;
        }
        set_door(writer, target.restored_as, false).await?;
    }
    watcher.after(RestoreStep::DoorClosed).await;
    loop {
        end_sessions(writer, targets, end).await?;
        watcher.after(RestoreStep::SessionsEnded).await;
        writer.run("begin").await?;
        let renamed = rename(writer, restore_uid, targets, &carried, watcher).await;
        let Err(error) = renamed else {
            break;
        };
        writer.run("rollback").await.ok();
        // Who was let in before the door was closed may have become visible only now.
        if error.kind != PostgresErrorKind::InUse || Instant::now() >= end {
            return Err(error);
        }
        ensure_nothing_is_prepared(writer, targets).await?;
    }
    writer.run("commit").await?;
    let outage = begun.elapsed();
    watcher.after(RestoreStep::Committed).await;
    Ok(outage)
}

/// With a prepared transaction in it a database can't be renamed, and none can be ended from here.
async fn ensure_nothing_is_prepared(
    writer: &Writer,
    targets: &[SwapTarget<'_>],
) -> Result<(), PostgresError> {
    let present = targets.iter().filter(|target| target.present.is_some());
    let names: Vec<String> = present.map(|target| quote_literal(target.name)).collect();
    if names.is_empty() {
        return Ok(());
    }
    let query = format!(
        "select {} as name from pg_catalog.pg_prepared_xacts where database in ({})",
        name_column("gid"),
        names.join(", ")
    );
    let mut left = Vec::new();
    for row in writer.run(&query).await? {
        left.push(quoted(&writer.name(&row, "name")?.0, 60));
    }
    if left.is_empty() {
        return Ok(());
    }
    Err(PostgresError::new(
        PostgresErrorKind::Locked,
        format!(
            "these prepared transactions are in it: {}. End each: `COMMIT PREPARED …` or `ROLLBACK PREPARED …`",
            list(&left)
        ),
    ))
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
                "alter database {restored} allow_connections true; comment on database {restored} is {comment}; \
                 alter database {restored} rename to {}",
                quote_identifier(target.name)
            ))
            .await?;
    }
    watcher.after(RestoreStep::RestoredRenamed).await;
    Ok(())
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
async fn end_sessions(
    writer: &Writer,
    targets: &[SwapTarget<'_>],
    end: Instant,
) -> Result<(), PostgresError> {
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
pub fn left_closed(why: &str, names: &[&str]) -> AgentFailure {
    let open: Vec<String> = names
        .iter()
        .map(|name| {
            let name = quote_identifier(name);
            format!("`ALTER DATABASE {name} ALLOW_CONNECTIONS true`")
        })
        .collect();
    AgentFailure {
        reason: reasons::DATABASE_CLOSED.to_owned(),
        message: format!(
            "the swap was interrupted, and the server could not be asked what became of it ({why}). No row \
             is lost, and the name leads to the old database or to the restored one, which may accept no \
             connections. The next restore of the database opens it; by hand, in psql, connected to postgres: \
             {}",
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
         DATABASE {kept} RENAME TO {one}; COMMIT; ALTER DATABASE {one} ALLOW_CONNECTIONS true; ALTER DATABASE \
         {restored} ALLOW_CONNECTIONS true",
        quote_literal(name),
        quote_literal(kept_as)
    );
    (drop, back)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swapping_back_opens_the_name_whatever_became_of_the_renames() {
        let (_, back) = build_commands("shop", "r", "k");
        let at = |text: &str| back.find(text);
        let (commit, name, restored) = (
            at("COMMIT;"),
            at("ALTER DATABASE \"shop\" ALLOW_CONNECTIONS true"),
            at("ALTER DATABASE \"r\" ALLOW_CONNECTIONS true"),
        );
        assert!(
            commit.is_some() && commit < name && name < restored,
            "{back}"
        );
    }
}
