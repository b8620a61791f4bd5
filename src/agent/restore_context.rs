//! What all parts of a restore share: the order, the bucket, the login, and the report as it is now.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant as Clock};

use tokio::time::Instant;

use crate::api::{
    AgentFailure, DrillReport, DrillTimes, RESTORE_WARNING_LIMIT, RestoreReport, reasons,
};
use crate::postgres::{Login, Writer, fetch_identity};
use crate::store::{Identities, Manifest, ManifestDatabase, ManifestObject, S3Store};
use crate::wording::quoted;

use super::restore_fetch::StoredDump;
use super::restore_identity::read_identities;
use super::restore_order::{RestoreOrder, RestoreWatcher};
use super::restore_server::connect;
use super::restore_server_facts::ServerFacts;

/// From this version on an event trigger can run at each login.
const HAS_LOGIN_TRIGGERS: u32 = 17;
const WITHOUT_EVENT_TRIGGERS: &str = "-c event_triggers=off";

/// One restore.
pub struct Restoring<'a, W> {
    pub order: &'a RestoreOrder<'a>,
    pub watcher: &'a W,
    pub store: S3Store,
    pub login: Login,
    pub deadline: Instant,
    /// Whether something may have been made in the server.
    pub has_made: AtomicBool,
    /// The system identifier of the server that it has begun with.
    identifier: OnceLock<String>,
    /// How to log in to a database that is being restored, where that is not as to every other one.
    inside: OnceLock<Login>,
    /// The private keys that read the set, if it is encrypted.
    identities: OnceLock<Arc<Identities>>,
    report: Mutex<RestoreReport>,
    /// What several sessions can't do, by the name of the database.
    not_beside: Mutex<BTreeMap<String, Beside>>,
}

/// What several sessions do beside each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Beside {
    #[default]
    RowsAndIndexes,
    Indexes,
    Nothing,
}

impl<'a, W: RestoreWatcher> Restoring<'a, W> {
    /// Opens the bucket and reads the login; nothing is sent yet.
    pub fn open(order: &'a RestoreOrder<'a>, watcher: &'a W) -> Result<Self, AgentFailure> {
        let (request, files) = (order.request, order.files);
        let namespace = &request.namespace;
        let store = files.open_store(&request.storage, namespace, order.limits)?;
        let presence = order.presence.clone();
        let login = files.read_login(&request.server, namespace, &order.host, presence)?;
        Ok(Self {
            order,
            watcher,
            store,
            login,
            deadline: Instant::now() + Duration::from_secs(request.deadline_seconds.max(1)),
            has_made: AtomicBool::new(false),
            identifier: order
                .system_identifier
                .clone()
                .map_or_else(OnceLock::new, OnceLock::from),
            inside: OnceLock::new(),
            identities: OnceLock::new(),
            report: Mutex::new(RestoreReport {
                drill: request.drill.as_ref().map(|_| DrillReport::default()),
                ..RestoreReport::default()
            }),
            not_beside: Mutex::default(),
        })
    }

    /// What several sessions do in a database.
    pub fn beside(&self, database: &str) -> Beside {
        let known = self
            .not_beside
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.get(database).copied().unwrap_or_default()
    }

    /// Remembers that they do no more than that: also when the database is restored again after a connection
    /// broke.
    pub fn limit_beside(&self, database: &str, beside: Beside) {
        let mut known = self
            .not_beside
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.insert(database.to_owned(), beside);
    }

    /// Connects to a database to work from. The container may have started again meanwhile, but its data
    /// must be the same.
    pub async fn connect(&self, deadline: Instant) -> Result<Writer, AgentFailure> {
        let writer = connect(&self.login, deadline).await?;
        self.recognise(&writer).await?;
        Ok(writer)
    }

    /// Keeps event triggers of a restored database from running for sessions of the restore: one of a login would
    /// run at each of them, before anything was compared. Only a superuser may, and only one can restore them.
    pub fn leave_event_triggers(&self, facts: &ServerFacts) {
        if facts.is_superuser && facts.major >= HAS_LOGIN_TRIGGERS {
            self.inside.get_or_init(|| Login {
                options: WITHOUT_EVENT_TRIGGERS,
                ..self.login.clone()
            });
        }
    }

