//! The guard: which deletions the API server refuses, and the marks that make an object ours. Builders only, no client.

mod admission;
mod cel;
mod drift;
mod marks;
mod not_yet;

pub use admission::*;
pub use drift::*;
pub use marks::*;
pub use not_yet::*;
