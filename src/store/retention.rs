//! Which backup sets stay and which may go, from what is known of each. Pure: no clock is asked, and
//! a set goes only when every order of the sets that there is says so.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::confirmed_sets::{Cluster, RetentionRules};
use super::layout::is_set_of;
use super::{Held, SetContents, SetFacts, SetOwner, Standing, Why};

/// What retention is decided from, except the sets.
#[derive(Clone, Debug)]
pub struct RetentionInput<'a> {
    pub rules: RetentionRules,
    /// Whose sets may go at all.
    pub owner: &'a SetOwner,
    /// What holds everything, as far as the cluster says so.
    pub held: Option<Held>,
    /// The set that the cluster knows as the newest confirmed one. It never goes.
    pub newest_confirmed: Option<&'a str>,
    /// The set that the cluster knows as the newest one that a drill has proven. It never goes either: what
    /// came after it can perhaps not be restored.
    pub newest_proven: Option<&'a str>,
    /// The directories of the sets that the cluster has taken: what else is in the bucket may be a copy,
    /// or forged, and neither counts nor goes. None where no cluster is asked.
    pub known: Option<&'a BTreeSet<String>>,
    /// The directories of the backups that run.
    pub running: &'a BTreeSet<String>,
    /// The directories of sets that an earlier run began to remove: without a manifest they are what it
    /// has left.
    pub begun: &'a BTreeSet<String>,
    /// The longest time that a backup may take.
    pub longest_backup: SignedDuration,
    /// The time by the storage's clock.
    pub now: Option<Timestamp>,
}

impl RetentionInput<'_> {
    /// Whether the cluster has taken a set, as far as one is asked.
    fn knows(&self, set: &SetFacts) -> bool {
        self.known.is_none_or(|known| known.contains(&set.path))
    }
}

/// What is decided about one set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    pub set: &'a SetFacts,
    /// Whether it may be removed.
    pub removed: bool,
    pub why: Why,
}

/// Decides about every set, in the order in which they are given.
#[must_use]
pub fn decide_retention<'a>(input: &RetentionInput<'_>, sets: &'a [SetFacts]) -> Vec<Decision<'a>> {
    let held = input.held.or_else(|| newest_confirmed_unread(input, sets));
    let mut clusters: BTreeMap<&str, Cluster<'_>> = BTreeMap::new();
    let mut manifests: BTreeSet<&str> = BTreeSet::new();
    let mut copies: BTreeSet<&str> = BTreeSet::new();
    for set in sets {
        if let Some(record) = set.confirmed()
            && input.owner.has(&record.owner)
            && input.knows(set)
        {
            // One set in two directories is one set.
            if !manifests.insert(&record.manifest_sha256) {
                copies.insert(&set.path);
                continue;
            }
            let cluster = clusters.entry(&record.system_identifier).or_default();
            cluster.confirmed.push((set, record));
        }
    }
    let last = input.rules.last.max(1);
    for cluster in clusters.values_mut() {
        cluster.sort(last);
    }
    let decide = |set: &'a SetFacts| {
        let is_copy = copies.contains(set.path.as_str());
        let kept = stays(input, set)
            .or(held.map(Why::Held))
            .or(is_copy.then_some(Why::Copy));
        let (removed, why) = match (kept, &set.contents) {
            // Nobody has asked for any removal, but it should be known that it is there.
            (Some(Why::Held(Held::NoRetention)), SetContents::Unfinished) => {
                (false, Why::LeftWithoutRules)
            }
            (Some(why), _) => (false, why),
            (None, SetContents::Set(record)) => {
                let cluster = clusters.get(record.system_identifier.as_str());
                match cluster.map(|cluster| cluster.keeps(input.rules, set, record)) {
                    None => (false, Why::NothingConfirmed),
                    Some(Some(why)) => (false, why),
                    Some(None) if record.standing == Standing::Confirmed => (true, Why::Expired),
                    Some(None) => (true, Why::ExpiredUncounted),
                }
            }
            (None, _) => (true, Why::LeftBehind),
        };
        Decision { set, removed, why }
    };
    sets.iter().map(decide).collect()
}

/// What makes a set stay by itself, whatever the rules say.
fn stays(input: &RetentionInput<'_>, set: &SetFacts) -> Option<Why> {
    match &set.contents {
        SetContents::Unreadable(_) => return Some(Why::Unreadable),
        SetContents::Set(record) if !input.owner.has(&record.owner) => return Some(Why::Foreign),
        SetContents::Set(_) if !input.knows(set) => return Some(Why::NotInCluster),
        SetContents::Set(record) if record.standing == Standing::Unknown => {
            return Some(Why::VerdictUnread);
        }
        SetContents::Set(_) if input.newest_confirmed == Some(&set.path) => {
            return Some(Why::NewestConfirmed);
        }
        SetContents::Set(_) if input.newest_proven == Some(&set.path) => {
            return Some(Why::NewestProven);
        }
        SetContents::Set(_) => {}
        SetContents::Unfinished => {
            // No manifest says whose it is; its name does.
            let name = set.path.rsplit('/').next().unwrap_or_default();
            if !is_set_of(name, &input.owner.database_uid) {
                return Some(Why::Foreign);
            }
            if input.running.contains(&set.path) {
                return Some(Why::Running);
            }
            let is_begun = input.begun.contains(&set.path);
            let was_taken = input.known.is_some_and(|known| known.contains(&set.path));
            if was_taken && !is_begun {
                return Some(Why::ManifestMissing);
            }
            let age = input.now.zip(set.stored_at);
            let age = age.map(|(now, stored)| now.duration_since(stored));
            let is_old = age.is_some_and(|age| age > input.longest_backup);
            if !is_old && !is_begun {
                return Some(Why::MayRun);
            }
        }
    }
    let until = set.locked_until?;
    let is_locked = input.now.is_none_or(|now| until > now);
    is_locked.then_some(Why::Locked(until))
}

fn newest_confirmed_unread(input: &RetentionInput<'_>, sets: &[SetFacts]) -> Option<Held> {
    let is_there = input.newest_confirmed.is_some_and(|path| {
        sets.iter().any(|set| {
            let record = set.confirmed();
            set.path == path && record.is_some_and(|record| input.owner.has(&record.owner))
        })
    });
    (!is_there).then_some(Held::NewestConfirmedUnread)
}
