//! `kubectl holdfast`: commands for users and scripts. It reads, explains, reports, confirms and
//! brings back; it deletes nothing that holds data, and of a Secret it keeps only the names of its keys.

mod accept;
mod adopt;
mod ask;
mod at_home;
mod backups;
mod check;
mod command;
mod connect;
mod doctor;
mod drill;
mod error;
mod exit_status;
mod explain;
mod grant_sql;
mod live_line;
mod output;
mod paging;
mod recover;
mod release;
mod report;
mod restore;
mod status;
mod unlock;
mod write;

pub use command::{is_plugin_name, main};
