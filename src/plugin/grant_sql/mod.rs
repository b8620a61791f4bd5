//! `kubectl holdfast grant-sql`: prints the SQL of a role that can check and back up a database,
//! and nothing else.

mod command;
mod statements;
mod text;

pub use command::*;
pub use statements::*;
pub use text::*;
