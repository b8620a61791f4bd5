//! From what was read to the incident: the sentences are built here once, and only laid out
//! elsewhere. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::assessment::assess;
use super::differences::{list_properties, list_tables};
use super::facts::{Facts, Lookup};
use super::history::{build_series, list_events, list_starts};
use super::model::Incident;
use super::next_steps::plan_next_steps;
use super::questions::answer_questions;
use super::safe_text::SafeText;
use super::selection::{CheckView, Selection};
use super::storage::{list_backups, list_volumes};
use super::timeline::build_timeline;
use crate::world::Fact;

/// Builds the incident of what was read.
pub fn build_incident(facts: &Facts) -> Incident {
    let selection = Selection::of(facts);
    let starts = list_starts(&selection);
    let tables = list_tables(&selection);
    let volumes = list_volumes(&selection);
    let backups = list_backups(&selection);
    let events = list_events(&selection);
    let assessment = assess(&selection, &starts);
    Incident {
        namespace: facts.namespace.as_str().into(),
        name: facts.name.as_str().into(),
        read_at: Time(facts.now),
        about: describe_database(&selection),
        expected: selection.expected.as_ref().map(CheckView::entry),
        found: selection.found.as_ref().map(CheckView::entry),
        newest: selection.newest.as_ref().map(CheckView::entry),
        compared: list_properties(&selection),
        series: build_series(&selection, &starts),
        questions: answer_questions(&selection, &starts, &volumes, &events),
        timeline: build_timeline(&selection, &starts, &volumes, &backups, &events),
        next_steps: plan_next_steps(
            &selection,
            assessment.state,
            assessment.reason.as_str(),
            &volumes,
            &backups,
        ),
        unread: list_unread(facts),
        assessment,
        tables,
        volumes,
        starts,
        backups,
        events,
    }
}

fn describe_database(selection: &Selection<'_>) -> SafeText {
    let Some(spec) = selection.spec() else {
        return match &selection.facts.database {
            Fact::Known(_) => {
                "the ProtectedDatabase no longer exists; the DatabaseLedger remembers it".into()
            }
            Fact::Unknown(_) => "the ProtectedDatabase could not be read".into(),
        };
    };
    let kind = match (&spec.workload.selector, spec.workload.kind) {
        (Some(_), _) => "pods".to_owned(),
        (None, kind) => kind.map_or_else(|| "workload".to_owned(), |kind| kind.to_string()),
    };
    format!(
        "database {} of {kind} {}",
        spec.connection.database,
        spec.workload.called()
    )
    .into()
}

/// Every read that failed, each reason once.
fn list_unread(facts: &Facts) -> Vec<SafeText> {
    let lists = [
        facts.database.unknown(),
        facts.ledger.unknown(),
        facts.checks.unknown(),
        facts.backups.unknown(),
        facts.restores.unknown(),
        facts.workload.unknown(),
        facts.revisions.unknown(),
        facts.pods.unknown(),
        facts.events.unknown(),
        facts.cluster_events.unknown(),
    ];
    let asked = unknown_of(&facts.claims)
        .chain(unknown_of(&facts.volumes))
        .chain(unknown_of(&facts.nodes));
    let mut said: Vec<SafeText> = Vec::new();
    for why in lists.into_iter().flatten().chain(asked).map(SafeText::from) {
        if !said.contains(&why) {
            said.push(why);
        }
    }
    said
}

fn unknown_of<T>(asked: &[Lookup<T>]) -> impl Iterator<Item = &str> {
    asked.iter().filter_map(|asked| asked.found.unknown())
}
