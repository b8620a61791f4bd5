//! Every index compared with its table by amcheck, in a database that was restored for a drill only.

use crate::postgres::{PostgresError, Writer, name_column, quote_identifier, quote_qualified};
use crate::wording::{quoted, quoted_line};

/// Where amcheck is created, if the database does not have it.
const SCHEMA: &str = "holdfast_drill";
/// Triggers of the restored database do not run for it.
const WITHOUT_TRIGGERS: &str = "set session_replication_role = replica";

/// Checks all B-trees: how many there are, and what is wrong with which. None if the image has no amcheck.
pub async fn check_indexes(writer: &Writer) -> Result<Option<(usize, Vec<String>)>, PostgresError> {
    writer.run(WITHOUT_TRIGGERS).await?;
    let Some(schema) = find_amcheck(writer).await? else {
        return Ok(None);
    };
    let function = quote_qualified(&schema, "bt_index_check");
    let indexes = format!(
        "select c.oid::bigint::text as oid, {} as schema, {} as name from pg_catalog.pg_index as i join \
         pg_catalog.pg_class as c on c.oid = i.indexrelid join pg_catalog.pg_namespace as n on n.oid = \
         c.relnamespace join pg_catalog.pg_am as a on a.oid = c.relam where a.amname = 'btree' and c.relkind = \
         'i' and c.relpersistence <> 't' and i.indisvalid and i.indisready and c.oid >= 16384 order by c.oid",
        name_column("n.nspname"),
        name_column("c.relname"),
    );
    let rows = writer.run(&indexes).await?;
    let mut wrong = Vec::new();
    for row in &rows {
        let oid = writer.number(row, "oid")?;
        let checked = writer
            .run(&format!(
                "select {function}({oid}::pg_catalog.oid::pg_catalog.regclass, true)"
            ))
            .await;
        match checked {
            Ok(_) => {}
            Err(error) if error.kind.is_of_the_connection() => return Err(error),
            Err(error) => {
                let schema = writer.name(row, "schema")?.0;
                let name = format!("{schema}.{}", writer.name(row, "name")?.0);
                wrong.push(format!(
                    "amcheck says of index {}: {}",
                    quoted(&name, 120),
                    quoted_line(&error.to_string(), 200)
                ));
            }
        }
    }
    Ok(Some((rows.len(), wrong)))
}

/// The schema of amcheck, which is created if it is missing.
async fn find_amcheck(writer: &Writer) -> Result<Option<String>, PostgresError> {
    let present = format!(
        "select {} as schema from pg_catalog.pg_extension as e join pg_catalog.pg_namespace as n on n.oid = \
         e.extnamespace where e.extname = 'amcheck'",
        name_column("n.nspname")
    );
    if let Some(row) = writer.run(&present).await?.first() {
        return Ok(Some(writer.name(row, "schema")?.0));
    }
    let offered = "select 1 from pg_catalog.pg_available_extensions where name = 'amcheck'";
    if writer.run(offered).await?.is_empty() {
        return Ok(None);
    }
    let schema = quote_identifier(SCHEMA);
    writer
        .run(&format!(
            "create schema {schema}; create extension amcheck with schema {schema}"
        ))
        .await?;
    Ok(Some(SCHEMA.to_owned()))
}
