//! The drills' part of a plan. Pure.

use super::super::area::Stall;
use super::super::judge::Judged;
use super::condition::prove;
use super::due::{plan_due, plan_history};
use super::remembered::{plan_notes, remember};
use crate::plan::Plan;
use crate::world::Observed;

/// Plans drills, and says whether the backups are proven.
pub fn run_drills(
    observed: &Observed,
    judged: &Judged<'_>,
    stall: Option<&Stall>,
    plan: &mut Plan,
) {
    plan_notes(observed, judged, plan);
    remember(observed, judged, plan);
    plan_due(observed, judged, stall, plan);
    plan_history(observed, plan);
    prove(observed, judged, plan);
}
