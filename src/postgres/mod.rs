//! Asking a Postgres that nobody vouches for: connect, identity, tables, counting, and what
//! `pg_dump` writes. Nothing here writes to it.

mod archive;
mod archive_head;
mod archive_table;
mod connect;
mod count_statement;
mod counting;
mod effort;
mod error;
mod identifier;
mod identity;
mod login;
mod password_file;
mod paths;
mod programs;
mod selection;
mod session;
mod tables;
mod tls;

pub use archive::*;
pub use connect::*;
pub use counting::*;
pub use error::*;
pub use identifier::*;
pub use identity::*;
pub use login::*;
pub use password_file::*;
pub use paths::*;
pub use programs::*;
pub use selection::{CountOrder, CountedTables};
pub use session::*;
pub use tables::*;
pub use tls::*;

pub use archive_head::{ArchiveVersion, ContentsEntry};
pub use archive_table::{LargeObjectsDigest, TableDigest};
