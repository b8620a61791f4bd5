//! How a database is recovered: which claim belongs to which volume, and the steps that bind them
//! again. Pure.

mod claims;
mod compare;
mod desired;
mod known;
mod objects;
mod plan;
mod restore;
mod unavailable;
mod workload;

pub use desired::{desired_claims, spec_of};
pub use plan::plan_recovery;
pub use restore::{Decision, blocked, decide_restore, failed};
pub use unavailable::unavailable_since;
