//! How a backup is restored for a `DatabaseRestore`: which set, whether it may begin, its Job, what becomes
//! of that, and the check that follows. Pure.

mod begin;
mod blockers;
mod choose;
mod decision;
mod disk;
mod drill_begin;
mod drill_end;
mod drill_proof;
mod dry_run_end;
mod ended;
mod files_begin;
mod files_end;
mod other_set;
mod said;
mod set_decision;
mod under_way;

pub use begin::sample_restore_job;
pub use choose::why_not as why_not_good;
pub use decision::decide_set;
pub use drill_begin::sample_drill_job;
pub use drill_proof::{disproves, is_of_set};
pub use files_begin::sample_files_job;
pub use said::under_way;
pub use set_decision::SetDecision;
