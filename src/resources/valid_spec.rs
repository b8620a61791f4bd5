//! A spec that has been read: every text that means something else (a duration, a cron line, a
//! percentage, the name of a table, an endpoint) is parsed once, here, and nobody else parses it
//! again. The definition's schema refuses first; this is for objects from before it did. Pure.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::check_schedule::CheckSchedule;
use super::duration::{DurationRange, parse_duration};
use super::schedule::{Schedule, ScheduleError};
use super::spec_error::SpecError;
use super::valid_agents::agent_errors;
use super::valid_copies::{ValidCopy, read_copies, read_sample};
use super::valid_drill::{ValidDrill, read_drill};
use super::valid_dump::{YIELD_RANGE, dump_errors, read_window};
use super::valid_encryption::read_recipients;
use super::valid_storage::{DEFAULT_RETRY, RETRY_RANGE, storage_errors};
use crate::api::{
    Backup, Connection, FILE_RULE_LIMIT, FileRule, ProtectedDatabaseSpec, S3Storage, TableRule,
    TlsMode, Verification,
};

/// A spec whose every field can be used.
#[derive(Clone, Debug)]
pub struct ValidSpec {
    /// What checks go by.
    pub verification: ValidVerification,
    /// When to check in addition to every restart.
    pub check_schedule: CheckSchedule,
    /// How long a gated pod waits for a verdict.
    pub gate_timeout: Duration,
    /// What backups go by, if any are asked for.
    pub backup: Option<ValidBackup>,
    /// What restores go by, if any may be made.
    pub restore: Option<ValidRestore>,
    /// What drills go by, if any are asked for.
    pub drill: Option<ValidDrill>,
}

/// What checks go by.
#[derive(Clone, Debug)]
pub struct ValidVerification {
    /// Longest time that a check may take.
    pub timeout: Duration,
    /// Longest time for counting tables without a rule.
    pub counting_budget: Duration,
    /// The share that a table without a rule may lose, in percent; `None` is any.
    pub max_drop_percent: Option<i32>,
    /// The rules of single tables, in the order of the spec.
    pub tables: Vec<ValidTableRule>,
    /// For each rule about files, in the order of the spec, how long looking may take.
    pub file_timeouts: Vec<Duration>,
}

/// The name of a table, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidTableRule {
    pub schema: String,
    pub table: String,
}

/// What backups go by.
#[derive(Clone, Debug)]
pub struct ValidBackup {
    /// When they are taken.
    pub schedule: Schedule,
    /// How long after each tick one may begin.
    pub window: Duration,
    /// Longest time that one may take.
    pub deadline: Duration,
    /// How long one waits in all for a storage that is unavailable or busy.
    pub retry_timeout: Duration,
    /// Where they go.
    pub storage: S3Storage,
    /// After how long one ends for a change of a table that waits for it; none for never.
    pub yield_to_ddl: Option<Duration>,
    /// Public keys that they are encrypted for; none for backups that are not encrypted.
    pub age_recipients: Vec<String>,
    /// Bytes of the sets that are read whole each day; 0 for none.
    pub verify_sample: u64,
    /// Further buckets that get a copy of each.
    pub copies: Vec<ValidCopy>,
}

/// What restores of backups go by.
#[derive(Clone, Debug)]
pub struct ValidRestore {
    /// Longest time that one may take.
    pub deadline: Duration,
}

/// The parts of a spec, each read for itself: an error in the part of the backups does not stop
/// checks, nor the reverse. The guard needs none of them.
#[derive(Clone, Debug)]
pub struct SpecParts {
    /// What checks need.
    pub verification: Result<ValidVerification, Vec<SpecError>>,
    /// When to check in addition to every restart. What is wrong with it holds no other check.
    pub check_schedule: Result<CheckSchedule, Vec<SpecError>>,
    /// What the readiness gate needs. An error in it stops checks, too.
    pub gate_timeout: Result<Duration, Vec<SpecError>>,
    /// What backups need.
    pub backup: Result<Option<ValidBackup>, Vec<SpecError>>,
    /// What restores of backups need.
    pub restore: Result<Option<ValidRestore>, Vec<SpecError>>,
    /// What drills need.
    pub drill: Result<Option<ValidDrill>, Vec<SpecError>>,
}

