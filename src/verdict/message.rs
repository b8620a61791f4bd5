//! The texts of verdicts: what happened, what it is compared with, and what to do next, the one
//! shortest command first and the acceptance last.

use crate::api::names::ACCEPT_CHECK_ANNOTATION;
use crate::api::{Evidence, Finding, RowCount};
use crate::wording;

use super::input::{Baseline, Input};
use super::message_unread::explain_login;
use super::naming::{name_table, say_rows};
use super::say_note::print_rule;
use super::sentence::{describe_cluster, describe_volume, say_finding};
use super::volumes::{DataVolumes, cluster_state};
use super::ways_back::{adopt_command, mount_back, on_same_volume};

/// What the source of a baseline begins with that only a backup knows of.
const BACKUP: &str = "the backup ";
/// How many tables a good verdict names.
const NAMED_TABLES: usize = 5;

/// How many rules a message prints.
const NAMED_RULES: usize = 3;

/// What is reported about a suspected reset: every finding down the chain, not only the first.
pub(super) fn suspected(input: &Input<'_>, evidence: &Evidence, findings: &[Finding]) -> String {
    let main = Some(input.spec.connection.database.as_str());
    let found: Vec<String> = findings
        .iter()
        .filter(|finding| finding.outcome() == crate::api::CheckOutcome::Suspected)
        .map(|finding| say_finding(finding, findings, main))
        .collect();
    let volumes = input
        .baseline
        .and_then(|baseline| DataVolumes::compare(input, &baseline));
    let (found, comparison) = (found.join("; "), comparison(input, evidence, volumes));
    let beside: Vec<String> = findings
        .iter()
        .filter(|finding| {
            matches!(
                finding,
                Finding::LooksUpgraded { .. } | Finding::TablesRenamed { .. }
            )
        })
        .map(|note| format!(" Note: {}.", say_finding(note, findings, main)))
        .collect();
    let beside = beside.concat();
    format!(
        "the data looks reset: {found}.{beside}{comparison} Next: {}.",
        next_steps(input, findings, volumes).join(". ")
    )
}

/// The message when nothing is known about the data.
pub(super) fn unverifiable(input: &Input<'_>, finding: &Finding) -> String {
    let main = Some(input.spec.connection.database.as_str());
    let sentence = say_finding(finding, &[], main);
    let (namespace, database) = (input.namespace, input.database);
    let edit = format!("kubectl -n {namespace} edit protdb {database}");
    match finding {
        Finding::InRecovery {} => format!(
            "{sentence}; wait for the recovery to end, or set spec.connection.host to the primary"
        ),
        Finding::DatabaseNotFound { .. } => {
            format!("{sentence}; create it, or correct the field: {edit}")
        }
        Finding::TableNotFound {
            is_connected: true, ..
        } => format!("{sentence}; create it, or correct the name: {edit}"),
        Finding::TableNotFound { .. } => format!(
            "{sentence}; add it to spec.connection.additionalDatabases, or correct the field: \
             {edit}"
        ),
        Finding::NotCounted { .. } => format!(
            "{sentence}; wait for the next check, raise the timeout ({} now), or, where minRows is \
             enough, set maxDropPercent: 100 in the rule: {edit}",
            input.spec.verification.timeout
        ),
        Finding::NothingCounted { .. } => format!(
            "{sentence}. Let the role read the tables: kubectl holdfast grant-sql {database} -n \
             {namespace}"
        ),
        Finding::NoRows { others } if others.is_empty() => format!(
            "{sentence}; it is verified as soon as it has rows. If it should have rows, see which \
             volume the pod mounts: kubectl -n {namespace} describe pod {}",
            input.target.pod
        ),
        Finding::NoRows { .. } => format!(
            "{sentence}. Correct spec.connection.database: {edit}. If an empty database is right: \
             {}",
            accept(input)
        ),
        Finding::MoreRowsElsewhere { .. } => format!(
            "{sentence}. If it should have those rows, restore that backup, kubectl holdfast adopt --help; if \
             it is another database: {}",
            accept(input)
        ),
        Finding::OthersBackups { .. } => format!(
            "{sentence}. What they hold is neither compared nor shown. If the data here is complete, or this is \
             another database: {}. If what they hold is missing here, list and restore it with a key of the \
             bucket: {}",
            accept(input),
            adopt_command(input)
        ),
        // An agent says itself what to do.
        _ => match explain_login(input) {
            Some(why) => format!("{sentence}. {why}"),
            None => sentence,
        },
    }
}

/// Which volume and cluster were expected and which were found, once if they are the same.
fn comparison(input: &Input<'_>, evidence: &Evidence, volumes: Option<DataVolumes<'_>>) -> String {
    let (Some(baseline), Some(volumes)) = (input.baseline, volumes) else {
        let now = describe_volume(input.target.volumes.first());
        return format!(
            " No good check came before. Found: {now}, {}.",
            describe_cluster(&cluster_state(evidence, None))
        );
    };
    let before = describe_cluster(&cluster_state(baseline.evidence, None));
    let now = describe_cluster(&cluster_state(evidence, None));
    let known = format!("{} of {}", baseline.source, baseline.evidence.observed_at.0);
    if !volumes.moved && before == now {
        return format!(
            " Volume and database cluster are those of {known}: {}, {now}.",
            describe_volume(volumes.now)
        );
    }
    format!(
        " Expected, as in {known}: {}, {before}. Found: {}, {now}.",
        describe_volume(volumes.before),
        describe_volume(volumes.now)
    )
}

