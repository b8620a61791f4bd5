//! The texts of verdicts: what was expected, what is there, all that was found, and what to do next
//! with the very commands.

use std::fmt::Write as _;

use crate::api::{Evidence, MountedVolume, reasons};
use crate::wording;

use super::case::Finding;
use super::volumes::{DataVolumes, describe};
use super::{Baseline, Case, words};
use crate::api::names::ACCEPT_CHECK_ANNOTATION;

/// How many tables a good verdict names.
const NAMED_TABLES: usize = 5;

/// What is said about a suspected reset: every finding down the chain, not only the first.
pub(super) fn suspected(case: &Case<'_>, evidence: &Evidence, findings: &[Finding]) -> String {
    let found: Vec<&str> = findings
        .iter()
        .map(|finding| finding.sentence.as_str())
        .collect();
    let volumes = case
        .baseline
        .and_then(|baseline| DataVolumes::compare(case, &baseline));
    let (found, comparison) = (found.join("; "), comparison(case, evidence, volumes));
    format!(
        "the data looks reset: {found}.{comparison} Next: {}.",
        next(case, findings, volumes).join("; ")
    )
}

/// Which volume and cluster were expected and which are there; said once if they are the same.
fn comparison(case: &Case<'_>, evidence: &Evidence, volumes: Option<DataVolumes<'_>>) -> String {
    let (Some(baseline), Some(volumes)) = (case.baseline, volumes) else {
        let now = describe(case.target.volumes.first());
        return format!(
            " No good check came before. Found: {now}, {}.",
            cluster(evidence)
        );
    };
    let (before, now) = (cluster(baseline.evidence), cluster(evidence));
    let known = format!("{} of {}", baseline.source, baseline.evidence.observed_at.0);
    if !volumes.moved && before == now {
        return format!(
            " Volume and cluster are those of {known}: {}, {now}.",
            describe(volumes.now)
        );
    }
    format!(
        " Expected, as in {known}: {}, {before}. Found: {}, {now}.",
        describe(volumes.before),
        describe(volumes.now)
    )
}

/// What is said about data that is as expected.
pub(super) fn verified(case: &Case<'_>, evidence: &Evidence) -> String {
    let mut named: Vec<String> = case
        .rules()
        .filter_map(|(_, rule)| {
            let now = case.found(rule)?;
            let minimum = rule
                .min_rows
                .map(|minimum| format!(" (at least {})", wording::number(minimum)))
                .unwrap_or_default();
            Some(format!(
                "{} rows in {}{minimum}",
                words::rows(now),
                words::table(case, &now.database, &now.name)
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
    let mut text = format!("{}; {}", named.join(", "), relation(case));
    if evidence.superuser {
        let _ = write!(
            text,
            "; the role that looks is a superuser, which is more than it needs: kubectl holdfast \
             grant-sql {} -n {}",
            case.database, case.namespace
        );
    }
    text
}

/// How good data relates to what was last known good.
fn relation(case: &Case<'_>) -> String {
    let Some(baseline) = case.baseline else {
        return "the first good check: it becomes what later ones are compared with".to_owned();
    };
    let same = format!("same cluster as in {}", baseline.source);
    match DataVolumes::compare(case, &baseline) {
        Some(volumes) if volumes.moved => {
            format!(
                "{same}, which has moved from {} to {}",
                describe(volumes.before),
                describe(volumes.now)
            )
        }
        _ => same,
    }
}

fn cluster(evidence: &Evidence) -> String {
    format!(
        "cluster initialized {} (system identifier {})",
        evidence.identity.initialized_at.0, evidence.identity.system_identifier
    )
}

/// What to do, the way back first and the acceptance last.
fn next(case: &Case<'_>, findings: &[Finding], volumes: Option<DataVolumes<'_>>) -> Vec<String> {
    let mut steps = Vec::new();
    match (case.baseline, volumes) {
        (
            Some(baseline),
            Some(DataVolumes {
                before: Some(before),
                now,
                moved: true,
            }),
        ) => {
            steps.extend(mount_back(case, &baseline, before, now));
        }
        _ => steps.push(format!(
            "see which backups there are to restore from with kubectl -n {} get dbbackup",
            case.namespace
        )),
    }
    let too_few = findings
        .iter()
        .any(|finding| finding.reason == reasons::ROWS_BELOW_MINIMUM);
    let lower = "lower minRows where it says more than you want";
    let accept = format!(
        "kubectl annotate protdb -n {} {} {ACCEPT_CHECK_ANNOTATION}={} --overwrite",
        case.namespace, case.database, case.check
    );
    steps.push(match (too_few, findings.len()) {
        (true, 1) => format!(
            "or, if this is how it should be, {lower}: kubectl -n {} edit protdb {}",
            case.namespace, case.database
        ),
        (true, _) => format!("or, if this is how it should be, {lower} and accept it: {accept}"),
        (false, _) => format!("or, if this is how it should be, accept it: {accept}"),
    });
    steps
}

fn mount_back(
    case: &Case<'_>,
    baseline: &Baseline<'_>,
    before: &MountedVolume,
    now: Option<&MountedVolume>,
) -> [String; 2] {
    let present = now
        .map(|now| format!(" {}", now.volume))
        .unwrap_or_default();
    let claim = &before.claim;
    let workload = &case.spec.workload.name;
    let way = match now {
        Some(now) if now.claim == *claim => {
            format!("bind claim {claim} to volume {} again", before.volume)
        }
        Some(_) => format!("let {workload} mount claim {claim} again"),
        None => format!(
            "let its data directory lie on claim {claim} again (it was mounted at {})",
            before.mount_path
        ),
    };
    [
        format!(
            "look at the volumes with kubectl get pv {}{present} and at the pod with kubectl -n {} \
             describe pod {}",
            before.volume, case.namespace, case.target.pod
        ),
        format!(
            "if volume {} is there it has the data of {}: kubectl holdfast recover {} -n {} brings \
             it back (by hand: scale {workload} to 0, {way}, scale it up); if not, restore from a \
             backup (kubectl -n {} get dbbackup)",
            before.volume, baseline.source, case.database, case.namespace, case.namespace
        ),
    ]
}
