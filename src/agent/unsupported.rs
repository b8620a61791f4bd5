//! What a restore refuses of a database, by name: said when a backup is taken, not only when it is needed. Pure.

use crate::store::{ManifestDatabase, ManifestExtension};
use crate::wording::quoted;

/// Extensions whose data a dump does not bring along by itself.
const UNSUPPORTED: [&str; 2] = ["pg_cron", "timescaledb"];
/// The longest name that is quoted.
const SHOWN: usize = 80;

/// Why a restore of this database is refused whatever the server is.
#[must_use]
pub fn obstacles_of(database: &ManifestDatabase) -> Vec<String> {
    obstacles(&database.name, &database.extensions)
}

/// The same of a database that is described in part.
#[must_use]
pub fn obstacles(name: &str, extensions: &[ManifestExtension]) -> Vec<String> {
    let name = quoted(name, SHOWN);
    extensions
        .iter()
        .filter(|extension| UNSUPPORTED.contains(&extension.name.as_str()))
        .map(|extension| {
            format!(
                "database {name} has the extension {}, which can't be restored yet",
                extension.name
            )
        })
        .collect()
}

/// The same for the message of a backup; nothing if there is none.
#[must_use]
pub fn say(obstacles: &[String]) -> String {
    obstacles.first().map_or_else(String::new, |first| {
        format!("; A RESTORE OF THEM IS REFUSED: {first}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_restore_refuses_is_said_of_the_very_database() {
        let extension = |name: &str| ManifestExtension {
            name: name.to_owned(),
            version: "1".to_owned(),
        };
        let extensions = ["plpgsql", "timescaledb", "pg_cron", "my_timescaledb"].map(extension);
        let found = obstacles("shop", &extensions);
        assert_eq!(
            found,
            [
                "database \"shop\" has the extension timescaledb, which can't be restored yet",
                "database \"shop\" has the extension pg_cron, which can't be restored yet",
            ]
        );
        assert!(say(&found).contains("REFUSED: database \"shop\" has the extension timescaledb"));
        assert_eq!(say(&obstacles("shop", &extensions[..1])), "");
    }
}
