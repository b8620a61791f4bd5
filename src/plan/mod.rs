//! Steps as data, and the rules that vet every plan before its first write. Pure.

mod backup_rules;
mod database_plan;
mod describe;
mod drill_rules;
mod job_rules;
mod ownership_rules;
pub(crate) mod patches;
mod recovery_plan;
mod recovery_rules;
mod release_rules;
mod requirements;
mod rules;
mod scope;
mod step;
mod storage_rules;
mod workload_rules;

pub use database_plan::Plan;
pub use job_rules::{is_dry_run_job, request_of_job, restore_of_job};
pub use recovery_plan::{Blocker, RecoveryPlan};
pub use requirements::{Actor, Disturbance, Permission, Pin};
#[cfg(test)]
pub(crate) use rules::{RULES, Rule, check_by};
pub use rules::{RuleViolation, check_plan, check_recovery};
pub use scope::Scope;
pub use step::{
    ConfirmedKind, GateStep, MountRepairStep, Permit, Release, RevocationStep, ScaleStep, Step,
    StepKind, VolumeStep, WorkloadMarkStep,
};
