//! The agent against real servers: Postgres of this machine and versitygw on loopback. No
//! Kubernetes; the end-to-end tests have it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

#[path = "../support/mod.rs"]
mod support;

mod adopted;
mod archive;
mod backup;
mod backup_cut_short;
mod backup_described;
mod backup_directories;
mod backup_encrypted;
mod backup_faults;
mod backup_judged;
mod backup_progress;
mod backup_reported;
mod backup_scene;
mod backup_server;
mod backup_yields;
mod before_login;
mod catalog;
mod check;
mod check_in_swap;
mod cluster_lost;
mod connection;
mod copied;
mod coverage;
mod drill_scene;
mod drill_scratch;
mod drilled;
mod errands;
mod fault_runs;
mod files;
mod files_owner_code;
mod granted;
mod held_up;
mod login;
mod owner_code;
mod passwords;
mod random;
mod remembered;
mod restore_faults;
mod restored;
mod restored_by_hand;
mod restored_clients;
mod restored_crafted;
mod restored_disk;
mod restored_doors;
mod restored_dry_run;
mod restored_elsewhere;
mod restored_encrypted;
mod restored_errors;
mod restored_files;
mod restored_killed;
mod restored_login_trigger;
mod restored_moved;
mod restored_names;
mod restored_notes;
mod restored_order;
mod restored_refused;
mod restored_rows;
mod restored_scene;
mod restored_secrets;
mod restored_tables;
mod restored_verified;
mod restored_work;
mod retention;
mod retention_held;
mod retention_mended;
mod retention_scene;
mod sampled;
mod settings;
mod store;
mod store_dialects;
mod store_encryption;
mod store_faults;
mod store_leftovers;
mod store_locks;
mod store_proxy;
mod stored_verdicts;
