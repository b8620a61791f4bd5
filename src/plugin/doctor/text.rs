//! What doctor found, in words. Pure.

use std::fmt::Write as _;

use super::{NotJudged, PostgresReport};
use crate::wording::build_table;
use crate::wording::count;

/// How many of those that could not be judged are listed.
const NOT_JUDGED_SHOWN: usize = 20;

/// Everything, ending with a line break. `place` is `in this cluster` or `in namespace …`, `flags`
/// are those that the command was called with.
pub fn describe_reports(
    reports: &[PostgresReport],
    not_judged: &NotJudged,
    place: &str,
    flags: &str,
) -> String {
    let mut text = String::new();
    if reports.is_empty() {
        let _ = writeln!(text, "Nothing {place} is known to be a Postgres.");
        describe_not_judged(&mut text, not_judged);
        return text;
    }
    for report in reports {
        describe_report(&mut text, report);
        text.push('\n');
    }
    let unprotected = reports
        .iter()
        .filter(|report| report.protected_by.is_none())
        .count();
    let findings: usize = reports.iter().map(|report| report.findings.len()).sum();
    let number = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
    let _ = writeln!(
        text,
        "{} {place}, {unprotected} of them unprotected; {}.",
        count(number(reports.len()), "Postgres workload"),
        count(number(findings), "finding")
    );
    if unprotected > 0 {
        let _ = writeln!(
            text,
            "To get the manifests alone: kubectl holdfast doctor{flags} --manifests"
        );
    }
    describe_not_judged(&mut text, not_judged);
    text
}

/// What may be a Postgres and does not say so.
pub fn describe_not_judged(text: &mut String, not_judged: &NotJudged) {
    if !not_judged.pods.is_empty() {
        text.push_str("It could not be told whether these are a Postgres:\n");
    }
    for pod in not_judged.pods.iter().take(NOT_JUDGED_SHOWN) {
        let _ = writeln!(text, "  ? {pod}");
    }
    let left_out = not_judged.pods.len().saturating_sub(NOT_JUDGED_SHOWN);
    if left_out > 0 {
        let _ = writeln!(
            text,
            "  ? and {left_out} more: kubectl holdfast doctor -n NAMESPACE"
        );
    }
    if let Some(first) = not_judged.pods.first() {
        let _ = writeln!(
            text,
            "See what one runs: kubectl -n {} exec {} -- cat /proc/1/cmdline",
            first.namespace, first.exec
        );
    }
    for unread in &not_judged.unread {
        let _ = writeln!(text, "  ? not known: {unread}");
    }
}

fn describe_report(text: &mut String, report: &PostgresReport) {
    let PostgresReport {
        namespace,
        kind,
        name,
        template,
        ..
    } = report;
    let protection = match &report.protected_by {
        Some(owner) => format!("protected by {owner}"),
        None if template.may_be_proxy => "UNPROTECTED, unless it is a proxy".to_owned(),
        None => "UNPROTECTED".to_owned(),
    };
    let _ = writeln!(text, "{kind} {name} in namespace {namespace}: {protection}");
    let _ = writeln!(
        text,
        "  recognised as Postgres by {}, container {}",
        template.because, template.container
    );
    for place in template.data.iter().filter(|place| place.on_claim) {
        let _ = writeln!(text, "  data directory {} on {}", place.directory, place.on);
    }
    for claim in &report.claims {
        let volume = claim.volume.as_ref().map_or_else(
            || "not bound".to_owned(),
            |volume| format!("volume {volume}"),
        );
        let policy = claim
            .reclaim_policy
            .as_ref()
            .map(|policy| format!(", {policy}"))
            .unwrap_or_default();
        let _ = writeln!(text, "  claim {}: {volume}{policy}", claim.name);
    }
    for finding in &report.findings {
        let _ = writeln!(text, "  ! {finding}");
    }
    for unknown in &report.not_known {
        let _ = writeln!(text, "  ? not known: {unknown}");
    }
    for suggestion in &report.suggestions {
        let _ = writeln!(text, "  + {suggestion}");
    }
    if report.findings.is_empty() {
        text.push_str("  nothing to do\n");
    }
    if let Some(manifest) = &report.manifest {
        let _ = write!(text, "\n{manifest}");
    }
}

/// One line each.
pub fn build_doctor_table(reports: &[PostgresReport]) -> String {
    let rows: Vec<Vec<String>> = reports
        .iter()
        .map(|report| {
            let protected_by = report
                .protected_by
                .clone()
                .unwrap_or_else(|| "NOBODY".to_owned());
            vec![
                report.namespace.clone(),
                report.kind.clone(),
                report.name.clone(),
                protected_by,
                report.findings.len().to_string(),
                report.template.image.clone(),
            ]
        })
        .collect();
    build_table(
        &[
            "NAMESPACE",
            "KIND",
            "NAME",
            "PROTECTED BY",
            "FINDINGS",
            "IMAGE",
        ],
        &rows,
    )
}
