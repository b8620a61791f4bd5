//! What happened over time: starts of the database's container as checks have seen them,
//! Kubernetes' events, rows. Bounded and sorted. Pure.

use k8s_openapi::api::core::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::differences::name_table;
use super::model::{Curve, EventEntry, EventList, Point, Series, StartEntry, VolumeSpan};
use super::safe_text::SafeText;
use super::selection::{
    CheckView, Selection, data_volume, describe_data_volume, time_of, verdict_of,
};
use crate::api::{
    CheckOutcome, CheckTarget, CountKind, DatabaseCheck, Evidence, MountedVolume, RowCount,
    TableRule,
};
use crate::verdict::is_same_volume;

/// A start, its first check, and where its data was.
struct Start<'a> {
    time: Time,
    is_exact: bool,
    target: &'a CheckTarget,
    check: &'a DatabaseCheck,
    data: Option<&'a MountedVolume>,
}

/// Every start that a check has seen, oldest first.
pub(super) fn list_starts(selection: &Selection<'_>) -> Vec<StartEntry> {
    let starts = find_starts(selection);
    let mut listed: Vec<StartEntry> = Vec::new();
    for (position, start) in starts.iter().enumerate() {
        let before = position
            .checked_sub(1)
            .and_then(|position| starts.get(position));
        listed.push(start_entry(start, before));
    }
    listed
}

fn find_starts<'a>(selection: &Selection<'a>) -> Vec<Start<'a>> {
    let mut starts: Vec<Start<'_>> = Vec::new();
    for check in selection.checks.iter().copied() {
        let Some(target) = &check.spec.target else {
            continue;
        };
        let evidence = check.evidence();
        let data = data_volume(&target.volumes, evidence);
        let known = starts.iter_mut().find(|start| {
            (&start.target.pod_uid, &start.target.container_id)
                == (&target.pod_uid, &target.container_id)
        });
        if let Some(known) = known {
            known.data = known.data.or(data);
            continue;
        }
        let exact = evidence.map(|evidence| evidence.identity.postmaster_started_at.clone());
        let time = exact
            .clone()
            .or_else(|| check.metadata.creation_timestamp.clone())
            .unwrap_or_else(|| Time(time_of(check)));
        starts.push(Start {
            time,
            is_exact: exact.is_some(),
            target,
            check,
            data,
        });
    }
    starts.sort_by_key(|start| start.time.0);
    starts
}

fn start_entry(start: &Start<'_>, before: Option<&Start<'_>>) -> StartEntry {
    let volume_changed = before
        .and_then(|before| before.data.zip(start.data))
        .is_some_and(|(before, now)| !is_same_volume(before, now));
    let mut change = match before {
        None => "the first start that a check has seen".to_owned(),
        Some(before) if before.target.pod_uid == start.target.pod_uid => {
            "the container was restarted in the same pod".to_owned()
        }
        Some(_) => "a new pod".to_owned(),
    };
    if volume_changed {
        let was = describe_data_volume(before.and_then(|before| before.data));
        change = format!(
            "{change}, on {} instead of {was}",
            describe_data_volume(start.data)
        );
    }
    StartEntry {
        time: start.time.clone(),
        is_exact: start.is_exact,
        pod: start.target.pod.as_str().into(),
        pod_uid: start.target.pod_uid.as_str().into(),
        container_id: start.target.container_id.as_str().into(),
        check: start
            .check
            .metadata
            .name
            .as_deref()
            .unwrap_or_default()
            .into(),
        volumes: start.target.volumes.iter().map(describe_mount).collect(),
        data_volume: start.data.map(|volume| volume.volume.as_str().into()),
        change: change.into(),
        volume_changed,
    }
}

fn describe_mount(volume: &MountedVolume) -> SafeText {
    format!(
        "volume {} of claim {} at {}",
        volume.volume, volume.claim, volume.mount_path
    )
    .into()
}

/// The most events that are listed.
const EVENTS_LISTED: usize = 80;
/// What Kubernetes does with events.
const KEPT: &str = "Kubernetes keeps events for about an hour, so older ones are gone";

/// The newest events.
pub(super) fn list_events(selection: &Selection<'_>) -> EventList {
    let facts = [&selection.facts.events, &selection.facts.cluster_events];
    let mut listed: Vec<EventEntry> = facts
        .iter()
        .filter_map(|fact| fact.known())
        .flatten()
        .filter_map(event_entry)
        .collect();
    listed.sort_by_key(|event| event.time.0);
    let left_out = listed.len().saturating_sub(EVENTS_LISTED);
    listed.drain(..left_out);
    let mut unknown: Vec<&str> = facts.iter().filter_map(|fact| fact.unknown()).collect();
    unknown.dedup();
    let note = if unknown.is_empty() {
        KEPT.to_owned()
    } else {
        format!("{KEPT}. {}", unknown.join(". "))
    };
    EventList {
        listed,
        left_out,
        note: note.into(),
    }
}