impl ValidSpec {
    /// Reads a spec.
    ///
    /// # Errors
    /// Every field that can't be used.
    pub fn parse(spec: &ProtectedDatabaseSpec) -> Result<Self, Vec<SpecError>> {
        match SpecParts::parse(spec) {
            SpecParts {
                verification: Ok(verification),
                check_schedule: Ok(check_schedule),
                gate_timeout: Ok(gate_timeout),
                backup: Ok(backup),
                restore: Ok(restore),
                drill: Ok(drill),
            } => Ok(Self {
                verification,
                check_schedule,
                gate_timeout,
                backup,
                restore,
                drill,
            }),
            parts => Err(parts.errors()),
        }
    }
}

impl SpecParts {
    /// Reads each part of a spec.
    #[must_use]
    pub fn parse(spec: &ProtectedDatabaseSpec) -> Self {
        let mut reader = Reader::default();
        read_connection(&mut reader, &spec.connection);
        // Agents without which nothing is checked or backed up.
        let agents = spec.agents.iter();
        let wrong = agents.flat_map(|agents| agent_errors("spec.agents", agents));
        reader.errors.extend(wrong);
        let connection = reader.errors;

        let mut reader = Reader::default();
        let gate_timeout = reader.duration(
            "spec.verification.gate.timeout",
            &spec.verification.gate.timeout,
            GATE_RANGE,
        );
        let gate_timeout = reader.finish(gate_timeout);

        let mut reader = Reader::default();
        let check_schedule = CheckSchedule::parse(spec.verification.schedule.as_deref())
            .map_err(|error| reader.refuse("spec.verification.schedule", error.to_string()))
            .ok();
        let check_schedule = reader.finish(check_schedule);

        let mut reader = Reader::from(&connection);
        let verification = read_verification(&mut reader, &spec.verification);
        if let Err(errors) = &gate_timeout {
            reader.errors.extend(errors.iter().cloned());
        }
        let verification = reader.finish(verification);

        let mut reader = Reader::from(&connection);
        let backup = if let Some(backup) = &spec.backup {
            reader.errors.extend(dump_errors(spec, backup));
            read_backup(&mut reader, backup).map(Some)
        } else {
            // Nothing is backed up, so nothing is wrong with how.
            reader.errors.clear();
            Some(None)
        };
        let backup = reader.finish(backup);

        let mut reader = Reader::default();
        let restore = match &spec.restore {
            Some(restore) => reader
                .duration("spec.restore.deadline", &restore.deadline, RESTORE_RANGE)
                .map(|deadline| Some(ValidRestore { deadline })),
            None => Some(None),
        };
        let restore = reader.finish(restore);

        let drill = spec.drill.as_ref().map(read_drill).transpose();
        Self {
            verification,
            check_schedule,
            gate_timeout,
            backup,
            restore,
            drill,
        }
    }

    /// Every field that can't be used, each once.
    #[must_use]
    pub fn errors(&self) -> Vec<SpecError> {
        let parts = [
            self.verification.as_ref().err(),
            self.check_schedule.as_ref().err(),
            self.backup.as_ref().err(),
            self.restore.as_ref().err(),
            self.drill.as_ref().err(),
        ];
        let mut errors: Vec<SpecError> = Vec::new();
        for error in parts.into_iter().flatten().flatten() {
            if !errors.contains(error) {
                errors.push(error.clone());
            }
        }
        errors
    }

    /// Whether what the data is compared by can't be used: then nothing is judged by it.
    #[must_use]
    pub fn has_unusable_rules(&self) -> bool {
        let is_rule = |error: &SpecError| {
            error.field.starts_with("spec.verification.tables")
                || error.field.starts_with("spec.verification.baseline")
        };
        self.verification
            .as_ref()
            .is_err_and(|errors| errors.iter().any(is_rule))
    }
}

