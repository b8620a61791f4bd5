//! The verdict: evidence and what was last known good, judged by an ordered chain of checks. Pure,
//! no client.

mod aggregate;
mod answered;
mod baseline;
mod chain;
mod coverage;
mod declared;
mod dwindled;
mod emptied;
mod files;
mod first_look;
mod gating;
mod habits;
mod history;
mod identity;
mod input;
mod limits;
mod message;
mod message_unread;
mod mounts;
mod moved;
mod naming;
mod notes;
mod older;
mod renames;
mod rows;
mod same_table;
mod say_note;
mod sentence;
mod tables;
mod unlisted;
mod unread;
mod unverifiable;
mod volumes;
mod ways_back;

#[cfg(test)]
mod answered_tests;
#[cfg(test)]
mod every_finding;
#[cfg(test)]
mod incidents;
#[cfg(test)]
mod incidents_unread;
#[cfg(test)]
mod more_losses;
#[cfg(test)]
mod not_known;
#[cfg(test)]
mod ordinary_life;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod put_away;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod scenarios;

pub use aggregate::aggregate;
pub use baseline::{carry_best, carry_cluster_digest, carry_counts, recent};
pub use chain::judge;
pub use coverage::describe_coverage;
pub use declared::refuse_declared;
pub use files::{FileCheck, FilesInput, FilesVerdict, judge_files};
pub use first_look::{are_far_more, databases_with_rows, has_no_rows};
pub use gating::closes_open_gate;
pub use input::{Baseline, Input, Verdict};
pub use mounts::{DataPlace, Mounts, image_volumes};
pub use naming::{name_table, say_rows};
pub use say_note::print_rule;
pub use sentence::{describe_volume, say_finding};
pub use volumes::is_same_volume;
