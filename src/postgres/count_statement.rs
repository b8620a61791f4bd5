//! The statements that count tables and measure them. Each is a transaction of its own, so that a
//! check holds no snapshot and few locks for long.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::SimpleQueryRow;

use super::effort::{Effort, Pace};
use super::selection::Counted;
use super::session::Answer;
use super::settings::build_local_setting;
use super::tables::CopiedPart;
use super::{
    ListedTable, PostgresError, PostgresErrorKind, Session, quote_identifier, quote_literal,
    quote_qualified,
};

/// How many tables one statement measures: each costs the server a look at its file.
const MEASURED_AT_ONCE: usize = 1_000;

/// What somebody has locked for himself in this database, or waits to, and would be waited for.
pub(super) const LOCKED: &str = "select l.relation from pg_catalog.pg_locks as l join \
    pg_catalog.pg_database as d on d.oid = l.database where d.datname = \
    pg_catalog.current_database() and l.relation is not null and l.mode = 'AccessExclusiveLock'";

/// Reads the sizes that these tables have now: what the catalog says is from the last analyze, and
/// of a table that was just filled it says nothing.
pub(super) async fn measure(
    session: &Session,
    oids: &[i64],
    effort: &mut Effort,
) -> Result<BTreeMap<i64, i64>, PostgresError> {
    let mut pages = BTreeMap::new();
    for oids in oids.chunks(MEASURED_AT_ONCE) {
        let oids = join(oids.iter());
        // A table that somebody has locked for himself would be waited for, and none of the others
        // measured. One that was dropped has no size.
        let select = format!(
            "select oid, pages from (select c.oid::bigint::text as oid, \
             (pg_catalog.pg_relation_size(c.oid) / \
             pg_catalog.current_setting('block_size')::bigint)::text as pages from \
             pg_catalog.pg_class as c where c.oid in ({oids}) and c.oid not in ({LOCKED})) as measured \
             where pages is not null"
        );
        // Where this fails, the figures of the last analyze must do.
        for row in ask(session, &select, effort, "the sizes of tables").await? {
            pages.insert(session.number(&row, "oid")?, session.number(&row, "pages")?);
        }
    }
    Ok(pages)
}

/// Asks the catalog. No rows if there is no time for it, or somebody holds a lock that it waits for.
pub(super) async fn ask(
    session: &Session,
    question: &str,
    effort: &mut Effort,
    what: &str,
) -> Result<Vec<SimpleQueryRow>, PostgresError> {
    if effort.is_used_up() {
        tracing::info!("there is no time to ask for {what}");
        return Ok(Vec::new());
    }
    let begin = Instant::now();
    let answer = session
        .fetch_within(question, effort.time(), effort.wait())
        .await;
    tokio::time::sleep(effort.spend(begin.elapsed())).await;
    match answer {
        Ok(sets) => Ok(sets.into_iter().flatten().collect()),
        Err(error) if error.kind.is_of_the_connection() => Err(error),
        Err(error) => {
            tracing::info!("{what} could not be read: {error}");
            Ok(Vec::new())
        }
    }
}

/// How far a count may go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    /// So many rows are enough to know.
    pub enough: Option<i64>,
    /// The copies together may not take longer.
    pub time: Duration,
    /// No lock is waited for longer.
    pub lock: Duration,
}

/// Counts the rows of each table in one round trip. Of a table that is copied and has more rows than
/// can be read in the time, those that were read.
pub(super) async fn count(
    session: &Session,
    tables: &[&ListedTable],
    reach: Reach,
    effort: &mut Effort,
    pace: &mut Pace,
) -> Result<BTreeMap<i64, Counted>, PostgresError> {
    let time = effort.time_of_one();
    let statements = build_count(tables, reach.enough, time.min(reach.time));
    session.take_copied();
    let begin = Instant::now();
    let answer = session.fetch_answers(&statements, time, reach.lock).await;
    let (worked, read) = (begin.elapsed(), session.take_copied());
    if !matches!(&answer, Err(error) if error.kind == PostgresErrorKind::Locked) {
        tokio::time::sleep(effort.spend(worked)).await;
    }
    let answers = match (answer, tables) {
        (Ok(answers), _) => answers,
        (Err(error), [table]) if error.kind == PostgresErrorKind::Timeout && read > 0 => {
            let rows = Counted {
                rows: read,
                is_all: false,
            };
            // As many pages as these rows are of all that the statistics know of.
            let pages = table.pages.saturating_mul(read) / table.estimated_rows.max(read).max(1);
            pace.note(worked, Some(read), Some(pages));
            return Ok([(table.oid, rows)].into());
        }
        (Err(error), _) => return Err(error),
    };
    let counted = read_counts(session, tables, reach.enough, &answers)?;
    let only = if let [table] = tables {
        counted.get(&table.oid).zip(Some(table.pages))
    } else {
        None
    };
    pace.note(
        worked,
        only.map(|(counted, _)| counted.rows),
        only.filter(|(counted, _)| counted.is_all)
            .map(|(_, pages)| pages),
    );
    Ok(counted)
}