/// Every error in one message; the first field comes first.
#[must_use]
pub fn describe_errors(errors: &[SpecError]) -> String {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

const CHECK_RANGE: DurationRange = ["1s", "1h"];
const COUNTING_RANGE: DurationRange = ["1ms", "1h"];
const GATE_RANGE: DurationRange = ["1s", "24h"];
const BACKUP_RANGE: DurationRange = ["1s", "7d"];
const RESTORE_RANGE: DurationRange = ["1m", "7d"];

/// Collects what is wrong while it reads on, so that all of it is reported at once.
#[derive(Default)]
struct Reader {
    errors: Vec<SpecError>,
}

impl Reader {
    fn from(errors: &[SpecError]) -> Self {
        Self {
            errors: errors.to_vec(),
        }
    }

    fn finish<T>(self, value: Option<T>) -> Result<T, Vec<SpecError>> {
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(self.errors),
        }
    }

    fn refuse(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.errors.push(SpecError {
            field: field.into(),
            message: message.into(),
        });
    }

    fn require(&mut self, holds: bool, field: impl Into<String>, message: impl Into<String>) {
        if !holds {
            self.refuse(field, message);
        }
    }

    fn duration(
        &mut self,
        field: impl Into<String>,
        text: &str,
        range: DurationRange,
    ) -> Option<Duration> {
        parse_duration(text, range)
            .map_err(|error| self.refuse(field, error.to_string()))
            .ok()
    }

    /// `parent` has the fields `schedule` and `timeZone`.
    fn schedule(&mut self, parent: &str, line: &str, zone: Option<&str>) -> Option<Schedule> {
        Schedule::parse(line, zone)
            .map_err(|error| {
                let field = match error {
                    ScheduleError::TimeZone(_) => "timeZone",
                    ScheduleError::Malformed { .. } | ScheduleError::NeverFires(_) => "schedule",
                };
                self.refuse(format!("{parent}.{field}"), error.to_string());
            })
            .ok()
    }
}

fn read_connection(reader: &mut Reader, connection: &Connection) {
    reader.require(
        connection.port > 0,
        "spec.connection.port",
        "0 is no port; write 1 to 65535",
    );
    reader.require(
        connection.tls.mode != TlsMode::VerifyFull || connection.tls.ca_secret.is_some(),
        "spec.connection.tls.caSecret",
        "the mode VerifyFull needs the certificate authority to verify the server with",
    );
    let is_certified = connection.client_certificate_secret.is_some();
    reader.require(
        connection.credentials_secret.is_some() || (is_certified && connection.username.is_some()),
        "spec.connection.credentialsSecret",
        "there is nothing to log in with; name a Secret, or a role (username) and its \
         clientCertificateSecret",
    );
    reader.require(
        !is_certified || matches!(connection.tls.mode, TlsMode::Require | TlsMode::VerifyFull),
        "spec.connection.tls.mode",
        "a client certificate needs the mode Require or VerifyFull",
    );
}

fn read_verification(
    reader: &mut Reader,
    verification: &Verification,
) -> Option<ValidVerification> {
    let timeout = reader.duration(
        "spec.verification.timeout",
        &verification.timeout,
        CHECK_RANGE,
    );
    let counting_budget = reader.duration(
        "spec.verification.countingBudget",
        &verification.counting_budget,
        COUNTING_RANGE,
    );
    let max_drop_percent = match &verification.baseline.max_drop_percent {
        IntOrString::Int(percent) if (0..=100).contains(percent) => Some(Some(*percent)),
        IntOrString::String(word) if word == "Off" => Some(None),
        other => {
            let said = match other {
                IntOrString::Int(percent) => percent.to_string(),
                IntOrString::String(word) => format!("{word:?}"),
            };
            reader.refuse(
                "spec.verification.baseline.maxDropPercent",
                format!("{said} is not a percentage; write 0 to 100, or \"Off\""),
            );
            None
        }
    };
    let tables: Vec<_> = verification
        .tables
        .iter()
        .enumerate()
        .map(|(position, rule)| read_table_rule(reader, position, rule))
        .collect();
    reader.require(
        verification.files.len() <= FILE_RULE_LIMIT,
        "spec.verification.files",
        format!("there are more than {FILE_RULE_LIMIT} rules; keep the most important ones"),
    );
    let file_timeouts: Vec<_> = verification
        .files
        .iter()
        .enumerate()
        .map(|(position, rule)| read_file_rule(reader, position, rule))
        .collect();
    Some(ValidVerification {
        timeout: timeout?,
        counting_budget: counting_budget?,
        max_drop_percent: max_drop_percent?,
        tables: tables.into_iter().collect::<Option<_>>()?,
        file_timeouts: file_timeouts.into_iter().collect::<Option<_>>()?,
    })
}

