//! What a restore does not bring along, or brings along in another way than it was, with the commands for what is
//! left to do. Pure.

use crate::postgres::{SubscriptionDescription, quote_identifier, quote_literal};
use crate::store::ManifestDatabase;
use crate::wording::{list, quoted, quoted_line};

use super::restore_server_facts::{Preflight, SHOWN, ServerFacts};

/// The longest command that is printed.
const COMMAND: usize = 400;
/// The longest name of a slot on a publisher, and how a new one ends.
const SLOT: usize = 63;
const SLOT_END: &str = "_restored";

/// Names the subscriptions of a set, with what creates each again. What connects to another server is never
/// begun by a restore.
pub fn look_at_subscriptions(database: &ManifestDatabase, found: &mut Preflight) {
    let subscriptions: Vec<&SubscriptionDescription> = database
        .description
        .iter()
        .flat_map(|description| &description.subscriptions)
        .collect();
    if subscriptions.is_empty() {
        return;
    }
    let names: Vec<String> = subscriptions
        .iter()
        .map(|one| quoted(&one.name, SHOWN))
        .collect();
    let commands: Vec<String> = subscriptions
        .iter()
        .map(|one| format!("`{}`", quoted_line(&build_command(one), COMMAND)))
        .collect();
    found.warnings.push(format!(
        "subscriptions of database {} are not restored: {}. A publisher does not send again what came since the \
         backup, so empty the tables of each first (TRUNCATE); then, in the restored database, each copies them: \
         {}",
        quoted(&database.name, SHOWN),
        list(&names),
        list(&commands)
    ));
}

/// The old slot belongs to what is kept, and may be of a later time than the restored rows.
fn build_command(subscription: &SubscriptionDescription) -> String {
    let name = quote_identifier(&subscription.name);
    let publications: Vec<String> = subscription
        .publications
        .iter()
        .map(|one| quote_identifier(one))
        .collect();
    let publications = if publications.is_empty() {
        "…".to_owned()
    } else {
        publications.join(", ")
    };
    let slot = quote_literal(&slot_of(&subscription.name));
    let enabled = if subscription.enabled {
        ""
    } else {
        ", enabled = false"
    };
    format!(
        "CREATE SUBSCRIPTION {name} CONNECTION '…' PUBLICATION {publications} WITH (slot_name = {slot}{enabled})"
    )
}

/// A name that a slot can have.
fn slot_of(subscription: &str) -> String {
    let name = subscription.chars().map(|one| match one {
        'a'..='z' | '0'..='9' | '_' => one,
        'A'..='Z' => one.to_ascii_lowercase(),
        _ => '_',
    });
    let begin: String = name.take(SLOT - SLOT_END.len()).collect();
    format!("{begin}{SLOT_END}")
}

/// Says where text may sort in another order than in the server that was dumped.
pub fn look_at_collation(database: &ManifestDatabase, server: &ServerFacts, found: &mut Preflight) {
    let Some(description) = &database.description else {
        return;
    };
    let Some(dumped) = &description.collation_version else {
        return;
    };
    let of_libc = description.locale_provider == "c";
    let locale = if of_libc {
        Some(&description.collate)
    } else {
        description.locale.as_ref()
    };
    let Some(locale) = locale else {
        return;
    };
    let key = (description.locale_provider.clone(), locale.clone());
    let of_all = server.libc_version.as_ref().filter(|_| of_libc);
    let now = server.collations.get(&key).or(of_all);
    let (name, locale) = (quoted(&database.name, SHOWN), quoted(locale, SHOWN));
    match now {
        Some(now) if now == dumped => {}
        Some(now) => found.warnings.push(format!(
            "database {name} was dumped with version {} of its collation {locale}, and the server has {}, which \
             may sort text in another order. Indexes are built new in that order, so no REINDEX is needed; \
             unique and CHECK constraints and partitions by text are checked while rows are restored, and one \
             that does not hold any more ends the restore. Only queries may return rows in another order",
            quoted(dumped, SHOWN),
            quoted(now, SHOWN)
        )),
        None => found.warnings.push(format!(
            "database {name} was dumped with version {} of its collation {locale}, and which version the server \
             has is not known. Indexes are built new, so no REINDEX is needed",
            quoted(dumped, SHOWN)
        )),
    }
}

/// Names the poolers that have sessions in the present database: their clients wait for longer than the swap.
pub fn look_at_poolers(database: &ManifestDatabase, server: &ServerFacts, found: &mut Preflight) {
    let of_it = server.poolers.iter().filter(|(of, _)| *of == database.name);
    let names: Vec<String> = of_it.map(|(_, name)| quoted(name, SHOWN)).collect();
    if names.is_empty() {
        return;
    }
    found.warnings.push(format!(
        "a pooler has sessions in database {} ({}): during the swap its connections are refused, and PgBouncer \
         tries again only after server_login_retry (15 s). In its console, `PAUSE` the database before the swap \
         and `RESUME` it after, so that its clients wait and see no error",
        quoted(&database.name, SHOWN),
        list(&names)
    ));
}

#[cfg(test)]
#[path = "restore_preflight_notes_tests.rs"]
mod tests;
