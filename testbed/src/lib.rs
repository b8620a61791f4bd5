//! A real one-node Kubernetes with Postgres images and an S3 server, for the demo, the tests and
//! the benchmarks.
//!
//! Everything runs in one network namespace; nothing needs a container engine, an image registry or
//! a download host. Tests use it like this:
//!
//! ```no_run
//! use std::time::Duration;
//! use testbed::{Selection, TemporaryNamespace, Testbed, fixtures::Postgres, wait_for};
//!
//! fn main() -> anyhow::Result<()> {
//!     let testbed = Testbed::discover()?;
//!     testbed.up(Selection::All)?;
//!     let namespace = TemporaryNamespace::create(&testbed, "example")?;
//!     let postgres = Postgres::new(namespace.name(), "knowledge");
//!     testbed.apply(&postgres.build_manifests())?;
//!     testbed.run_in_network(async || {
//!         let client = testbed.client().await?;
//!         wait_for("the version", Duration::from_secs(60), async || client.apiserver_version().await).await
//!     })?;
//!     Ok(())
//! }
//! ```

mod cache;
mod cgroups;
mod cleanup;
pub mod cli;
mod client;
mod cluster;
mod components;
mod control;
mod deploy;
mod digest;
pub mod fixtures;
mod images;
mod info;
mod kubeconfig;
mod layout;
mod local_object_store;
mod local_postgres;
mod mounts;
mod network;
pub mod object_store;
mod packages;
mod pki;
mod port;
mod process;
mod progress;
mod provision;
mod readiness;
mod shared_folders;
mod shell;
mod slow_link;
mod status;
pub mod storage_proxy;
mod temporary_namespace;
mod testbed;
mod testing;
mod tools;
mod versions;
mod wait;

pub use components::{ACCESS_KEY, BUCKET, Component, REGION, SECRET_KEY, endpoint};
pub use images::{OPERATOR_IMAGE, POSTGRES_15_IMAGE, POSTGRES_17_IMAGE};
pub use info::{Info, ObjectStoreInfo};
pub use layout::Layout;
pub use local_object_store::{Account, LocalObjectStore};
pub use local_postgres::LocalPostgres;
pub use packages::{install_missing, program_of};
pub use port::ReservedPort;
pub use process::State;
pub use slow_link::{Link, SlowLink};
pub use temporary_namespace::{TemporaryNamespace, remove_namespace};
pub use testbed::Testbed;
pub use tools::{Selection, program};
pub use wait::wait_for;
