//! The agent against real servers: Postgres of this machine and versitygw on loopback. No
//! Kubernetes; the end-to-end tests have it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

#[path = "../support/mod.rs"]
mod support;

mod archive;
mod backup;
mod before_login;
mod check;
mod connection;
mod coverage;
mod files;
mod files_owner_code;
mod granted;
mod held_up;
mod login;
mod owner_code;
mod remembered;
mod settings;
mod store;
