//! The guard: what the API server refuses, and the marks that make an object ours. Builders only,
//! no client.

mod admission;
mod cel;
mod changes;
mod confirmation;
mod culprit;
mod definitions;
mod drift;
mod fence;
mod handles;
mod manifests;
mod marks;
mod not_yet;
pub(crate) mod operations;
mod templates;

pub use admission::*;
pub use changes::*;
pub use confirmation::*;
pub use culprit::*;
pub use definitions::*;
pub use drift::*;
pub use fence::*;
pub use handles::*;
pub use manifests::*;
pub use marks::*;
pub use not_yet::*;
pub use templates::*;
