//! Keeps the data of any Postgres on Kubernetes where it is, notices when it is not, and brings it back.

pub mod agent;
pub mod api;
pub mod cli;
pub mod controller;
pub mod guard;
pub mod install;
pub mod plugin;
pub mod postgres;
pub mod recovery;
pub mod resources;
pub mod store;
pub mod telemetry;
pub mod verdict;
