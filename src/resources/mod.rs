//! Builders of what the operator creates: agents' Jobs, the backup CronJob, the agents' identity. The
//! spec, read once. And how Kubernetes ties names together. Pure.

mod agent_defaults;
mod agent_home;
mod agent_identity;
mod agent_job;
mod agent_pod;
mod agent_secrets;
mod agent_settings;
mod agent_wishes;
mod backup_job;
mod catalog_job;
mod check_job;
mod check_schedule;
mod copy_job;
mod cron_field;
mod drill_job;
mod duration;
mod job_pace;
mod long_running;
mod placement;
mod postgres_image;
mod quantity;
mod requests;
mod restore_files_job;
mod restore_job;
mod schedule;
mod spec_error;
mod valid_agents;
mod valid_amounts;
mod valid_copies;
mod valid_drill;
mod valid_dump;
mod valid_encryption;
mod valid_scheduling;
mod valid_spec;
mod valid_storage;
mod window;
mod workloads;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod schedule_tests;

pub use agent_defaults::parse_agent_defaults;
pub use agent_identity::{
    build_agent_cluster_role, build_agent_identity, build_agent_role_binding,
    build_agent_service_account,
};
pub use agent_settings::AgentPodSettings;
pub use agent_wishes::with_defaults;
pub use backup_job::{
    build_backup_cron_job, build_first_backup_job, noted_node, noted_request, turn_limit,
};
pub use catalog_job::{CATALOG_KEPT, build_catalog_job, is_short_look};
pub use check_job::{build_check_job, build_files_job};
pub use check_schedule::CheckSchedule;
pub use copy_job::{build_copy_job, copy_request};
pub use drill_job::build_drill_job;
pub use duration::{DECLARATION_RANGE, DurationError, DurationRange, parse_duration};
pub use job_pace::{CatalogPace, JobPace, Pauses};
pub use long_running::long_running;
pub use placement::Placement;
pub use postgres_image::{
    ImageKind, ImageLayout, image_kind, image_layouts, known_image_volumes, may_be_server,
};
pub use quantity::bytes_of;
pub use requests::{
    RestoreTask, WorkloadReference, backup_request, catalog_request, check_request, drill_request,
    files_request, files_restore_request, restore_request,
};
pub use restore_files_job::build_restore_files_job;
pub use restore_job::build_restore_job;
pub use schedule::{Schedule, ScheduleError};
pub use spec_error::SpecError;
pub use valid_agents::agent_errors;
pub use valid_copies::ValidCopy;
pub use valid_drill::ValidDrill;
pub use valid_spec::{
    SpecParts, ValidBackup, ValidRestore, ValidSpec, ValidTableRule, ValidVerification,
    describe_errors,
};
pub use window::backup_schedule;
pub use workloads::{database_container, is_from_claim_template, workload_of};
