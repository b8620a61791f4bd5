//! From what was observed to a plan. Pure: no client, no clock, no async.

mod accept;
mod age;
mod area;
mod back_up;
mod build_check;
mod changes;
mod check;
mod check_jobs;
mod check_names;
mod claims_report;
mod data_conditions;
mod data_place;
mod database;
mod files;
mod first_part;
mod gap;
mod gate;
mod judge;
mod known_good;
mod loss_summary;
mod new_database;
mod newest;
mod other_namespace;
mod primaries;
mod protect;
mod ready;
pub mod recover;
mod release;
mod remember;
mod removed_marks;
mod retry;
mod running;
mod scheduled;
mod surroundings;
mod ways_back;

pub use database::decide;
