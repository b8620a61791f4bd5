//! Reading and dumping everything that belongs to a set, before anything of it appears in the bucket.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::api::{AgentFailure, BackupRequest, SequenceEvidence, reasons};
use crate::postgres::{
    ArchiveSummary, DatabaseDescription, Login, PostgresError, Session, Snapshot, TableList,
    connect, count_in_snapshot, end_sessions, fetch_database_size, fetch_description,
    fetch_encrypted, fetch_extension_tables, fetch_formats, fetch_identity, fetch_overview,
    fetch_sequences, fetch_table_bytes, fetch_tables, fetch_without_login, may_read_role_passwords,
};
use crate::store::{
    GLOBALS_NAME, MAIN_DUMP_NAME, RolePasswords, S3Store, Upload, further_dump_name,
};

use super::ddl_watch::watch;
use super::dump::{DumpScope, DumpedServer};
use super::encryption::Recipients;
use super::filled::{Filled, FilledDatabase, InFlight, Place, judge};
use super::left_out::{excluded, oids_of};
use super::set_order::SetOrder;
use super::set_verdict::{DumpedDatabase, KnownGood};
use super::{DumpPrograms, SuspicionSource};

/// How long a server that starts is waited for.
const CONNECT_LIMIT: Duration = Duration::from_mins(2);
/// How long the server may take to say, after a dump, that it is still the same.
const SAME_LIMIT: Duration = Duration::from_mins(1);

/// What was counted of a database by queries in its snapshot.
struct Counted {
    list: Result<TableList, String>,
    extension_tables: BTreeSet<i64>,
    rows: BTreeMap<i64, i64>,
}

impl Counted {
    /// Nothing could be listed, or counted that had to be.
    fn nothing(error: PostgresError) -> Self {
        Self {
            list: Err(error.message),
            extension_tables: BTreeSet::new(),
            rows: BTreeMap::new(),
        }
    }
}

/// What is the same for all databases of a set.
struct Filling<'a> {
    order: &'a SetOrder<'a>,
    login: &'a Login,
    store: &'a S3Store,
    /// The main database.
    main: &'a str,
    application: String,
    deadline: tokio::time::Instant,
    recipients: Recipients,
}

/// Reads and dumps. The first session exports a snapshot and stays open to the end: it says whether the
/// server is still the same one, and nobody else backs up the same database meanwhile.
pub async fn fill(
    order: &SetOrder<'_>,
    login: &Login,
    suspicion: &impl SuspicionSource,
    store: &S3Store,
    in_flight: &mut Vec<InFlight>,
) -> Result<Filled, AgentFailure> {
    let request = order.request;
    let recipients = Recipients::read(&request.age_recipients)?;
    // Read before the snapshot: a check that follows has seen more than it.
    let known = suspicion.fetch_known_good().await;
    let deadline =
        tokio::time::Instant::now() + Duration::from_secs(request.deadline_seconds.max(1));
    let (of_database, application) = order.application_names();
    let filling = Filling {
        order,
        login,
        store,
        main: request.server.main_database(),
        application,
        deadline,
        recipients,
    };
    let mut first = Snapshot::open(login, filling.main, deadline, Some(order.lock_number()))
        .await?
        .ok_or_else(|| another_is_running(request))?;
    end_leftovers(&first, &of_database).await;
    let filled = filling.fill(&mut first, suspicion, known, in_flight).await;
    filling.explain(&first, filled).await
}

/// Ends what an agent has left that was killed: nobody else backs up this database now.
async fn end_leftovers(first: &Snapshot, application: &str) {
    match end_sessions(&first.session, application).await {
        Ok(0) => {}
        Ok(ended) => tracing::warn!(ended, "ended sessions of a backup that was killed"),
        Err(error) => tracing::warn!("sessions of earlier backups could not be ended: {error}"),
    }
}

