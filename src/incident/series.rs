//! Rows over time: all tables together, and the tables that have rules. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::differences::name_table;
use super::looks::{Account, Seen, time_of, verdict_of};
use super::{Curve, Line, Point, RowsSeen, Series, StartTold, VolumeSpan};
use crate::api::{CheckOutcome, CountKind, Evidence, TableRule};

/// The most looks that are shown.
const LOOKS: usize = 200;
/// The most tables that get a curve of their own.
const CURVES: usize = 6;

/// One look that found something.
struct Sight<'a> {
    time: Time,
    check: &'a str,
    outcome: Option<CheckOutcome>,
    evidence: &'a Evidence,
}

/// Builds the curves.
pub(super) fn build_series(account: &Account<'_>, starts: &[StartTold]) -> Series {
    let sights = find_sights(account);
    if sights.is_empty() {
        return Series::default();
    }
    let all = Curve {
        name: "all tables".into(),
        minimum: None,
        points: sights
            .iter()
            .map(|sight| sight.point(sight.total()))
            .collect(),
    };
    let rules = account
        .spec()
        .map(|spec| spec.verification.tables.as_slice())
        .unwrap_or_default();
    let main = account
        .spec()
        .map(|spec| spec.connection.database.as_str())
        .unwrap_or_default();
    let mut curves = vec![all];
    curves.extend(
        rules
            .iter()
            .take(CURVES)
            .map(|rule| build_curve(rule, main, &sights)),
    );
    Series {
        curves,
        volumes: build_spans(starts),
        starts: starts.iter().map(|start| start.time.clone()).collect(),
    }
}

fn find_sights<'a>(account: &Account<'a>) -> Vec<Sight<'a>> {
    let mut sights: Vec<Sight<'_>> = account
        .checks
        .iter()
        .filter_map(|check| {
            Some(Sight {
                time: Time(time_of(check)),
                check: check.metadata.name.as_deref().unwrap_or_default(),
                outcome: verdict_of(check).map(|verdict| verdict.outcome),
                evidence: check.evidence()?,
            })
        })
        .collect();
    let remembered = |seen: &&Seen<'_>| !sights.iter().any(|sight| sight.check == seen.check);
    if let Some(expected) = account.expected.as_ref().filter(remembered)
        && let Some(evidence) = expected.evidence
    {
        let time = expected.time.clone();
        sights.push(Sight {
            time,
            check: expected.check,
            outcome: Some(CheckOutcome::Verified),
            evidence,
        });
    }
    sights.sort_by_key(|sight| sight.time.0);
    let surplus = sights.len().saturating_sub(LOOKS);
    sights.drain(..surplus);
    sights
}

impl Sight<'_> {
    fn total(&self) -> RowsSeen {
        let exact = self
            .evidence
            .tables
            .iter()
            .all(|table| table.count == CountKind::Exact);
        RowsSeen {
            rows: self.evidence.total_rows,
            count: if exact {
                CountKind::Exact
            } else {
                CountKind::Estimated
            },
        }
    }

    fn point(&self, seen: RowsSeen) -> Point {
        Point {
            time: self.time.clone(),
            seen,
            check: Line::from(self.check),
            outcome: self.outcome,
        }
    }
}

/// A table that a look did not name is not there, unless the look could not go through with it.
fn build_curve(rule: &TableRule, main: &str, sights: &[Sight<'_>]) -> Curve {
    let database = rule.database.as_deref().unwrap_or(main);
    let points = sights.iter().filter_map(|sight| {
        let table = sight.evidence.table(database, &rule.name);
        let seen = table.map(|table| RowsSeen {
            rows: table.rows,
            count: table.count,
        });
        let absent = (sight.outcome == Some(CheckOutcome::Suspected)).then_some(RowsSeen {
            rows: 0,
            count: CountKind::Exact,
        });
        seen.or(absent).map(|seen| sight.point(seen))
    });
    Curve {
        name: name_table(database, &rule.name, Some(main)),
        minimum: rule.min_rows,
        points: points.collect(),
    }
}

fn build_spans(starts: &[StartTold]) -> Vec<VolumeSpan> {
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
