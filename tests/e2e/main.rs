//! End to end, on the testbed's real cluster: one module a disaster, and what must be true before,
//! during and after it.
//!
//! Each test has a namespace of its own and runs beside the others, those in `shard` with an
//! operator of their own. Those in `whole_cluster` disturb everybody, so they run one after the
//! other, on a cluster of their own. `HOLDFAST_KEEP=1` leaves the namespace of a failed test to be
//! looked at.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

mod support;

mod accept;
mod adopted;
mod agents_at_home;
mod agents_fenced;
mod agents_kept_out;
mod backup;
mod backup_counts;
mod backup_jobs;
mod bad_input;
mod bare_pods;
mod change_refused;
mod chart;
mod coming_back;
mod confirmed;
mod data_lost;
mod data_moved;
mod data_unknown;
mod declared;
mod deletion_refused;
mod drill;
mod fenced_workloads;
mod files;
mod gated;
mod gitops;
mod hindered;
mod image_volume;
mod ledger;
mod neighbours;
mod no_false_alarm;
mod operator_fenced;
mod owner_code;
mod pages;
mod plugin;
mod protect;
mod recovered;
mod release;
mod remembered;
mod restart;
mod restored;
mod restored_files;
mod restored_from_backup;
mod same_storage;
mod shard;
mod soak;
mod tenant;
mod told;
mod two_servers;
mod volume_switched;
mod ways;
mod whole_cluster;
mod whose;
