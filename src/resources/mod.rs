//! Builders of what the operator creates: agents' Jobs, the backup CronJob, the agents' identity. The
//! spec, read once. And how Kubernetes ties names together. Pure.

mod agent_identity;
mod agent_pod;
mod backup_job;
mod check_job;
mod check_schedule;
mod cron_field;
mod duration;
mod job_pace;
mod postgres_image;
mod requests;
mod schedule;
mod valid_spec;
mod workloads;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod schedule_tests;

pub use agent_identity::{
    build_agent_cluster_role, build_agent_role_binding, build_agent_service_account,
};
pub use agent_pod::AgentPodSettings;
pub use backup_job::{build_backup_cron_job, build_first_backup_job};
pub use check_job::{build_check_job, build_files_job};
pub use check_schedule::CheckSchedule;
pub use duration::{DECLARATION_RANGE, DurationError, DurationRange, parse_duration};
pub use job_pace::{JobPace, Pauses};
pub use postgres_image::{ImageKind, ImageLayout, image_kind, image_layouts, known_image_volumes};
pub use requests::{WorkloadReference, backup_request, check_request, files_request};
pub use schedule::{Schedule, ScheduleError};
pub use valid_spec::{
    SpecError, SpecParts, ValidBackup, ValidSpec, ValidTableRule, ValidVerification,
    describe_errors,
};
pub use workloads::{database_container, is_from_claim_template, workload_of};
