//! Golden scenarios: what is seen, and what of the plan differs from a settled one; a world in memory
//! that carries plans out; and the rules' test table.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::large_futures,
    reason = "a test ends at the first thing that is not as it should be, and may take memory"
)]

mod accept;
mod api_server;
mod back_up;
mod changes;
mod check;
mod cluster;
mod crash_points;
mod data_place;
mod files;
mod gate;
mod green;
mod in_memory;
mod invalid_spec;
mod judge;
mod kstatus;
mod passing_time;
mod properties;
mod protect;
mod reading;
mod recover;
mod recovery_rules_tests;
mod recovery_sample;
mod release;
mod render;
mod restore;
mod rules_tests;
mod sample;
mod sample_objects;
mod sample_parts;
mod servers;
mod steps_tests;
