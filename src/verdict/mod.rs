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
mod mounts;
mod notes;
mod rows;
mod sentence;
mod tables;
mod unverifiable;
mod volumes;

#[cfg(test)]
mod every_finding;
#[cfg(test)]
mod incidents;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod scenarios;

pub use aggregate::aggregate;
pub use baseline::carry_counts;
pub use chain::judge;
pub use declared::refuse_declared;
pub use files::{FileCheck, FilesInput, FilesVerdict, judge_files};
pub use input::{Baseline, Input, Verdict};
pub use mounts::{DataPlace, Mounts, image_volumes};
pub use sentence::{describe_volume, name_table, say_finding, say_rows};
pub use volumes::is_same_volume;
