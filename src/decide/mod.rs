//! From what was observed to a plan. Pure: no client, no clock, no async.

mod accept;
mod area;
mod back_up;
mod check;
mod check_jobs;
mod check_names;
mod claims_report;
mod data_conditions;
mod data_place;
mod database;
mod files;
mod gap;
mod gate;
mod judge;
mod loss_summary;
mod protect;
mod ready;
pub mod recover;
mod release;
mod remember;
mod removed_marks;
mod running;
mod surroundings;
mod ways_back;

pub use database::decide;
