//! Golden scenarios: what is seen, and what of the plan differs from a settled one; a world in memory
//! that carries plans out; and the rules' test table.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::large_futures,
    reason = "a test ends at the first thing that is not as it should be, and may take memory"
)]

mod accept;
mod adopted;
mod agents;
mod answered;
pub(crate) mod api_server;
mod api_server_says;
mod back_up;
mod backups_that_count;
mod bare_pods;
mod bare_pods_in_memory;
mod catalog;
mod changes;
mod check;
pub(crate) mod cluster;
mod confirm_backups;
mod confirmed;
mod copies;
mod crash_points;
mod data_place;
mod drill_leaves_out;
mod drill_rules;
mod drill_sample;
mod drills;
mod failed_backups;
mod files;
mod forged_marks;
mod gate;
mod given_up;
mod going;
mod green;
mod in_memory;
mod instances;
mod invalid_spec;
mod judge;
mod kstatus;
mod neighbours;
mod next_backup;
mod not_begun;
mod others_backups;
mod others_claims;
mod passing_time;
mod policies;
mod properties;
mod protect;
mod reading;
mod recover;
mod recover_command;
mod recovery_rules_tests;
mod recovery_sample;
mod refused_jobs;
mod release;
mod render;
mod restore;
mod restore_crash_points;
mod restore_disk;
mod restore_dry_run;
mod restore_files;
mod restore_from_backup;
mod restore_of_damaged;
mod restore_rules;
mod restore_sample;
mod restored_data;
mod reused_name;
mod rule_case;
mod rules_tests;
mod sample;
mod sample_objects;
mod sample_parts;
mod sampled;
mod servers;
mod steps_tests;
mod stored_verdicts;

mod storage;
mod storage_cluster;
mod taken_back;
mod turns;
mod whose;
pub(crate) use recovery_sample::stopped_for_restore;
