//! The state of the data, and what says so. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::model::{Assessment, DataState, StartEntry, Statement};
use super::safe_text::SafeText;
use super::selection::{CheckView, Selection};
use crate::api::{
    CheckOutcome, ClusterState, ConditionType, Subject, find_condition, names, passes_by_itself,
    reasons,
};
use crate::verdict::{self, describe_volume};
use crate::wording::date;

/// The state with its statements.
pub(super) fn assess(selection: &Selection<'_>, starts: &[StartEntry]) -> Assessment {
    let (state, reason, since) = find_state(selection);
    let meaning = reasons::find(&reason).map_or("", |document| document.meaning);
    let mut statements = Vec::new();
    if state == DataState::Reset {
        statements.extend(say_findings(selection, state));
        statements.extend(say_start(selection, starts));
    }
    let is_said = state == DataState::Reset
        && statements
            .iter()
            .any(|statement| statement.finding.is_some());
    statements.extend(say_acceptance(selection));
    statements.extend(say_declaration(selection));
    if state != DataState::Reset {
        statements.extend(say_findings(selection, state));
    }
    statements.extend(say_conditions(selection));
    statements.extend(say_gap(selection));
    // A check of an older version has words only.
    let unsaid = selection.found.as_ref().filter(|_| !is_said);
    statements.extend(unsaid.and_then(quote));
    statements.extend(selection.newest.as_ref().and_then(quote));
    if statements.is_empty() {
        statements.push(Statement {
            says: "nothing says whether the data is good".into(),
            source: "all objects that could be read".into(),
            finding: None,
        });
    }
    Assessment {
        state,
        reason: reason.into(),
        since,
        meaning: meaning.into(),
        certainty: certainty(selection, state),
        statements,
    }
}

/// The operator's conditions count, because only they know what was accepted. Where they can't be
/// read, the newest definite check does.
fn find_state(selection: &Selection<'_>) -> (DataState, String, Option<Time>) {
    let conditions = selection
        .status()
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let find = |type_: ConditionType| find_condition(conditions, type_);
    if let Some(reset) = find(ConditionType::DataReset).filter(|reset| reset.status == "True") {
        return (
            DataState::Reset,
            reset.reason.clone(),
            Some(reset.last_transition_time.clone()),
        );
    }
    if let Some(verified) = find(ConditionType::DataVerified) {
        let state = if verified.status == "True" {
            DataState::Good
        } else {
            DataState::Unknown
        };
        return (
            state,
            verified.reason.clone(),
            Some(verified.last_transition_time.clone()),
        );
    }
    match selection
        .found
        .as_ref()
        .and_then(|found| Some((found, found.verdict?)))
    {
        Some((found, verdict)) if verdict.outcome == CheckOutcome::Suspected => (
            DataState::Reset,
            verdict.reason.clone(),
            Some(found.time.clone()),
        ),
        _ if selection.facts.checks.known().is_some_and(Vec::is_empty) => {
            (DataState::Unknown, reasons::NEVER_CHECKED.to_owned(), None)
        }
        _ => (DataState::Unknown, reasons::READ_FAILED.to_owned(), None),
    }
}

fn certainty(selection: &Selection<'_>, state: DataState) -> SafeText {
    let Some(found) = &selection.found else {
        return match state {
            DataState::Unknown => "nothing is certain: no check with a definite verdict could be \
                read"
                .into(),
            _ => {
                "the operator's conditions say so; no check with a definite verdict could be read \
                to confirm it"
                    .into()
            }
        };
    };
    let mut said = Vec::new();
    if state == DataState::Reset && selection.is_other_cluster() {
        said.push(
            "it is certainly another database cluster, because only initdb sets a system identifier"
                .to_owned(),
        );
    }
    let main = selection
        .spec()
        .map(|spec| spec.connection.database.as_str());
    let coverage = found
        .evidence
        .and_then(|evidence| verdict::describe_coverage(evidence, main));
    said.extend(coverage.map(|coverage| format!("the check {coverage}")));
    if let Some(newest) = &selection.newest {
        said.push(format!(
            "the newest check, {} of {}, is Unverifiable",
            newest.name,
            date(&newest.time)
        ));
    }
    said.join("; ").into()
}

