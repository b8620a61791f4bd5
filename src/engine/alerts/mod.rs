//! Alerts: conditions that need a user become alerts, and a webhook gets them. A task of its own;
//! no pass waits for it.

mod address;
mod alert;
mod client;
mod deliver;
mod error;
mod pending;

pub use deliver::{Notices, Pace, Webhook, deliver};
