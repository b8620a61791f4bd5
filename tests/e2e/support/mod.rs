//! What every end-to-end test needs: the cluster, a scene of its own in it, a Postgres, a
//! ProtectedDatabase, and ways to look at them.

mod changes;
mod cluster;
mod containers;
mod database;
mod identities;
mod looks;
#[path = "../../support/page.rs"]
mod page;
mod plugin;
mod runbook;
mod scene;
mod server;
mod volumes;

pub use cluster::*;
pub use containers::*;
pub use database::*;
pub use identities::*;
pub use page::Page;
pub use plugin::*;
pub use runbook::*;
pub use scene::*;
pub use server::*;
pub use volumes::*;
