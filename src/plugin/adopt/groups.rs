//! The backup sets of a bucket, grouped by the ProtectedDatabase that they are of: a directory has sets of
//! each cluster that had a database of that name. Pure.

use jiff::Timestamp;

use crate::api::WalPosition;
use crate::store::{CatalogSet, Manifest, SetOwner, SetRecord, Standing, root_directory};

/// A set whose manifest can be read.
#[derive(Clone, Copy, Debug)]
pub struct KnownSet<'a> {
    pub set: &'a CatalogSet,
    pub record: &'a SetRecord,
    pub manifest: &'a Manifest,
}

impl<'a> KnownSet<'a> {
    pub fn of(set: &'a CatalogSet) -> Option<Self> {
        let (manifest, _) = set.manifest.as_ref()?;
        let record = set.facts.record()?;
        Some(Self {
            set,
            record,
            manifest,
        })
    }

    pub fn path(&self) -> &'a str {
        &self.set.facts.path
    }

    pub fn counts(&self) -> bool {
        self.record.standing == Standing::Confirmed
    }

    /// When it was taken, by the database's own clock and write-ahead log.
    fn taken(&self) -> (Timestamp, WalPosition) {
        (self.record.snapshot_time, self.record.position)
    }
}

/// The sets of one ProtectedDatabase of one Kubernetes cluster.
#[derive(Debug)]
pub struct Group<'a> {
    /// The directory that they are in, as `NAMESPACE/NAME`.
    pub database: String,
    pub owner: &'a SetOwner,
    /// The oldest first.
    pub sets: Vec<KnownSet<'a>>,
}

impl<'a> Group<'a> {
    /// The newest that counts.
    pub fn newest_confirmed(&self) -> Option<KnownSet<'a>> {
        self.sets.iter().rev().find(|set| set.counts()).copied()
    }

    /// Those that are newer than the newest that counts; all of them where none counts. The newest first.
    pub fn newer(&self) -> Vec<KnownSet<'a>> {
        let newest_first = self.sets.iter().rev();
        newest_first
            .take_while(|set| !set.counts())
            .copied()
            .collect()
    }
}

/// What is below a prefix.
#[derive(Debug, Default)]
pub struct Found<'a> {
    pub groups: Vec<Group<'a>>,
    /// What has no manifest, or one that can't be read.
    pub others: Vec<&'a CatalogSet>,
}

/// Groups the sets below a prefix.
pub fn group<'a>(sets: &'a [CatalogSet], prefix: &str) -> Found<'a> {
    let mut found = Found::default();
    for set in sets {
        let Some(known) = KnownSet::of(set) else {
            found.others.push(set);
            continue;
        };
        let database = database_of(&set.facts.path, prefix);
        let owner = &known.record.owner;
        let is_same = |group: &&mut Group<'_>| group.database == database && group.owner == owner;
        match found.groups.iter_mut().find(is_same) {
            Some(group) => group.sets.push(known),
            None => found.groups.push(Group {
                database,
                owner,
                sets: vec![known],
            }),
        }
    }
    for group in &mut found.groups {
        group.sets.sort_by_key(KnownSet::taken);
    }
    found
}

/// `NAMESPACE/NAME` of a set's directory.
fn database_of(path: &str, prefix: &str) -> String {
    let rest = path.strip_prefix(&root_directory(prefix)).unwrap_or(path);
    let parts: Vec<&str> = rest.splitn(3, '/').take(2).collect();
    parts.join("/")
}
