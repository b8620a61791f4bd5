//! Opening what restores have closed for a swap, and did not open again because they were killed. It needs
//! nothing but the server: it comes before anything is read from the bucket.

use crate::api::AgentFailure;
use crate::postgres::{PostgresError, Writer, quote_identifier, quote_literal};

use super::restore_database::failed;
use super::restore_facts::fetch_databases;
use super::restore_mark::{Mark, MarkState};
use super::restore_server::{try_lock, unlock};
use super::restore_swap_state::{Door, doors_left_closed};

/// Opens them. `own` is the number of the lock that this session has; the door of another restore is
/// opened only while this session has its lock, too.
pub async fn open_doors(writer: &Writer, own: i64) -> Result<(), AgentFailure> {
    open_all(writer, own).await.map_err(|error| {
        failed(
            "what a killed restore has closed could not be opened",
            &error,
        )
    })
}

async fn open_all(writer: &Writer, own: i64) -> Result<(), PostgresError> {
    let databases = fetch_databases(writer).await?;
    for door in doors_left_closed(&databases) {
        if door.lock == own {
            open(writer, door).await?;
        } else if let Err(error) = open_foreign(writer, door).await {
            if error.kind.is_of_the_connection() {
                return Err(error);
            }
            tracing::warn!(
                database = door.name,
                "another restore has left it closed, and it could not be opened: {error}"
            );
        }
    }
    Ok(())
}

async fn open_foreign(writer: &Writer, door: Door<'_>) -> Result<(), PostgresError> {
    if !try_lock(writer, door.lock).await? {
        tracing::info!(database = door.name, "another restore swaps it right now");
        return Ok(());
    }
    // It may have ended since.
    let databases = fetch_databases(writer).await;
    let opened = match databases {
        Ok(databases) if doors_left_closed(&databases).contains(&door) => open(writer, door).await,
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    };
    unlock(writer, door.lock).await?;
    opened
}

async fn open(writer: &Writer, door: Door<'_>) -> Result<(), PostgresError> {
    tracing::warn!(
        database = door.name,
        "a restore that was killed has left it closed"
    );
    let verified = Mark::new(door.restore_uid, MarkState::Verified).write(door.name, None);
    // One message is one transaction.
    writer
        .run(&format!(
            "alter database {} allow_connections true; comment on database {} is {}",
            quote_identifier(door.name),
            quote_identifier(door.restored_as),
            quote_literal(&verified)
        ))
        .await
        .map(drop)
}
