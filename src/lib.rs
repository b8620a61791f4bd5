//! Keeps the data of any Postgres on Kubernetes where it is, notices when it is not, and brings it
//! back.

pub mod agent;
pub mod api;
pub mod catalog;
pub mod cli;
pub mod decide;
pub mod engine;
pub mod execute;
pub mod guard;
pub mod incident;
pub mod install;
pub mod plan;
pub mod plugin;
pub mod postgres;
pub mod recovery;
pub mod resources;
#[cfg(test)]
mod scenarios;
pub mod store;
pub mod telemetry;
pub mod verdict;
pub mod wording;
pub mod world;
