//! What `adopt` says before it asks: which set, into which database, what will happen, and what nobody can
//! know. Pure.

use std::fmt::Write as _;

use kube::ResourceExt as _;

use super::choose::Chosen;
use super::place::Place;
use super::text::describe_set;
use crate::api::{ProtectedDatabase, RestoreTarget};
use crate::wording::escaped;

/// What is restored, what happens, and what does not come with it.
pub fn describe(
    database: &ProtectedDatabase,
    chosen: &Chosen<'_>,
    place: &Place,
    into: RestoreTarget,
) -> String {
    let mut text = format!(
        "What is restored, from {place}:\n  - {}\n",
        describe_set(&chosen.set)
    );
    if !chosen.set.counts() {
        text.push_str(
            "  - it DOES NOT COUNT AS GOOD: it may hold only what was left after a loss\n",
        );
    }
    for newer in &chosen.newer {
        let _ = writeln!(
            text,
            "Newer, and not restored:\n  - {}",
            describe_set(newer)
        );
    }
    let names: Vec<&str> = database.spec.connection.databases().collect();
    let _ = write!(
        text,
        "What happens, in ProtectedDatabase {}/{} ({}):\n  - every object of the set is compared with its digest \
         before anything is made\n  - it is restored into a new database beside the present one, and compared \
         row by row\n",
        database.namespace().unwrap_or_default(),
        database.name_any(),
        escaped(&names.join(", "))
    );
    if into == RestoreTarget::Replace {
        text.push_str(
            "  - then clients are disconnected for a moment, the present database is renamed and kept, and the \
             new one takes its name\n  - a check compares it with the set; once that is good, later checks are \
             compared with it\n",
        );
    } else {
        text.push_str("  - the present database stays as it is\n");
    }
    text.push_str(
        "What does not come with it:\n  - what is not in a database: passwords of roles, settings of the server, \
         files\nWhat nobody can know here:\n  - whether the bucket says the truth. Whoever could write to it may \
         have made the set, and what confirms it\n",
    );
    text
}

/// Why the set can't be restored into this database, by its spec alone.
pub fn refuse(database: &ProtectedDatabase, chosen: &Chosen<'_>, place: &Place) -> Option<String> {
    let name = database.name_any();
    let Some(backup) = &database.spec.backup else {
        return Some(format!(
            "ProtectedDatabase {name} has no spec.backup: its storage says how the set is read. Set it to {place}"
        ));
    };
    let storage = &backup.storage.s3;
    if storage.bucket != place.bucket {
        return Some(format!(
            "spec.backup.storage of ProtectedDatabase {name} names bucket {}, and the set is in bucket {}. Set \
             it to that one; it may be changed again afterwards",
            storage.bucket, place.bucket
        ));
    }
    if !storage.contains(chosen.set.path()) {
        let prefix = storage.prefix.trim_matches('/');
        return Some(format!(
            "spec.backup.storage of ProtectedDatabase {name} has the prefix {prefix}, and the set is not below \
             it. Set it to the prefix of the set; it may be changed again afterwards"
        ));
    }
    let of_set: Vec<&str> = chosen
        .set
        .manifest
        .databases
        .iter()
        .map(|database| database.name.as_str())
        .collect();
    let mut wanted = database.spec.connection.databases();
    wanted.find(|wanted| !of_set.contains(wanted)).map(|wanted| {
        format!(
            "ProtectedDatabase {name} is about database {}, which is not in the set. The set has {}: name that \
             in spec.connection.database",
            escaped(wanted),
            escaped(&of_set.join(", "))
        )
    })
}