/// The message about data that is as expected.
pub(super) fn verified(input: &Input<'_>, evidence: &Evidence, notes: &[Finding]) -> String {
    let main = Some(input.spec.connection.database.as_str());
    let mut named: Vec<String> = input
        .rules()
        .filter_map(|(_, rule)| {
            let now = input.found(rule)?;
            let minimum = rule
                .min_rows
                .map(|minimum| format!(" (at least {})", wording::number(minimum)))
                .unwrap_or_default();
            Some(format!(
                "{} rows in {}{minimum}",
                say_rows(RowCount::from(now)),
                name_table(&now.database, &now.name, main)
            ))
        })
        .collect();
    if named.is_empty() {
        named.push(format!(
            "{} in {}",
            wording::count(evidence.total_rows, "row"),
            wording::count(evidence.table_count, "table")
        ));
    }
    let more = named.len().saturating_sub(NAMED_TABLES);
    named.truncate(NAMED_TABLES);
    if more > 0 {
        named.push(format!("{more} more as expected"));
    }
    let mut said = vec![named.join(", "), relation(input)];
    said.extend(notes.iter().map(|note| {
        let sentence = say_finding(note, notes, main);
        match note {
            Finding::TablesChanged { tables, .. } => {
                let rules: Vec<String> = tables
                    .iter()
                    .take(NAMED_RULES)
                    .map(|table| print_rule(table, &input.spec.connection.database))
                    .collect();
                format!(
                    "{sentence} (where that is usual, add to spec.verification.tables: {})",
                    rules.join(", ")
                )
            }
            Finding::SuperuserRole {} => say_role(input, note),
            _ => sentence,
        }
    }));
    said.join("; ")
}

/// What is reported of a superuser role.
pub(super) fn say_role(input: &Input<'_>, note: &Finding) -> String {
    format!(
        "{}: kubectl holdfast grant-sql {} -n {}",
        say_finding(note, &[], None),
        input.database,
        input.namespace
    )
}

/// How good data relates to what was last known good.
fn relation(input: &Input<'_>) -> String {
    match input.baseline {
        None => "this is the first good check, and later checks are compared with it".to_owned(),
        Some(baseline) => format!("same database cluster as in {}", baseline.source),
    }
}

/// What to do, recovery first and the acceptance last.
fn next_steps(
    input: &Input<'_>,
    findings: &[Finding],
    volumes: Option<DataVolumes<'_>>,
) -> Vec<String> {
    let namespace = input.namespace;
    let mut steps = Vec::new();
    match (input.baseline, volumes) {
        (
            Some(baseline),
            Some(DataVolumes {
                before: Some(before),
                now,
                moved: true,
            }),
        ) => steps.extend(mount_back(input, &baseline, before, now)),
        (Some(baseline), _) if baseline.source.starts_with(BACKUP) => {
            return adopt_or_declare_new(input, &baseline);
        }
        _ => steps.extend(on_same_volume(input, findings)),
    }
    let suspected = findings
        .iter()
        .filter(|finding| finding.outcome() == crate::api::CheckOutcome::Suspected);
    let has_too_few = findings
        .iter()
        .any(|finding| matches!(finding, Finding::RowsBelowMinimum { .. }));
    let accept = accept(input);
    let is_meant = "If this is how it should be,";
    let is_replica = input
        .evidence
        .is_some_and(|evidence| evidence.identity.in_recovery);
    steps.push(match (has_too_few, suspected.count()) {
        _ if is_replica => format!(
            "{is_meant} accept a check of the primary that this replica follows; one of a replica can't \
             be accepted: kubectl -n {namespace} get dbcheck"
        ),
        (true, 1) => format!(
            "{is_meant} lower minRows: kubectl -n {namespace} edit protdb {}",
            input.database
        ),
        (true, _) => format!("{is_meant} lower minRows and accept it: {accept}"),
        (false, _) => format!("{is_meant} accept it: {accept}"),
    });
    steps
}

/// The command that makes this check what later ones are compared with.
fn accept(input: &Input<'_>) -> String {
    format!(
        "kubectl annotate protdb -n {} {} {ACCEPT_CHECK_ANNOTATION}={} --overwrite",
        input.namespace, input.database, input.check
    )
}

/// What to do when only the bucket knows of a past: it is this database's, or it is another one that
/// had its name.
fn adopt_or_declare_new(input: &Input<'_>, baseline: &Baseline<'_>) -> Vec<String> {
    let (namespace, database, check) = (input.namespace, input.database, input.check);
    let path = baseline.source.trim_start_matches(BACKUP);
    vec![
        format!(
            "if that past is this database's, restore it before anything is written: see whether a \
             volume has it, kubectl holdfast recover {database} -n {namespace} --dry-run; \
             otherwise restore the dump, zstd -dc dump.pgc.zst | pg_restore -d {} of {path} in the \
             bucket",
            input.spec.connection.database
        ),
        format!(
            "If this is a new database, declare it so: kubectl holdfast accept {database} {check} \
             -n {namespace}"
        ),
    ]
}
