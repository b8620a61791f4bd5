//! The operator: one short pipeline, observe -> decide -> plan rules -> act -> report.

mod act;
mod context;
mod decide;
mod events;
mod fact;
mod keeper;
mod metrics;
mod notice;
mod observe;
mod observed;
mod plan;
mod plan_rules;
mod probes;
mod reconcile;
mod report;
mod restoring;
mod run;
mod startup;
mod triggers;

#[cfg(test)]
mod plan_rules_tests;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod sample_objects;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod world;

pub use context::{Context, Settings};
pub use decide::decide;
pub use fact::Fact;
pub use metrics::Metrics;
pub use notice::{Notices, Pace, Webhook, deliver};
pub use observed::*;
pub use plan::{Plan, Step};
pub use plan_rules::{RuleViolation, check_plan};
pub use probes::serve as serve_probes;
pub use run::run;
pub use startup::{StartupError, require_kinds};
