//! `kubectl holdfast unlock`: shows what would be lost with an object, and confirms its deletion by
//! its UID.

mod command;
mod kinds;
mod stake;
mod target;

pub use command::*;
pub use kinds::*;
pub use stake::*;
pub use target::*;
