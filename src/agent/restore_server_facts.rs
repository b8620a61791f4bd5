//! What a server has and the role of restores may do, and what of it stands against a set. Pure.

use std::collections::{BTreeMap, BTreeSet};

/// The longest name that is quoted in a message.
pub const SHOWN: usize = 80;

/// What the server has and the role may do.
#[expect(clippy::struct_excessive_bools, reason = "what a role may do")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerFacts {
    /// Its major version.
    pub major: u32,
    pub in_recovery: bool,
    pub role: String,
    pub is_superuser: bool,
    pub may_create_databases: bool,
    pub may_create_roles: bool,
    /// Whether policies of tables do not hide rows from it.
    pub bypasses_row_security: bool,
    /// Every role, and whether ours may act as it.
    pub roles: BTreeMap<String, bool>,
    pub tablespaces: BTreeSet<String>,
    /// How many sessions the role may have, if that is limited.
    pub connection_limit: Option<i32>,
    /// Extensions that could be created.
    pub extensions: Vec<OfferedExtension>,
    /// Names of prepared transactions, each with its database.
    pub prepared: Vec<(String, String)>,
    /// Logical slots, each with its database.
    pub slots: Vec<(String, String)>,
    /// Databases that do not belong to a role which ours may act as, each with its owner.
    pub of_others: Vec<(String, String)>,
    /// Databases that are not in the default tablespace, each with its own.
    pub elsewhere: Vec<(String, String)>,
    /// Roles with sessions, each with the database.
    pub sessions: Vec<SessionFact>,
    /// Sessions of poolers: each database with what they call themselves.
    pub poolers: Vec<(String, String)>,
    /// Versions of collations, by who provides them and their locale.
    pub collations: BTreeMap<(String, String), String>,
    /// The version of all collations of libc.
    pub libc_version: Option<String>,
    /// Subscriptions, each with its database and whether it is enabled.
    pub subscriptions: Vec<(String, String, bool)>,
}

/// Sessions that a restore has beside those of its jobs.
const OWN_SESSIONS: i32 = 4;

impl ServerFacts {
    /// How many jobs the role may have.
    #[must_use]
    pub fn connections_for_jobs(&self) -> i32 {
        let limited = self.connection_limit.filter(|_| !self.is_superuser);
        limited.map_or(i32::MAX, |limit| limit.saturating_sub(OWN_SESSIONS))
    }
}

/// Sessions of one role in one database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFact {
    pub database: String,
    pub role: String,
    pub is_superuser: bool,
    /// Whether our role may end them.
    pub may_be_ended: bool,
}

/// An extension that the server offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfferedExtension {
    pub name: String,
    pub version: String,
    pub is_default: bool,
    /// Whether only a superuser may create it.
    pub for_superusers: bool,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preflight {
    /// Why the set can't be restored.
    pub problems: Vec<String>,
    /// What will not be as it was.
    pub warnings: Vec<String>,
    /// Roles that are created first.
    pub missing_roles: Vec<String>,
}
