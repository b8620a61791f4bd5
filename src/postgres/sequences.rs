//! Sequences and how far they have come: a state from before has lower ones.

use std::time::Duration;

use crate::api::{EVIDENCE_SEQUENCE_LIMIT, SequenceEvidence};

use super::count_statement::LOCKED;
use super::{PostgresError, Session, name_column};

/// Of so many sequences at most it is read how far they have come: each is a page of its own.
const READ: usize = 1_000;
/// How long that may take, and wait for a lock.
const TIME: Duration = Duration::from_millis(250);

/// Reads the sequences of users that the role may read and that have given a value, those furthest
/// first. One that somebody has locked for himself is left out, because it would be waited for.
pub async fn fetch_sequences(session: &Session) -> Result<Vec<SequenceEvidence>, PostgresError> {
    let question = format!(
        "select s.oid::bigint::text as oid, {} as schema, {} as name, s.last::text as last from \
         (select c.oid, n.nspname, c.relname, pg_catalog.pg_sequence_last_value(c.oid) as last \
         from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = \
         c.relnamespace where c.relkind = 'S' and c.relpersistence = 'p' and n.nspname <> \
         'information_schema' and not pg_catalog.starts_with(n.nspname::text, 'pg_') and \
         pg_catalog.has_schema_privilege(n.oid, 'USAGE') and \
         pg_catalog.has_table_privilege(c.oid, 'SELECT') and c.oid not in ({LOCKED}) order by c.oid \
         limit {READ}) as s \
         where s.last is not null order by s.last desc, s.oid limit {EVIDENCE_SEQUENCE_LIMIT}",
        name_column("s.nspname"),
        name_column("s.relname"),
    );
    let sets = match session.fetch_within(&question, TIME, TIME).await {
        Ok(sets) => sets,
        Err(error) if error.kind.is_of_the_connection() => return Err(error),
        Err(error) => {
            tracing::info!("the sequences could not be read: {error}");
            return Ok(Vec::new());
        }
    };
    let mut sequences = Vec::new();
    for row in sets.iter().flatten() {
        sequences.push(SequenceEvidence {
            database: session.database().to_owned(),
            name: format!(
                "{}.{}",
                session.name(row, "schema")?.0,
                session.name(row, "name")?.0
            ),
            oid: session.number(row, "oid")?,
            last_value: session.number(row, "last")?,
        });
    }
    Ok(sequences)
}
