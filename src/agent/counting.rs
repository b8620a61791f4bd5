//! Counting in the databases of one check, one after the other, in two parts.

use tokio::time::Instant;

use crate::api::{CheckRequest, Evidence, SequenceEvidence};
use crate::postgres::{
    Allowance, CountOrder, Login, PostgresError, Session, TableList, Tally, connect, count_rest,
    count_small, fetch_sequences, fetch_tables, takes_long,
};

use super::counted_evidence::{Asked, CountedDatabase};

/// What was counted in the databases so far, and what may still be spent on it.
pub struct Counting<'a> {
    request: &'a CheckRequest,
    deadline: Instant,
    allowance: Allowance,
    databases: Vec<Database>,
    sequences: Vec<SequenceEvidence>,
    failures: Vec<PostgresError>,
}

/// A database with its tables and what was counted of them.
struct Database {
    name: String,
    list: TableList,
    tally: Tally,
    has_rest: bool,
}

impl<'a> Counting<'a> {
    /// Nothing was counted yet.
    pub fn new(request: &'a CheckRequest, deadline: Instant) -> Self {
        Self {
            request,
            deadline,
            allowance: Allowance::new(std::time::Duration::from_millis(
                request.counting_milliseconds,
            )),
            databases: Vec::new(),
            sequences: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// The databases that are asked about.
    pub const fn databases(&self) -> &'a [String] {
        self.request.server.databases.as_slice()
    }

    /// Connects, and takes note of why that failed.
    pub async fn connect(&mut self, login: &Login, database: &str) -> Option<Session> {
        match connect(login, database, self.deadline).await {
            Ok(session) => Some(session),
            Err(error) => {
                self.note(error);
                None
            }
        }
    }

    /// Counts the small tables of the session's database, which were listed already, or that failed,
    /// or nobody has tried.
    pub async fn count_small(
        &mut self,
        session: &Session,
        tables: Option<Result<TableList, PostgresError>>,
    ) {
        if let Err(error) = self.try_count_small(session, tables).await {
            self.note(error);
        }
    }

    async fn try_count_small(
        &mut self,
        session: &Session,
        tables: Option<Result<TableList, PostgresError>>,
    ) -> Result<(), PostgresError> {
        let mut list = match tables {
            Some(tables) => tables?,
            None => fetch_tables(session).await?,
        };
        let name = session.database().to_owned();
        let order = asked(self.request).order(&name);
        let mut tally = count_small(session, &mut list, &order, &mut self.allowance).await?;
        let has_rest = takes_long(session, &list, &order, &tally);
        if !has_rest {
            count_rest(session, &list, &order, &mut self.allowance, &mut tally).await?;
        }
        self.databases.push(Database {
            name,
            list,
            tally,
            has_rest,
        });
        let sequences = fetch_sequences(session).await?;
        self.sequences.extend(sequences);
        Ok(())
    }

    /// Whether large tables are left that are counted whatever the budget.
    pub fn has_rest(&self) -> bool {
        self.databases.iter().any(|database| database.has_rest)
    }

    /// Counts the large tables of every database.
    pub async fn count_rest(&mut self, login: &Login) {
        let mut failures = Vec::new();
        for database in self.databases.iter_mut().filter(|found| found.has_rest) {
            let order = asked(self.request).order(&database.name);
            let counted =
                count_rest_of(login, self.deadline, &order, &mut self.allowance, database).await;
            failures.extend(counted.err());
        }
        for error in failures {
            self.note(error);
        }
    }

    fn note(&mut self, error: PostgresError) {
        // Dropped in between: the evidence was right when it was taken.
        if !error.kind.is_missing_database() {
            self.failures.push(error);
        }
    }

    /// Why tables with rules could not be counted.
    pub fn failures(&self) -> Vec<PostgresError> {
        let tables = self.databases.iter();
        let of_tables = tables.flat_map(|database| &database.tally.failures);
        self.failures.iter().chain(of_tables).cloned().collect()
    }

    /// Writes what was counted into evidence.
    pub fn write_into(&self, evidence: &mut Evidence) {
        let databases = self.databases.iter().map(|database| CountedDatabase {
            name: &database.name,
            list: &database.list,
            tally: &database.tally,
        });
        asked(self.request).write_into(evidence, databases, self.sequences.clone());
    }
}

async fn count_rest_of(
    login: &Login,
    deadline: Instant,
    order: &CountOrder<'_>,
    allowance: &mut Allowance,
    database: &mut Database,
) -> Result<(), PostgresError> {
    let session = connect(login, &database.name, deadline).await?;
    let (list, tally) = (&database.list, &mut database.tally);
    count_rest(&session, list, order, allowance, tally).await
}

fn asked(request: &CheckRequest) -> Asked<'_> {
    Asked {
        main: request.server.databases.first().map_or("", String::as_str),
        rules: &request.tables,
        known: &request.known_tables,
        count_all: request.count_all_tables,
    }
}
