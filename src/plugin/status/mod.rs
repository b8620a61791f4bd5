//! `kubectl holdfast status`: what is known of protected databases, in words.

mod command;
mod text;

pub use command::{StatusArguments, fetch_database, fetch_overviews, run};
pub use text::{build_status_table, describe_database};
