//! What is read of the cluster for one database: each part a fact, also when the read failed.

mod fact;
mod observe;
mod observed;

pub use fact::Fact;
pub use observe::observe;
pub use observed::*;