impl Filling<'_> {
    async fn fill(
        &self,
        first: &mut Snapshot,
        suspicion: &impl SuspicionSource,
        known: Result<KnownGood, String>,
        in_flight: &mut Vec<InFlight>,
    ) -> Result<Filled, AgentFailure> {
        let databases = &self.order.request.server.databases;
        let cluster_digest = self.fetch_cluster_digest().await;
        // As checks read it: the mark of the server has it as Postgres writes it, which is another
        // number from 2^63 on.
        let identity = fetch_identity(&first.session).await?.identity;
        let before = suspicion.fetch_suspicion(&identity.system_identifier).await;
        let programs = self
            .prepare(&first.session, &identity.server_version)
            .await?;

        let begun = Instant::now();
        let role_passwords = self.find_role_passwords(&first.session).await?;
        let globals = self.add(GLOBALS_NAME, 0, in_flight);
        let passwords = role_passwords.unwrap_or(RolePasswords::NotReadable);
        let written = programs
            .dump_globals(self.main, passwords, &globals.name, &mut globals.upload)
            .await?;
        globals.raw_size = written.inspected.raw_size;
        let globals_time = begun.elapsed();

        let begun = Instant::now();
        first.renew().await?;
        let first = &*first;
        let mut overview = fetch_overview(&first.session, databases).await?;
        overview.observed.observed_at = first.time.clone();
        let mut filled = Vec::new();
        for database in databases {
            let dumped = if database == self.main {
                let tables = Some(overview.tables.clone());
                self.dump(&programs, first, database, tables, in_flight)
                    .await?
            } else {
                let further = self.open_further(first, database).await?;
                self.dump(&programs, &further, database, None, in_flight)
                    .await?
            };
            filled.push(dumped);
        }
        self.make_sure_it_is_the_same(first).await?;
        let dump_time = begun.elapsed();
        let after = suspicion.fetch_suspicion(&identity.system_identifier).await;
        let mut suspicions: Vec<String> = before.into_iter().chain(after).collect();
        suspicions.dedup();
        let judged = judge(self.order, &overview, &filled, known);
        Ok(Filled {
            databases_left_out: overview
                .others
                .iter()
                .map(|(database, _)| database.name.clone())
                .collect(),
            observed: overview.observed,
            cluster_digest,
            recipients: self.recipients.texts(),
            role_passwords,
            databases: filled,
            directories: Vec::new(),
            suspicions,
            judged,
            dump_time,
            globals_time,
            files_time: Duration::ZERO,
        })
    }

    /// What distinguishes the database cluster without a login.
    async fn fetch_cluster_digest(&self) -> Option<String> {
        let login = self.login;
        let stranger = Login {
            presence: login.presence.clone(),
            ..Login::nobody(&login.host, login.port, login.tls_mode)
        };
        let answer = Box::pin(fetch_without_login(&stranger, None, self.main)).await;
        answer.cluster_digest
    }

    /// Whether the hashes of passwords come with the roles; none if the set is not encrypted.
    async fn find_role_passwords(
        &self,
        session: &Session,
    ) -> Result<Option<RolePasswords>, AgentFailure> {
        if !self.recipients.is_encrypted() {
            return Ok(None);
        }
        Ok(Some(if may_read_role_passwords(session).await? {
            RolePasswords::Included
        } else {
            RolePasswords::NotReadable
        }))
    }

    async fn prepare(
        &self,
        session: &Session,
        version: &str,
    ) -> Result<DumpPrograms, AgentFailure> {
        let server = DumpedServer {
            version,
            encrypted: fetch_encrypted(session).await?,
        };
        let work = &self.order.files.work;
        let programs = DumpPrograms::prepare(self.login, work, server, &self.application).await?;
        let programs = programs
            .encrypted_for(self.recipients.clone())
            .shown_on(self.order.meter.clone());
        Ok(match &self.order.dump_program {
            Some(program) => programs.with_dump_program(program.clone()),
            None => programs,
        })
    }

    /// A snapshot of a further database, which can't use that of the main one, of the same server.
    async fn open_further(
        &self,
        first: &Snapshot,
        database: &str,
    ) -> Result<Snapshot, AgentFailure> {
        let request = self.order.request;
        let further = Snapshot::open(self.login, database, self.deadline, None)
            .await?
            .ok_or_else(|| another_is_running(request))?;
        let wanted = &request.server.databases;
        match first.server.difference(&further.server, wanted) {
            Some(difference) => Err(server_changed(&difference)),
            None => Ok(further),
        }
    }

    fn add<'objects>(
        &self,
        name: &str,
        expected: u64,
        in_flight: &'objects mut Vec<InFlight>,
    ) -> &'objects mut InFlight {
        let name = self.recipients.name_object(name);
        let upload = Upload::new(self.store.clone(), self.order.path.key(&name), expected);
        in_flight.push(InFlight {
            name,
            upload,
            raw_size: 0,
            place: Place::default(),
            frames: Vec::new(),
        });
        let last = in_flight.len() - 1;
        &mut in_flight[last]
    }

    /// Dumps one database of one snapshot, and reads what the dump does not say.
    async fn dump(
        &self,
        programs: &DumpPrograms,
        snapshot: &Snapshot,
        database: &str,
        tables: Option<Result<TableList, PostgresError>>,
        in_flight: &mut Vec<InFlight>,
    ) -> Result<FilledDatabase, AgentFailure> {
        let request = self.order.request;
        let session = &snapshot.session;
        let tables = match tables {
            Some(tables) => tables,
            None => fetch_tables(session).await,
        };
        let excluded = tables
            .as_ref()
            .map(|list| excluded(list, &request.exclude_table_data))
            .unwrap_or_default();
        let name = if database == self.main {
            MAIN_DUMP_NAME.to_owned()
        } else {
            further_dump_name(database)
        };
        // A hint only.
        let size = fetch_database_size(session).await.unwrap_or_default();
        let left_out = tables
            .as_ref()
            .map(|list| oids_of(list, &excluded))
            .unwrap_or_default();
        // For whoever waits.
        let table_bytes = fetch_table_bytes(session, size, &left_out).await;
        let object = self.add(&name, size.unsigned_abs(), in_flight);
        let name = object.name.clone();
        let meter = &self.order.meter;
        meter.begin_database(database, table_bytes.unwrap_or_default());
        // Of the snapshot's own session; the dump gets the same ones, and the manifest says them.
        let formats = fetch_formats(session).await?;
        let scope = DumpScope {
            snapshot: Some(&snapshot.name),
            without_rows: excluded.clone(),
            formats: formats.clone(),
        };
        let dump = programs.dump_database(database, &scope, &name, &mut object.upload);
        let dumped = tokio::select! {
            failure = self.must_yield(database) => return Err(failure),
            dumped = dump => dumped?,
        };
        object.raw_size = dumped.inspected.raw_size;
        object.frames = dumped.inspected.frames;
        let archive = dumped.inspected.archive.ok_or_else(|| AgentFailure {
            reason: reasons::DUMP_INCOMPLETE.to_owned(),
            message: "pg_dump wrote no archive, which is a fault of Holdfast".to_owned(),
        })?;
        tracing::info!(
            database,
            rows = archive.rows(),
            raw_bytes = archive.bytes,
            stored_bytes = object.upload.size(),
            "dumped"
        );
        let counted = self.count_the_rest(snapshot, tables, &archive).await?;
        let (mut description, sequences) = self.describe(database).await?;
        description.formats = formats;
        Ok(FilledDatabase {
            object: name,
            snapshot_time: snapshot.time.clone(),
            description,
            warnings: dumped.warnings,
            archive,
            dumped: DumpedDatabase {
                name: database.to_owned(),
                list: counted.list,
                extension_tables: counted.extension_tables,
                counted: counted.rows,
                without_rows: excluded
                    .into_iter()
                    .map(|(schema, table)| format!("{schema}.{table}"))
                    .collect(),
                sequences,
            },
        })
    }

    /// What the dump does not say: rows of tables of extensions, and all rows where nobody here knows
    /// the version of the archive. All of it is of the snapshot.
    async fn count_the_rest(
        &self,
        snapshot: &Snapshot,
        tables: Result<TableList, PostgresError>,
        archive: &ArchiveSummary,
    ) -> Result<Counted, AgentFailure> {
        let session = &snapshot.session;
        let list = match tables {
            Ok(list) => list,
            Err(error) => return Ok(Counted::nothing(error)),
        };
        let of_extensions = fetch_extension_tables(session).await?;
        let counted = count_in_snapshot(session, &list, |table| {
            let is_plain = table.readable && !table.row_security && table.can_be_named;
            !archive.is_read || of_extensions.contains(&table.oid) && is_plain
        })
        .await;
        match counted {
            Err(error) if error.kind.is_of_the_connection() => Err(error.into()),
            Err(error) if !archive.is_read => Ok(Counted::nothing(error)),
            counted => Ok(Counted {
                list: Ok(list),
                extension_tables: of_extensions,
                rows: counted.unwrap_or_else(|error| {
                    tracing::warn!("tables of extensions could not be counted: {error}");
                    BTreeMap::new()
                }),
            }),
        }
    }

    /// What is not of the snapshot: how the database was created, and how far sequences have come.
    async fn describe(
        &self,
        database: &str,
    ) -> Result<(DatabaseDescription, Vec<SequenceEvidence>), AgentFailure> {
        let deadline = self
            .deadline
            .min(tokio::time::Instant::now() + CONNECT_LIMIT);
        let session = connect(self.login, database, deadline).await?;
        let description = fetch_description(&session).await?;
        Ok((description, fetch_sequences(&session).await?))
    }

    /// Returns when the dump must end for a change of a table; never, if it need not.
    async fn must_yield(&self, database: &str) -> AgentFailure {
        match self.order.request.yield_seconds {
            Some(seconds) => {
                let limit = Duration::from_secs(seconds);
                watch(self.login, database, &self.application, limit).await
            }
            None => std::future::pending().await,
        }
    }

    /// Makes sure that the server is still the one that the first session has seen.
    async fn make_sure_it_is_the_same(&self, first: &Snapshot) -> Result<(), AgentFailure> {
        let wanted = &self.order.request.server.databases;
        match first.find_difference(self.login, wanted, SAME_LIMIT).await {
            Ok(None) => Ok(()),
            Ok(Some(difference)) => Err(server_changed(&difference)),
            Err(error) => Err(server_changed(&format!(
                "the session that has the snapshot is lost, or nobody can connect any more: {error}"
            ))),
        }
    }

    /// What a failure comes from: where the server is another one, that says more.
    async fn explain<T>(
        &self,
        first: &Snapshot,
        outcome: Result<T, AgentFailure>,
    ) -> Result<T, AgentFailure> {
        let failure = match outcome {
            Ok(done) => return Ok(done),
            Err(failure) => failure,
        };
        let is_of_server = [
            reasons::DUMP_FAILED,
            reasons::DUMP_INCOMPLETE,
            reasons::CONNECTION_FAILED,
            reasons::SERVER_STARTING,
            reasons::QUERY_FAILED,
            reasons::DATABASE_NOT_FOUND,
            reasons::AUTHENTICATION_FAILED,
            reasons::PERMISSION_DENIED,
            reasons::TLS_FAILED,
        ]
        .contains(&failure.reason.as_str());
        if !is_of_server {
            return Err(failure);
        }
        match self.make_sure_it_is_the_same(first).await {
            Ok(()) => Err(failure),
            Err(changed) => Err(AgentFailure {
                message: format!(
                    "{}; it showed by this: {}",
                    changed.message, failure.message
                ),
                ..changed
            }),
        }
    }
}

fn server_changed(difference: &str) -> AgentFailure {
    AgentFailure {
        reason: reasons::SERVER_CHANGED.to_owned(),
        message: format!(
            "the server is not the same any more as when the backup began, so nothing was stored: \
             {difference}"
        ),
    }
}

fn another_is_running(request: &BackupRequest) -> AgentFailure {
    AgentFailure {
        reason: reasons::ANOTHER_IS_RUNNING.to_owned(),
        message: format!(
            "another backup of this database is being taken, so this one was not begun. See kubectl -n \
             {} get dbbackup",
            request.namespace
        ),
    }
}
