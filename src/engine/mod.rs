//! The operator: one short pipeline, observe -> decide -> rules -> execute -> report.

mod alerts;
mod backup_metrics;
mod context;
mod disturbance;
mod drift_repair;
mod drill_metrics;
mod error;
mod events;
mod metrics;
mod pass;
mod probes;
mod refused;
mod report;
mod restoring;
mod run;
mod startup;
mod triggers;
mod turns;
mod undone;
mod volume_watch;
mod written;

pub use alerts::{Notices, Pace, Webhook, deliver};
pub use context::{Agents, Context, JobPace, Pauses, Settings};
#[cfg(test)]
pub(crate) use error::PassError;
pub use metrics::Metrics;
#[cfg(test)]
pub(crate) use pass::reconcile;
pub use probes::serve as serve_probes;
#[cfg(test)]
pub(crate) use restoring::{RestoreError, restore};
pub use run::run;
pub use startup::{StartupError, require_kinds};
