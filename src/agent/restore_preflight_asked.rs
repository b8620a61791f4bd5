//! Which databases of a set a restore may replace: those of its ProtectedDatabase, which its user has confirmed,
//! and no others of the server. Pure.

use crate::api::RestoreRequest;
use crate::store::Manifest;
use crate::wording::{list, quoted};

use super::restore_server_facts::SHOWN;

/// What of a set would replace a database that nobody has confirmed.
#[must_use]
pub fn not_asked_for(manifest: &Manifest, request: &RestoreRequest) -> Option<String> {
    let asked = &request.server.databases;
    let others: Vec<String> = manifest
        .databases
        .iter()
        .filter(|database| !asked.contains(&database.name))
        .map(|database| quoted(&database.name, SHOWN))
        .collect();
    if others.is_empty() {
        return None;
    }
    Some(format!(
        "it has databases that ProtectedDatabase {} is not about, so nobody has confirmed that they are \
         replaced: {}. If they belong to it, add them to `spec.connection.additionalDatabases`; else restore \
         the set beside what is there, `into: Beside`",
        request.database,
        list(&others)
    ))
}
