//! A case of the rules' test table: a plan that its rule must refuse, and one that it must let pass.

use crate::plan::Step;
use crate::world::Observed;

/// A rule, a situation, the steps that it refuses, and the steps in their place that it lets pass.
#[derive(Clone)]
pub struct Case {
    pub rule: &'static str,
    pub observed: Observed,
    pub bad: Vec<Step>,
    pub good: Vec<Step>,
}
