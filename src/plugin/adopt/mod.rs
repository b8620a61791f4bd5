//! `kubectl holdfast adopt s3://BUCKET/PREFIX`: lists the backup sets in a bucket whose cluster is gone, and
//! restores one of them into a database of this cluster.

mod choose;
mod command;
mod groups;
mod place;
mod question;
mod text;

pub use command::{AdoptArguments, run};
