//! The verdict: evidence and what was last known good, judged by an ordered chain of checks. Pure, no client.

mod aggregate;
mod case;
mod chain;
mod emptied;
mod history;
mod identity;
mod message;
mod rows;
mod tables;
mod unverifiable;
mod volumes;
mod words;

#[cfg(test)]
mod incidents;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod scenarios;

pub use aggregate::*;
pub use case::*;
pub use chain::*;
pub(crate) use volumes::{is_same as is_same_volume, under as volume_under};
pub(crate) use words::{count, number};
