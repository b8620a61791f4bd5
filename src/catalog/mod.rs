//! `holdfast backup`: lists, shows, verifies and fetches backup sets with nothing but the bucket. There
//! may be no cluster any more.

mod command;
mod decrypt;
mod fetch;
mod plan;
mod text;

pub use command::{CatalogCommand, run};
