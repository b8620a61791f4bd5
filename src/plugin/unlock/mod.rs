//! `kubectl holdfast unlock`: shows what would be lost with an object, and confirms its deletion, or
//! a change of it, for 15 minutes.

mod command;
mod kinds;
mod loss_summary;
mod target;

pub use command::{UnlockArguments, run};
pub use kinds::{KINDS, Kind, Named, RESTORES, parse_named};
pub use loss_summary::{Databases, describe_confirmed, describe_loss};
pub use target::Target;
