//! All that is known of a set and of a server before anything is made, judged at once. Pure.

use crate::postgres::ContentsEntry;

use super::restore_preflight::look_ahead;
use super::restore_server::{Plan, taken};
use super::restore_server_facts::{Preflight, ServerFacts};
use super::restore_swap_state::Left;

/// What stands against what is left to do. `contents` are the tables of contents of all dumps, in the order of
/// the databases.
pub fn judge(
    plan: Plan<'_>,
    left: &[Left],
    facts: &ServerFacts,
    contents: &[Vec<ContentsEntry>],
) -> Preflight {
    let contents: Vec<Vec<ContentsEntry>> = contents
        .iter()
        .zip(left)
        .filter(|(_, left)| !matches!(left, Left::Nothing { .. }))
        .map(|(contents, _)| contents.clone())
        .collect();
    let mut found = look_ahead(&plan.part_left(left), &contents, facts, plan.into);
    found.problems.extend(taken(plan, left));
    found
}
