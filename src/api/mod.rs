//! The contract: the kinds of `holdfast.dev/v1alpha1`, their conditions, labels and names. No I/O.

mod agent_request;
mod backup_spec;
mod checked_files;
mod conditions;
mod connection;
mod database_backup;
mod database_check;
mod database_ledger;
mod database_restore;
mod declared_change;
mod evidence;
mod file_rule;
mod finding;
pub mod names;
mod protected_database;
mod protected_database_status;
pub mod reasons;

pub use agent_request::*;
pub use backup_spec::*;
pub use checked_files::*;
pub use conditions::*;
pub use connection::*;
pub use database_backup::*;
pub use database_check::*;
pub use database_ledger::*;
pub use database_restore::*;
pub use declared_change::*;
pub use evidence::*;
pub use file_rule::*;
pub use finding::*;
pub use protected_database::*;
pub use protected_database_status::*;
