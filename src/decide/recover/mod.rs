//! How a database is recovered: which claim belongs to which volume, and the steps that bind them
//! again. Pure.

mod asked;
mod claims;
mod compare;
mod desired;
mod give_back;
mod known;
mod left_behind;
mod objects;
mod ownership;
mod plan;
mod restore;
mod unavailable;
mod workload;

pub use asked::{note_of_carried_out, refuse_restore};
pub use desired::desired_claims;
pub use give_back::{GiveBack, plan_give_back};
pub use plan::plan_recovery;
pub use restore::{Decision, blocked, decide_restore, failed};
pub use unavailable::unavailable_since;