/// Reads one answer for each statement of [`build_count`].
fn read_counts(
    session: &Session,
    tables: &[&ListedTable],
    enough: Option<i64>,
    answers: &[Answer],
) -> Result<BTreeMap<i64, Counted>, PostgresError> {
    let copied: Vec<_> = tables.iter().filter(|table| !table.is_planned).collect();
    let is_any_planned = copied.len() < tables.len();
    let first = LOOKS_BEFORE + usize::from(is_any_planned);
    let expected = first + copied.len() + LOOKS_AFTER;
    if answers.len() != expected {
        return Err(PostgresError::new(
            PostgresErrorKind::QueryFailed,
            format!(
                "{expected} statements that count got {} answers, so none of them can be relied on. \
                 Whatever stands between {} and the agent has dropped some; set \
                 `spec.connection.host` to Postgres itself",
                answers.len(),
                session.login().address()
            ),
        ));
    }
    let mut counted = BTreeMap::new();
    let planned = answers.get(LOOKS_BEFORE..first).unwrap_or_default();
    for row in planned.iter().flat_map(|answer| &answer.rows) {
        let rows = session.number(row, "rows")?;
        let is_all = enough.is_none_or(|enough| rows < enough);
        counted.insert(session.number(row, "oid")?, Counted { rows, is_all });
    }
    for (table, answer) in copied
        .into_iter()
        .zip(answers.get(first..).unwrap_or_default())
    {
        let rows = i64::try_from(answer.count).unwrap_or(i64::MAX);
        counted.insert(table.oid, Counted { rows, is_all: true });
    }
    Ok(counted)
}

/// Statements before those that count: the lock, and whether the tables are those that were listed;
/// and after them: whether they still are.
const LOOKS_BEFORE: usize = 2;
const LOOKS_AFTER: usize = 2;
/// How long the last look may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// A statement of several has a limit of its own. The share of small tables is not enough for the
/// largest among them, so each gets this at least, if there is so much.
const LIMIT_OF_A_SMALL_ONE: Duration = Duration::from_millis(100);

/// How long each of so many copies may take, which have so much time together.
fn limit_of_each(time: Duration, copies: usize) -> Duration {
    let copies = u32::try_from(copies).unwrap_or(u32::MAX).max(1);
    (time / copies).max(time.min(LIMIT_OF_A_SMALL_ONE))
}

/// For whoever reads the server's log.
const REMARK: &str = "/* Holdfast counts rows, and reads no further than \
    spec.verification.countingBudget and timeout let it: a cancelled statement is expected here. */";

/// The statements of one count: they lock the tables, so that nobody replaces them, make sure that
/// they are those that were listed, count, and look again, because nothing locks a schema.
///
/// Planning a statement evaluates expressions that the owner of a table has put into indexes,
/// statistics and partition keys, and may have put there a moment ago. COPY plans nothing; the output
/// functions of types, which are all that it calls, belong to superusers.
/// <https://www.postgresql.org/docs/current/sql-copy.html>,
/// <https://www.postgresql.org/docs/current/sql-createtype.html>
fn build_count(tables: &[&ListedTable], enough: Option<i64>, time: Duration) -> String {
    let name = |table: &ListedTable| quote_qualified(&table.schema, &table.name);
    // ONLY: rows of inheriting tables are counted where they are, once. COPY does so by itself.
    let names: Vec<String> = tables
        .iter()
        .map(|table| format!("only {}", name(table)))
        .collect();
    let listed: Vec<String> = tables
        .iter()
        .map(|table| {
            format!(
                "({}, {}, {})",
                table.oid,
                quote_literal(&table.schema),
                quote_literal(&table.name)
            )
        })
        .collect();
    let (by_copy, planned): (Vec<&ListedTable>, Vec<_>) =
        tables.iter().partition(|table| !table.is_planned);
    let selects: Vec<String> = planned
        .into_iter()
        .map(|table| {
            let from = enough.map_or_else(
                || format!("from only {}", name(table)),
                |enough| {
                    format!(
                        "from (select 1 from only {} limit {enough}) as enough",
                        name(table)
                    )
                },
            );
            format!(
                "select '{}' as oid, pg_catalog.count(*)::text as rows {from}",
                table.oid
            )
        })
        .collect();
    let limit = limit_of_each(time, by_copy.len());
    // As the server has it: text that can't be translated is no error.
    let copies = by_copy.into_iter().map(|table| {
        let column = match &table.copied {
            CopiedPart::Column(column) => format!(" ({})", quote_identifier(column)),
            CopiedPart::NoColumn | CopiedPart::Unknown => String::new(),
        };
        format!(
            "{REMARK} copy {}{column} to stdout (encoding 'SQL_ASCII')",
            name(table)
        )
    });
    let selects = Some(selects.join(" union all ")).filter(|selects| !selects.is_empty());
    let limited = |time: Duration| {
        build_local_setting("statement_timeout", &time.as_millis().max(1).to_string())
    };
    let same = format!(
        "select (case when pg_catalog.count(*) = {} then 1 else 100000 end)::smallint as same from \
         (values {}) as listed(oid, schema, name) join pg_catalog.pg_class as c on c.oid = \
         listed.oid and c.relname = listed.name and c.relkind = 'r' join pg_catalog.pg_namespace as \
         n on n.oid = c.relnamespace and n.nspname = listed.schema",
        tables.len(),
        listed.join(", "),
    );
    let lock = format!("lock table {} in access share mode", names.join(", "));
    let before = format!(
        "select {} as timeout, looked.same from ({same}) as looked",
        limited(limit)
    );
    let unlimited = format!("select {} as timeout", limited(ANSWER_LIMIT));
    [lock, before]
        .into_iter()
        .chain(selects)
        .chain(copies)
        .chain([unlimited, same])
        .collect::<Vec<_>>()
        .join("; ")
}

