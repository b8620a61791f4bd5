//! `kubectl holdfast accept`: a change of the data is meant, said after it was seen or before it is
//! made.

mod annotations;
mod command;
mod judge;
#[cfg(test)]
mod sample;
mod text;

pub use annotations::*;
pub use command::*;
pub use judge::*;
pub use text::*;
