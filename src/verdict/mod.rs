//! The verdict: evidence and what was last known good, judged by an ordered chain of checks. Pure,
//! no client.

mod aggregate;
mod baseline;
mod chain;
mod declared;
mod emptied;
mod files;
mod history;
mod identity;
mod input;
mod message;
mod message_unread;
mod notes;
mod rows;
mod sentence;
mod tables;
mod unread;
mod unverifiable;
mod volumes;
mod ways_back;

#[cfg(test)]
mod every_finding;
#[cfg(test)]
mod incidents;
#[cfg(test)]
mod incidents_unread;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod scenarios;

pub use aggregate::aggregate;
pub use baseline::{carry_cluster_digest, carry_counts};
pub use chain::judge;
pub use declared::refuse_declared;
pub use files::{FileCheck, FilesInput, FilesVerdict, judge_files};
pub use input::{Baseline, Input, Verdict};
pub use sentence::{describe_volume, name_table, say_finding, say_rows};
pub use volumes::{directory_off_volume, is_same_volume, volume_under};
