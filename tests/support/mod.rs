//! Real servers for tests on loopback: Postgres and an S3 server. What is missing on the machine
//! fails a test and says what to install.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

mod certificates;
pub mod object_store;
pub mod page;
pub mod postgres;
mod shell;

pub use certificates::make_certificates;
pub use shell::run;
