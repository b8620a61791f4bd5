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
mod password_watch;
mod paths;
mod presence;
mod programs;
mod read_login;
mod selection;
mod session;
mod tables;
mod tls;

pub use archive::{ArchiveError, ArchiveParser, ArchiveSummary};
pub use archive_head::{ArchiveVersion, ContentsEntry};
pub use archive_table::{LargeObjectsDigest, TableDigest};
pub use connect::{APPLICATION_NAME, connect};
pub use counting::count_tables;
pub use error::{
    PostgresError, PostgresErrorKind, bounded_line, classify, line_within, not_reached,
};
pub use identifier::{quote_identifier, quote_qualified};
pub use identity::{
    ObservedIdentity, Overview, fetch_database_size, fetch_encrypted, fetch_extensions,
    fetch_identity, fetch_overview,
};
pub use login::{CertificateAuthority, ClientCertificate, Login, SecretNames};
pub use password_file::{PasswordFile, build_password_file};
pub use paths::stream_paths;
pub use presence::{Absence, Presence};
pub use programs::{find_program, find_program_in};
pub use selection::{CountOrder, CountedTables};
pub use session::Session;
pub use tables::{ListedTable, TableList, fetch_tables};
pub use tls::{build_connector, driver_mode};
