//! What of the present database stands against its being renamed. Pure.

use crate::store::ManifestDatabase;
use crate::wording::{list, quoted};

use super::restore_preflight_notes::look_at_poolers;
use super::restore_server_facts::{Preflight, SHOWN, ServerFacts, SessionFact};

/// What of the present database stands against its being renamed.
pub fn look_at_present(database: &ManifestDatabase, server: &ServerFacts, found: &mut Preflight) {
    let name = quoted(&database.name, SHOWN);
    let of_it = |other: &String| *other == database.name;
    let prepared: Vec<String> = server
        .prepared
        .iter()
        .filter(|(_, other)| of_it(other))
        .map(|(transaction, _)| quoted(transaction, SHOWN))
        .collect();
    if !prepared.is_empty() {
        found.problems.push(format!(
            "database {name} has prepared transactions, with which it can't be renamed: {}. End each: \
             `COMMIT PREPARED …` or `ROLLBACK PREPARED …`",
            list(&prepared)
        ));
    }
    look_at_rights(database, server, found);
    look_at_poolers(database, server, found);
    for (_, tablespace) in server.elsewhere.iter().filter(|(of, _)| of_it(of)) {
        found.warnings.push(format!(
            "database {name} is in the tablespace {}, and the restored one is in the default one, which needs \
             the space: `ALTER DATABASE … SET TABLESPACE …`",
            quoted(tablespace, SHOWN)
        ));
    }
    let slots: Vec<String> = server
        .slots
        .iter()
        .filter(|(_, other)| of_it(other))
        .map(|(slot, _)| quoted(slot, SHOWN))
        .collect();
    if !slots.is_empty() {
        found.warnings.push(format!(
            "logical replication slots stay with the database that is kept, and hold its write-ahead log: \
             {}. Their consumers need slots of their own in the restored one",
            list(&slots)
        ));
    }
    let (enabled, disabled): (Vec<_>, Vec<_>) = server
        .subscriptions
        .iter()
        .filter(|(_, other, _)| of_it(other))
        .partition(|(_, _, is_enabled)| *is_enabled);
    let names = |of: &[&(String, String, bool)]| {
        let names: Vec<String> = of.iter().map(|(one, _, _)| quoted(one, SHOWN)).collect();
        list(&names)
    };
    if !enabled.is_empty() {
        found.problems.push(format!(
            "database {name} has subscriptions that are enabled: {}. Disable each: `ALTER SUBSCRIPTION … \
             DISABLE`",
            names(&enabled)
        ));
    }
    if !disabled.is_empty() {
        found.warnings.push(format!(
            "subscriptions stay with the database that is kept: {}",
            names(&disabled)
        ));
    }
}

/// Whether the role may rename the present database and end the sessions in it.
fn look_at_rights(database: &ManifestDatabase, server: &ServerFacts, found: &mut Preflight) {
    if server.is_superuser {
        return;
    }
    let (name, role) = (quoted(&database.name, SHOWN), quoted(&server.role, SHOWN));
    for (_, owner) in server
        .of_others
        .iter()
        .filter(|(of, _)| *of == database.name)
    {
        found.problems.push(format!(
            "database {name} belongs to {}, which role {role} is no member of, so it can't rename it: `GRANT … \
             TO …`",
            quoted(owner, SHOWN)
        ));
    }
    let of_it = server
        .sessions
        .iter()
        .filter(|one| one.database == database.name);
    let (of_superusers, others): (Vec<_>, Vec<_>) = of_it
        .filter(|one| !one.may_be_ended)
        .partition(|one| one.is_superuser);
    let names = |of: &[&SessionFact]| {
        let names: Vec<String> = of.iter().map(|one| quoted(&one.role, SHOWN)).collect();
        list(&names)
    };
    if !others.is_empty() {
        found.problems.push(format!(
            "role {role} may not end the sessions in database {name} of {}: `GRANT pg_signal_backend TO …`",
            names(&others)
        ));
    }
    if !of_superusers.is_empty() {
        found.warnings.push(format!(
            "there are sessions in database {name} of superusers, which role {role} can't end; the swap waits \
             for them, and is undone if they stay: {}",
            names(&of_superusers)
        ));
    }
}