    /// How to log in to a database that is being restored.
    pub fn login_inside(&self) -> &Login {
        self.inside.get().unwrap_or(&self.login)
    }

    /// Makes sure that a session is with the server that the restore has begun with.
    pub async fn recognise(&self, writer: &Writer) -> Result<(), AgentFailure> {
        let found = fetch_identity(writer).await?.identity.system_identifier;
        let known = self.identifier.get_or_init(|| found.clone());
        if *known == found {
            return Ok(());
        }
        Err(AgentFailure {
            reason: reasons::SERVER_REPLACED.to_owned(),
            message: format!(
                "another database cluster answers at {} than the one that the restore has begun in, so \
                 nothing was done there",
                self.login.address()
            ),
        })
    }

    /// The system identifier of the server that the restore has begun with, once it has answered.
    pub fn identifier(&self) -> Option<String> {
        self.identifier.get().cloned()
    }

    /// Reads the private keys for a set that is encrypted, or says why they can't read it.
    pub fn read_identities(&self, manifest: &Manifest) -> Result<(), String> {
        let (request, files) = (self.order.request, self.order.files);
        if let Some(identities) = read_identities(request, files, manifest)? {
            self.identities.get_or_init(|| identities);
        }
        Ok(())
    }

    /// The dump of a database as it is stored, and what reads it.
    pub fn dump_of<'b>(
        &'b self,
        manifest: &'b Manifest,
        database: &ManifestDatabase,
    ) -> Result<StoredDump<'b>, AgentFailure> {
        let object = object_of(manifest, database)?;
        Ok(StoredDump {
            store: &self.store,
            key: format!("{}/{}", self.order.request.path, object.name),
            object,
            identities: self.identities.get(),
        })
    }

    /// The report as it is now.
    pub fn snapshot(&self) -> RestoreReport {
        self.report
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Changes the report and shows it.
    pub fn note(&self, change: impl FnOnce(&mut RestoreReport)) {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut report);
        report.warnings.dedup();
        report.warnings.truncate(RESTORE_WARNING_LIMIT);
        let shown = report.clone();
        drop(report);
        self.watcher.note(&shown);
    }

    /// Adds the seconds since then to a part of a drill's time.
    pub fn add_time(&self, part: fn(&mut DrillTimes) -> &mut Option<i64>, begun: Clock) {
        self.add_duration(part, begun.elapsed());
    }

    /// The same for a time that was measured.
    pub fn add_duration(&self, part: fn(&mut DrillTimes) -> &mut Option<i64>, time: Duration) {
        self.note(|report| {
            if let Some(drill) = &mut report.drill {
                let sum = part(&mut drill.times);
                let more = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
                *sum = Some(sum.unwrap_or_default().saturating_add(more));
            }
        });
    }

    /// Adds warnings to the report.
    pub fn warn(&self, warnings: impl IntoIterator<Item = String>) {
        self.note(|report| report.warnings.extend(warnings));
    }
}

/// The dump of a database.
fn object_of<'a>(
    manifest: &'a Manifest,
    database: &ManifestDatabase,
) -> Result<&'a ManifestObject, AgentFailure> {
    let found = manifest
        .objects
        .iter()
        .find(|object| object.name == database.object);
    found.ok_or_else(|| AgentFailure {
        reason: reasons::RESTORE_REFUSED.to_owned(),
        message: format!(
            "the set has no dump of database {}",
            quoted(&database.name, 80)
        ),
    })
}

/// Seconds since then.
pub fn seconds(begun: Clock) -> Option<i64> {
    i64::try_from(begun.elapsed().as_secs()).ok()
}

/// Adds the seconds since then.
pub fn add_seconds(sum: &mut Option<i64>, begun: Clock) {
    let more = seconds(begun).unwrap_or_default();
    *sum = Some(sum.unwrap_or_default().saturating_add(more));
}
