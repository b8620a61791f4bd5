//! Which backup set of a bucket is restored: the newest that counts, unless its user names one and says so.
//! Pure.

use super::groups::{Found, Group, KnownSet};
use crate::wording::escaped;

/// The set that is to be restored.
#[derive(Debug)]
pub struct Chosen<'a> {
    pub set: KnownSet<'a>,
    /// Newer sets of the same database, which do not count.
    pub newer: Vec<KnownSet<'a>>,
}

/// The set at that path, or the newest that counts of that database.
pub fn choose<'a>(
    found: &Found<'a>,
    database: &str,
    path: Option<&str>,
    accepts_suspect: bool,
) -> Result<Chosen<'a>, String> {
    let groups: Vec<&Group<'a>> = found
        .groups
        .iter()
        .filter(|group| group.database == database)
        .collect();
    match path {
        Some(path) => named(&groups, path, accepts_suspect),
        None => newest(&groups, database),
    }
}

fn named<'a>(
    groups: &[&Group<'a>],
    path: &str,
    accepts_suspect: bool,
) -> Result<Chosen<'a>, String> {
    let path = path.trim_matches('/');
    let mut all = groups.iter().flat_map(|group| &group.sets);
    let Some(set) = all.find(|set| set.path() == path) else {
        return Err(format!(
            "{} is not one of the sets of this database that can be read. Write it as the list above does",
            escaped(path)
        ));
    };
    if !set.counts() && !accepts_suspect {
        return Err(format!(
            "{} is {}, so it does not count as good: it may hold only what was left after a loss. To restore \
             it anyway: --accept-suspect",
            escaped(path),
            set.set.facts.contents.word()
        ));
    }
    Ok(Chosen {
        set: *set,
        newer: Vec::new(),
    })
}

fn newest<'a>(groups: &[&Group<'a>], database: &str) -> Result<Chosen<'a>, String> {
    let counting: Vec<(&Group<'a>, KnownSet<'a>)> = groups
        .iter()
        .filter_map(|group| Some((*group, group.newest_confirmed()?)))
        .collect();
    match counting[..] {
        [] => Err(format!(
            "no set of {} counts as good. To restore one of them anyway: --set SET --accept-suspect",
            escaped(database)
        )),
        [(group, set)] => {
            // Those of others that had the name are no copies of this one.
            let newer = group.newer();
            Ok(Chosen { set, newer })
        }
        [..] => Err(format!(
            "{} databases of the name {} have sets that count, of different clusters or from before it was \
             created again. Say which one by its set: --set SET",
            counting.len(),
            escaped(database)
        )),
    }
}