/// When an event was last seen.
pub(super) fn time_of_event(event: &Event) -> Option<Time> {
    let in_series = event
        .series
        .as_ref()
        .and_then(|series| series.last_observed_time.as_ref())
        .or(event.event_time.as_ref());
    let newest = event
        .last_timestamp
        .clone()
        .or_else(|| in_series.map(|time| Time(time.0)));
    newest
        .or_else(|| event.first_timestamp.clone())
        .or_else(|| event.metadata.creation_timestamp.clone())
}

fn event_entry(event: &Event) -> Option<EventEntry> {
    let object = &event.involved_object;
    Some(EventEntry {
        time: time_of_event(event)?,
        warning: event.type_.as_deref() == Some("Warning"),
        reason: event.reason.as_deref().unwrap_or_default().into(),
        object: format!(
            "{} {}",
            object.kind.as_deref().unwrap_or("object"),
            object.name.as_deref().unwrap_or_default()
        )
        .into(),
        message: event.message.as_deref().unwrap_or_default().into(),
        count: event
            .count
            .or(event.series.as_ref().and_then(|series| series.count))
            .unwrap_or(1),
    })
}

/// The most checks that are shown.
const CHECKS: usize = 200;
/// The most tables that get a curve of their own.
const CURVES: usize = 6;

/// A check that found something.
struct CountedCheck<'a> {
    time: Time,
    name: &'a str,
    outcome: Option<CheckOutcome>,
    evidence: &'a Evidence,
}

/// Builds the curves.
pub(super) fn build_series(selection: &Selection<'_>, starts: &[StartEntry]) -> Series {
    let checks = find_counted_checks(selection);
    if checks.is_empty() {
        return Series::default();
    }
    let all = Curve {
        name: "all tables".into(),
        minimum: None,
        points: checks
            .iter()
            .map(|check| check.point(check.total()))
            .collect(),
    };
    let rules = selection
        .spec()
        .map(|spec| spec.verification.tables.as_slice())
        .unwrap_or_default();
    let main = selection
        .spec()
        .map(|spec| spec.connection.database.as_str())
        .unwrap_or_default();
    let mut curves = vec![all];
    curves.extend(
        rules
            .iter()
            .take(CURVES)
            .map(|rule| build_curve(rule, main, &checks)),
    );
    Series {
        curves,
        volumes: build_spans(starts),
        starts: starts.iter().map(|start| start.time.clone()).collect(),
    }
}

fn find_counted_checks<'a>(selection: &Selection<'a>) -> Vec<CountedCheck<'a>> {
    let mut checks: Vec<CountedCheck<'_>> = selection
        .checks
        .iter()
        .filter_map(|check| {
            Some(CountedCheck {
                time: Time(time_of(check)),
                name: check.metadata.name.as_deref().unwrap_or_default(),
                outcome: verdict_of(check).map(|verdict| verdict.outcome),
                evidence: check.evidence()?,
            })
        })
        .collect();
    let remembered =
        |expected: &&CheckView<'_>| !checks.iter().any(|check| check.name == expected.name);
    if let Some(expected) = selection.expected.as_ref().filter(remembered)
        && let Some(evidence) = expected.evidence
    {
        let time = expected.time.clone();
        checks.push(CountedCheck {
            time,
            name: expected.name,
            outcome: Some(CheckOutcome::Verified),
            evidence,
        });
    }
    checks.sort_by_key(|check| check.time.0);
    let surplus = checks.len().saturating_sub(CHECKS);
    checks.drain(..surplus);
    checks
}

impl CountedCheck<'_> {
    fn total(&self) -> RowCount {
        let exact = self
            .evidence
            .tables
            .iter()
            .all(|table| table.count == CountKind::Exact);
        RowCount {
            rows: self.evidence.total_rows,
            count: if exact {
                CountKind::Exact
            } else {
                CountKind::Estimated
            },
        }
    }

    fn point(&self, counted: RowCount) -> Point {
        Point {
            time: self.time.clone(),
            counted,
            check: SafeText::from(self.name),
            outcome: self.outcome,
        }
    }
}

/// A table that a suspected check did not name does not exist.
fn build_curve(rule: &TableRule, main: &str, checks: &[CountedCheck<'_>]) -> Curve {
    let database = rule.database.as_deref().unwrap_or(main);
    let points = checks.iter().filter_map(|check| {
        let table = check.evidence.table(database, &rule.name);
        let counted = table.map(RowCount::from);
        let absent = (check.outcome == Some(CheckOutcome::Suspected)).then_some(RowCount {
            rows: 0,
            count: CountKind::Exact,
        });
        counted.or(absent).map(|counted| check.point(counted))
    });
    Curve {
        name: name_table(database, &rule.name, Some(main)),
        minimum: rule.min_rows,
        points: points.collect(),
    }
}

fn build_spans(starts: &[StartEntry]) -> Vec<VolumeSpan> {
    let mut spans: Vec<VolumeSpan> = Vec::new();
    for start in starts {
        let Some(volume) = &start.data_volume else {
            continue;
        };
        if spans.is_empty() || start.volume_changed {
            spans.push(VolumeSpan {
                from: start.time.clone(),
                volume: volume.clone(),
            });
        }
    }
    spans
}
