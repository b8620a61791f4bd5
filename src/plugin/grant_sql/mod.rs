//! `kubectl holdfast grant-sql`: prints the SQL of a role that can check and back up a database,
//! and nothing else.

mod command;
mod statements;
mod text;

pub use command::{GrantSqlArguments, run, run_without_cluster};
pub use statements::{GrantRequest, Statement, build_database_statements, build_server_statements};
pub use text::{Use, describe_grants};