fn read_table_rule(
    reader: &mut Reader,
    position: usize,
    rule: &TableRule,
) -> Option<ValidTableRule> {
    let field = |name: &str| format!("spec.verification.tables[{position}].{name}");
    let is_name = |part: &str| {
        (1..=63).contains(&part.chars().count())
            && !part.contains(|character: char| {
                character.is_whitespace() || matches!(character, '.' | '"' | '\'' | ';')
            })
    };
    let name = rule
        .name
        .split_once('.')
        .filter(|(schema, table)| is_name(schema) && is_name(table));
    reader.require(
        name.is_some(),
        field("name"),
        format!(
            "{:?} is not SCHEMA.TABLE, without quotes, such as public.experts",
            rule.name
        ),
    );
    reader.require(
        rule.min_rows.is_none_or(|rows| rows >= 0),
        field("minRows"),
        "no table has fewer than 0 rows; write 0 or more",
    );
    reader.require(
        rule.max_drop_percent
            .is_none_or(|percent| (0..=100).contains(&percent)),
        field("maxDropPercent"),
        "it is a percentage; write 0 to 100",
    );
    reader.require(
        !rule.volatile || rule.max_drop_percent.is_none(),
        field("maxDropPercent"),
        "a volatile table may lose all its rows; remove maxDropPercent, or volatile",
    );
    name.map(|(schema, table)| ValidTableRule {
        schema: schema.to_owned(),
        table: table.to_owned(),
    })
}

fn read_file_rule(reader: &mut Reader, position: usize, rule: &FileRule) -> Option<Duration> {
    let field = |name: &str| format!("spec.verification.files[{position}].{name}");
    for (name, path) in [("root", &rule.root), ("prefix", &rule.prefix)] {
        reader.require(
            !path.split('/').any(|part| part == ".."),
            field(name),
            "it must not contain `..`",
        );
    }
    for (name, id) in [
        ("runAsUser", rule.run_as_user),
        ("runAsGroup", rule.run_as_group),
    ] {
        reader.require(
            id.is_none_or(|id| (1..i64::from(u32::MAX)).contains(&id)),
            field(name),
            "an agent never runs as root; write 1 to 4294967294",
        );
    }
    reader.duration(field("timeout"), &rule.timeout, CHECK_RANGE)
}

fn read_backup(reader: &mut Reader, backup: &Backup) -> Option<ValidBackup> {
    let deadline = reader.duration("spec.backup.deadline", &backup.deadline, BACKUP_RANGE);
    let schedule = reader.schedule("spec.backup", &backup.schedule, backup.time_zone.as_deref());
    let window = read_window(backup)
        .map_err(|error| reader.refuse("spec.backup.window", error.to_string()))
        .ok();
    let storage = &backup.storage.s3;
    let wrong = storage_errors("spec.backup.storage.s3", storage);
    reader.errors.extend(wrong);
    let retry_timeout = storage.retry_timeout.as_deref().unwrap_or(DEFAULT_RETRY);
    let retry_timeout = reader.duration(
        "spec.backup.storage.s3.retryTimeout",
        retry_timeout,
        RETRY_RANGE,
    );
    let yield_to_ddl = if backup.yield_to_ddl == "Off" {
        Some(None)
    } else {
        let field = "spec.backup.yieldToDDL";
        reader
            .duration(field, &backup.yield_to_ddl, YIELD_RANGE)
            .map(Some)
    };
    let age_recipients = match &backup.encryption {
        None => Some(Vec::new()),
        Some(encryption) => read_recipients("spec.backup.encryption", encryption)
            .map_err(|errors| reader.errors.extend(errors))
            .ok(),
    };
    let verify_sample = read_sample("spec.backup.verifySample", &backup.verify_sample)
        .map_err(|error| reader.errors.push(error))
        .ok();
    let copies = read_copies("spec.backup", backup)
        .map_err(|errors| reader.errors.extend(errors))
        .ok();
    Some(ValidBackup {
        schedule: schedule?,
        window: window?,
        deadline: deadline?,
        retry_timeout: retry_timeout?,
        storage: backup.storage.s3.clone(),
        yield_to_ddl: yield_to_ddl?,
        age_recipients: age_recipients?,
        verify_sample: verify_sample?,
        copies: copies?,
    })
}

#[cfg(test)]
#[path = "valid_spec_tests.rs"]
mod tests;