pub(super) fn join(numbers: impl Iterator<Item = impl ToString>) -> String {
    let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
    numbers.join(", ")
}

pub(super) fn pages_of(tables: &[&ListedTable]) -> i64 {
    tables
        .iter()
        .map(|table| table.pages)
        .fold(0, i64::saturating_add)
}

/// Why a count of this table would fail or lie.
pub(super) fn refusal(session: &Session, table: &ListedTable) -> Option<PostgresError> {
    let role = quote_identifier(&session.login().username);
    let name = table.qualified_name();
    let quoted = quote_qualified(&table.schema, &table.name);
    let database = session.database();
    if !table.readable {
        return Some(PostgresError::new(
            PostgresErrorKind::PermissionDenied,
            format!(
                "role {role} may not read table {name} in database {database}, so its rows can't \
                 be counted. Grant it: `GRANT pg_read_all_data TO {role}`, or before Postgres 14 \
                 `GRANT USAGE ON SCHEMA {} TO {role}; GRANT SELECT ON {quoted} TO {role}`",
                quote_identifier(&table.schema)
            ),
        ));
    }
    if table.row_security {
        return Some(PostgresError::new(
            PostgresErrorKind::RowSecurity,
            format!(
                "row security hides rows of table {name} in database {database} from role {role}, \
                 so a count would be wrong. Let the role see them: `ALTER ROLE {role} BYPASSRLS`"
            ),
        ));
    }
    if !table.is_planned && table.copied == CopiedPart::Unknown && !table.is_surely_empty() {
        return Some(PostgresError::new(
            PostgresErrorKind::Locked,
            format!(
                "the columns of table {name} in database {database} could not be read in time, or \
                 none has a name that can be written, so its rows can't be counted. See who holds a \
                 lock on pg_attribute in `pg_locks`"
            ),
        ));
    }
    (!table.can_be_named).then(|| {
        PostgresError::new(
            PostgresErrorKind::QueryFailed,
            format!(
                "the name of table {name} in database {database} is no UTF-8, so the table can't \
                 be counted. Rename it"
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::tables::tests::listed;
    use super::*;

    #[test]
    fn many_copies_share_the_time_and_a_small_one_has_enough() {
        let milliseconds = Duration::from_millis;
        for (time, copies, expected) in [
            (1_000, 1, 1_000),
            (1_000, 50, 100),
            (10, 50, 10),
            (9_000, 3, 3_000),
        ] {
            assert_eq!(
                limit_of_each(milliseconds(time), copies),
                milliseconds(expected)
            );
        }
    }

    #[test]
    fn what_is_planned_and_what_is_copied_reads() {
        let copied = ListedTable {
            is_planned: false,
            copied: CopiedPart::Column("id \"x\"".to_owned()),
            ..listed(2, "b'c", false, 10)
        };
        let statements = build_count(
            &[&listed(1, "a", false, 10), &copied],
            Some(5),
            Duration::from_secs(1),
        );
        insta::assert_snapshot!(statements.replace("; ", ";\n"));
    }
}
