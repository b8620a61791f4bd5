//! What the user asks of a restored database: queries with bounds, and how recent the data is.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::{DrillQuery, DrilledColumn, DrilledQuery, FreshColumn};
use crate::postgres::{PostgresError, Writer, fetch_one_value, quote_identifier, quote_qualified};
use crate::wording::{quoted, quoted_line};

use super::drill_bounds::{is_fresh, is_within};
use super::restore_context::Restoring;
use super::restore_names::Names;
use super::restore_order::RestoreWatcher;
use super::restore_server::Plan;

/// How long one query of the user may take.
const QUERY_LIMIT: Duration = Duration::from_mins(10);
/// The longest value that is shown.
const SHOWN: usize = 200;

impl<W: RestoreWatcher> Restoring<'_, W> {
    /// Runs one of the user's queries.
    pub async fn run_query(
        &self,
        plan: Plan<'_>,
        names: &[Names],
        query: &DrillQuery,
    ) -> Result<Option<String>, PostgresError> {
        let Some(position) = self.find_database(plan, query.database.as_deref()) else {
            return Ok(Some(format!(
                "the database of query {} is not in the set",
                query.name
            )));
        };
        let writer = self.open_restored(&names[position]).await?;
        let answer = fetch_one_value(&writer, &query.query, QUERY_LIMIT).await;
        let (value, passed) = match answer {
            Err(error) if error.kind.is_of_the_connection() => return Err(error),
            Err(error) => (error.to_string(), None),
            Ok(None) => ("NULL".to_owned(), None),
            Ok(Some(value)) => {
                let passed = is_within(&value, query.minimum, query.maximum);
                (value, passed)
            }
        };
        let value = shown(&value);
        self.note_drill(|drill| {
            drill.queries.push(DrilledQuery {
                name: query.name.clone(),
                value: Some(value.clone()),
                passed: passed == Some(true),
            });
        });
        Ok(match passed {
            Some(true) => None,
            Some(false) => Some(format!(
                "query {} says {value}, which is not within its bounds",
                query.name
            )),
            None => Some(format!("query {} gave no number: {value}", query.name)),
        })
    }

    /// Looks how old the newest value of a column was when the backup was taken.
    pub async fn look_at_column(
        &self,
        plan: Plan<'_>,
        names: &[Names],
        column: &FreshColumn,
    ) -> Result<Option<String>, PostgresError> {
        let name = quoted(&format!("{}.{}", column.table, column.column), 160);
        let Some(position) = self.find_database(plan, column.database.as_deref()) else {
            return Ok(Some(format!(
                "the database of column {name} is not in the set"
            )));
        };
        let database = &plan.manifest.databases[position];
        let Time(taken) = database
            .snapshot_time
            .clone()
            .unwrap_or_else(|| plan.manifest.identity.snapshot_time.clone());
        let writer = self.open_restored(&names[position]).await?;
        let answer = match fetch_newest(&writer, column).await {
            Err(error) if error.kind.is_of_the_connection() => return Err(error),
            answer => answer,
        };
        let (newest, wrong) = match answer {
            Err(error) => (error.to_string(), Some("can't be read".to_owned())),
            Ok(None) => ("no value".to_owned(), Some("has no value".to_owned())),
            Ok(Some((text, seconds))) => {
                let passed = is_fresh(seconds, taken, column.within_seconds);
                let old = format!(
                    "has {text} as its newest value, which is more than {} s before the backup of {taken}, or \
                     more than a day after it",
                    column.within_seconds
                );
                (text, (!passed).then_some(old))
            }
        };
        let newest = shown(&newest);
        self.note_drill(|drill| {
            drill.freshness.push(DrilledColumn {
                database: database.name.clone(),
                table: column.table.clone(),
                column: column.column.clone(),
                newest: Some(newest.clone()),
                passed: wrong.is_none(),
            });
        });
        Ok(wrong.map(|wrong| format!("column {name} {}", shown(&wrong))))
    }

    /// Where a database is in the set; without a name the main one.
    fn find_database(&self, plan: Plan<'_>, name: Option<&str>) -> Option<usize> {
        let name = name.unwrap_or_else(|| self.order.request.server.main_database());
        let mut databases = plan.manifest.databases.iter();
        databases.position(|database| database.name == name)
    }
}

/// The newest value of a column, as text and in seconds since 1970.
async fn fetch_newest(
    writer: &Writer,
    column: &FreshColumn,
) -> Result<Option<(String, i64)>, PostgresError> {
    let (schema, table) = column
        .table
        .split_once('.')
        .unwrap_or(("public", &column.table));
    let newest = format!(
        "select pg_catalog.max({})::pg_catalog.timestamptz as newest from {}",
        quote_identifier(&column.column),
        quote_qualified(schema, table)
    );
    // One message is one transaction.
    let question = format!(
        "set local timezone = 'UTC'; set local statement_timeout = {}; select n.newest::pg_catalog.text as newest, \
         pg_catalog.floor(extract(epoch from n.newest))::pg_catalog.int8::pg_catalog.text as seconds from ({newest}) \
         as n where n.newest is not null",
        QUERY_LIMIT.as_millis()
    );
    let rows = writer.run(&question).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let text = writer.text(row, "newest")?.to_owned();
    Ok(Some((text, writer.number(row, "seconds")?)))
}

/// One bounded line.
fn shown(text: &str) -> String {
    quoted_line(text, SHOWN)
}
