//! What doctor found, in words. Pure.

use std::fmt::Write as _;

use super::PostgresReport;
use crate::wording::build_table;
use crate::wording::count;

/// Everything, ending with a line break. `place` is `in this cluster` or `in namespace …`, `flags`
/// are those that the command was called with.
pub fn describe_reports(reports: &[PostgresReport], place: &str, flags: &str) -> String {
    if reports.is_empty() {
        return format!("No StatefulSet and no Deployment {place} looks like a Postgres.\n");
    }
    let mut text = String::new();
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
    text
}

fn describe_report(text: &mut String, report: &PostgresReport) {
    let PostgresReport {
        namespace,
        kind,
        name,
        template,
        ..
    } = report;
    let protection = report.protected_by.as_ref().map_or_else(
        || "UNPROTECTED".to_owned(),
        |owner| format!("protected by {owner}"),
    );
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
                report.kind.to_string(),
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
