//! Bringing back what is gone all the same: claims, volumes, namespaces. Planned purely from what
//! was read; one step at a time, then read again.
//!
//! Used by `kubectl holdfast recover`, with the rights of the person who calls it, and by the
//! operator for a DatabaseRestore.

mod act;
mod away;
mod course;
mod patches;
mod places;
mod read;
mod situation;
mod step;
mod wanted;

#[cfg(test)]
mod course_tests;
#[cfg(test)]
pub(crate) mod sample;

pub use act::*;
pub use away::*;
pub use course::*;
pub use read::*;
pub use situation::*;
pub use step::*;
