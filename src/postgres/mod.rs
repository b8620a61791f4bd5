//! Asking a Postgres that is not trusted: connect, identity, tables, counting, and what `pg_dump`
//! writes. Nothing here writes to it except `writer`, which only restores use.

mod any_order;
mod archive;
mod archive_head;
mod archive_state;
mod archive_table;
mod before_login;
mod column_order;
mod connect;
mod count_in_budget;
mod count_statement;
mod counted;
mod counting;
mod coverage;
mod description;
mod dump_rights;
mod effort;
mod elsewhere;
mod error;
mod identifier;
mod identity;
mod incoming;
mod key_file;
mod list_tables;
mod login;
mod one_value;
mod other_databases;
mod owner_code;
mod password_file;
mod paths;
mod presence;
mod programs;
mod query_guard;
mod read_login;
mod selection;
mod sequences;
mod session;
mod settings;
mod short_column;
mod snapshot;
mod snapshot_count;
mod tables;
mod tally;
mod tls;
mod writer;

pub use any_order::{AnyOrderDigest, DigestKey, new_digest_key};
pub use archive::{ArchiveError, ArchiveParser, ArchiveSummary, BLOCK_DATA};
pub use archive_head::{ArchiveHead, ArchiveVersion, ContentsEntry, ReadProblem, parse_head};
pub use archive_state::ArchivePart;
pub use archive_table::{END_OF_ROWS, LargeObjectDigest, LargeObjectsDigest, TableDigest};
pub use before_login::{fetch_digest_at, fetch_without_login};
pub use connect::{APPLICATION_NAME, connect};
pub use counted::{CountedTables, build_tables};
pub use counting::{count_rest, count_small, takes_long};
pub use description::{
    ConfigurationTable, DESCRIBED_TEXT_LIMIT, DatabaseDescription, DatabaseSetting,
    ExtensionDescription, FORMATS, PublicationDescription, SlotDescription,
    SubscriptionDescription, fetch_description, fetch_formats,
};
pub use dump_rights::{DumpObstacle, fetch_dump_obstacle};
pub use effort::Allowance;
pub use error::{
    PostgresError, PostgresErrorKind, bounded_line, classify, line_within, not_reached,
};
pub use identifier::{name_column, quote_identifier, quote_literal, quote_qualified, read_name};
pub use identity::{
    ObservedIdentity, Overview, fetch_database_size, fetch_encrypted, fetch_identity,
    fetch_overview, may_read_role_passwords,
};
pub use key_file::KeyFile;
pub use list_tables::fetch_tables;
pub use login::{CertificateAuthority, ClientCertificate, Login, SecretNames};
pub use one_value::fetch_one_value;
pub use other_databases::fetch_other_databases;
pub use password_file::{PasswordFile, build_password_file};
pub use paths::stream_paths;
pub use presence::{Absence, Presence};
pub use programs::{NoProgram, Program, find_program, find_program_for, read_major};
pub use selection::CountOrder;
pub use sequences::fetch_sequences;
pub use session::Session;
pub use snapshot::{ServerMark, Snapshot, end_sessions, fetch_longest_wait};
pub use snapshot_count::{count_in_snapshot, fetch_extension_tables};
pub use tables::{ListedTable, TableList};
pub use tally::Tally;
pub use tls::{build_connector, driver_mode};
pub use writer::Writer;
