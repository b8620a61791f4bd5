//! `holdfast backup`: lists, shows, verifies and fetches backup sets with nothing but the bucket. There
//! may be no cluster any more.

mod bucket;
mod command;
mod decrypt;
mod fetch;
mod plan;
mod text;

pub use bucket::{BucketAccess, fetch_sets};
pub use command::{CatalogCommand, run};