/// Each finding, and where the data was and is. What a user has accepted is not listed again.
fn say_findings(selection: &Selection<'_>, state: DataState) -> Vec<Statement> {
    let Some(found) = &selection.found else {
        return Vec::new();
    };
    let findings = selection.findings();
    let main = selection
        .spec()
        .map(|spec| spec.connection.database.as_str());
    let mut statements = Vec::new();
    for finding in findings {
        let is_accepted = state != DataState::Reset && finding.outcome() == CheckOutcome::Suspected;
        if is_accepted {
            continue;
        }
        let statement = |says: String| Statement {
            says: says.into(),
            source: format!("status.verdict.findings of {}", found.source).into(),
            finding: Some(finding.type_word().into()),
        };
        statements.push(statement(verdict::say_finding(finding, findings, main)));
        statements.extend(finding.clusters().map(|(before, now)| {
            statement(format!(
                "the data was {}; now it is {}",
                say_place(before),
                say_place(now)
            ))
        }));
    }
    statements
}

fn say_place(cluster: &ClusterState) -> String {
    let volume = describe_volume(cluster.volume.as_ref());
    match &cluster.initialized_at {
        Some(initialized_at) => format!(
            "on {volume}, in the database cluster that was initialized at {} (system identifier {})",
            date(initialized_at),
            cluster.system_identifier
        ),
        None => format!("on {volume}, in a database cluster that nobody could log in to"),
    }
}

fn say_start(selection: &Selection<'_>, starts: &[StartEntry]) -> Option<Statement> {
    let found = selection.found.as_ref()?;
    let start = starts
        .iter()
        .rev()
        .find(|start| start.time.0 <= found.time.0)?;
    let says = format!(
        "it was seen in pod {}, whose server started at {}: {}",
        start.pod,
        date(&start.time),
        start.change
    );
    Some(Statement {
        says: says.into(),
        source: format!("spec.target of DatabaseCheck {}", start.check).into(),
        finding: None,
    })
}

/// Only an acceptance makes good what looked reset, so it must be said who made it so.
fn say_acceptance(selection: &Selection<'_>) -> Option<Statement> {
    let database = selection.facts.database.known()?.as_ref()?;
    let accepted = database
        .metadata
        .annotations
        .as_ref()?
        .get(names::ACCEPT_CHECK_ANNOTATION)?;
    if Some(accepted)
        != selection
            .status()?
            .baseline
            .as_ref()
            .map(|baseline| &baseline.check)
    {
        return None;
    }
    let says = format!(
        "somebody has accepted what DatabaseCheck {accepted} found: the data is as intended"
    );
    let evidence = format!(
        "the annotation {} of ProtectedDatabase {}",
        names::ACCEPT_CHECK_ANNOTATION,
        selection.facts.name
    );
    Some(Statement {
        says: says.into(),
        source: evidence.into(),
        finding: None,
    })
}

fn say_declaration(selection: &Selection<'_>) -> Option<Statement> {
    let found = selection.found.as_ref()?;
    let declared = found.verdict?.declared_by.as_deref()?;
    let says =
        format!("somebody had declared beforehand that the next change is intended: {declared}");
    Some(Statement {
        says: says.into(),
        source: format!("status.verdict.declaredBy of {}", found.source).into(),
        finding: None,
    })
}

fn say_conditions(selection: &Selection<'_>) -> Option<Statement> {
    let conditions = selection
        .status()
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let shown = ConditionType::ALL.iter().copied();
    let said: Vec<String> = shown
        .filter(|type_| type_.row().subject != Subject::Operator)
        .filter_map(|type_| find_condition(conditions, type_))
        .map(|condition| {
            format!(
                "{} is {} ({}) since {}",
                condition.type_,
                condition.status,
                condition.reason,
                date(&condition.last_transition_time)
            )
        })
        .collect();
    let evidence = format!(
        "status.conditions of ProtectedDatabase {}",
        selection.facts.name
    );
    (!said.is_empty()).then(|| Statement {
        says: said.join("; ").into(),
        source: evidence.into(),
        finding: None,
    })
}

/// What endangers the data now, in the operator's words: a second server may be why it is gone.
fn say_gap(selection: &Selection<'_>) -> Option<Statement> {
    let conditions = &selection.status()?.conditions;
    let guarded = find_condition(conditions, ConditionType::Guarded)?;
    let is_gap = guarded.status == "False" && !passes_by_itself(&guarded.reason);
    is_gap.then(|| Statement {
        says: format!("the data is not fully guarded: {}", guarded.message).into(),
        source: format!(
            "status.conditions of ProtectedDatabase {}",
            selection.facts.name
        )
        .into(),
        finding: None,
    })
}

/// The operator's own words about a check.
fn quote(check: &CheckView<'_>) -> Option<Statement> {
    let verdict = check.verdict?;
    Some(Statement {
        says: format!(
            "the operator's verdict, {:?} ({}): {}",
            verdict.outcome, verdict.reason, verdict.message
        )
        .into(),
        source: format!("status.verdict of {}", check.source).into(),
        finding: None,
    })
}
