//! The verdict: evidence and what was last known good, judged by an ordered chain of checks. Pure,
//! no client.

mod aggregate;
mod baseline;
mod case;
mod chain;
mod declared;
mod emptied;
mod files;
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
pub use baseline::*;
pub use case::*;
pub use chain::*;
pub use declared::*;
pub use files::*;
pub use volumes::directory_off_volume;
pub(crate) use volumes::{is_same as is_same_volume, under as volume_under};
