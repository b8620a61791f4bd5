//! What retention must never do, tried over many histories: with clocks that are wrong, kills in
//! between, and sets of others in the same directory.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{
    Decision, Held, RetentionInput, RetentionRules, SetContents, SetFacts, SetOwner, SetRecord,
    Standing, Why, decide_retention, set_suffix,
};
use crate::api::WalPosition;

/// How many histories are tried.
const HISTORIES: u32 = 100_000;
/// The most sets of a history.
const SETS: usize = 9;
const HOUR: i64 = 3_600;
const YEAR: i64 = 365 * 24 * HOUR;
/// 1 November 2026.
const BEGIN: i64 = 1_793_491_200;

/// One history: what truly happened, and what the clocks made of it.
#[derive(Debug)]
struct History {
    sets: Vec<SetFacts>,
    /// When each was truly taken; the sets are in that order.
    times: Vec<i64>,
    rules: RetentionRules,
    held: Option<Held>,
    /// What the cluster has taken.
    known: BTreeSet<String>,
    database_clock_is_right: bool,
    storage_clock_is_right: bool,
}

fn owner(uid: &str) -> SetOwner {
    SetOwner {
        database_uid: uid.to_owned(),
        kubernetes_cluster: Some("cluster".to_owned()),
    }
}

fn position(bytes: u64) -> WalPosition {
    WalPosition::parse(1, &format!("0/{bytes:X}")).unwrap()
}

/// Draws from a random number, which gets smaller.
fn draw(from: &mut u64, below: u64) -> u64 {
    let drawn = *from % below;
    *from /= below;
    drawn
}

/// How far a clock is wrong.
fn error_of(from: &mut u64) -> i64 {
    [0, 0, YEAR, -YEAR, 24 * HOUR, -24 * HOUR][usize::try_from(draw(from, 6)).unwrap()]
}

fn history(mut seed: u64, sets: &[u64]) -> History {
    let database_clock_is_right = draw(&mut seed, 2) == 0;
    let storage_clock_is_right = draw(&mut seed, 2) == 0;
    let rule = |seed: &mut u64, most: u64| u32::try_from(draw(seed, most)).unwrap();
    let rules = RetentionRules {
        last: usize::try_from(draw(&mut seed, 4)).unwrap(),
        days: rule(&mut seed, 5),
        weekly: rule(&mut seed, 3),
        monthly: rule(&mut seed, 3),
    };
    let held = match draw(&mut seed, 8) {
        0 => Some(Held::DataReset),
        1 => Some(Held::DataNotVerified),
        2 => Some(Held::RunsUnknown),
        _ => None,
    };
    let mut time = BEGIN;
    let mut made = Vec::new();
    let mut times = Vec::new();
    let mut known = BTreeSet::new();
    for (number, bits) in sets.iter().enumerate() {
        let mut bits = *bits;
        let gap = [1, 24, 24, 7 * 24, 40 * 24][usize::try_from(draw(&mut bits, 5)).unwrap()];
        time += gap * HOUR;
        let database = error_of(&mut bits);
        let storage = error_of(&mut bits);
        let snapshot = time + if database_clock_is_right { 0 } else { database };
        let stored = time + if storage_clock_is_right { 0 } else { storage };
        let standing = match draw(&mut bits, 10) {
            4 => Standing::Unknown,
            0 => Standing::Unconfirmed,
            1 => Standing::Demoted,
            2 => Standing::Suspect,
            3 => Standing::Incomplete,
            _ => Standing::Confirmed,
        };
        // A second initdb in the middle of some histories.
        let cluster = if draw(&mut bits, 9) == 0 { "2" } else { "1" };
        let kind = draw(&mut bits, 16);
        let whose = if kind == 2 || (kind == 0 && draw(&mut bits, 4) == 0) {
            "other"
        } else {
            "ours"
        };
        let contents = match kind {
            0 => SetContents::Unfinished,
            1 => SetContents::Unreadable("no JSON".to_owned()),
            _ => SetContents::Set(SetRecord {
                owner: owner(whose),
                system_identifier: cluster.to_owned(),
                position: position(u64::try_from(number).unwrap()),
                snapshot_time: Timestamp::from_second(snapshot).unwrap(),
                manifest_sha256: number.to_string(),
                standing,
            }),
        };
        let locked = draw(&mut bits, 16) == 0;
        made.push(SetFacts {
            path: path_of(number, whose),
            stored_at: (draw(&mut bits, 32) != 0).then(|| Timestamp::from_second(stored).unwrap()),
            locked_until: locked.then(|| Timestamp::from_second(time + 10 * YEAR).unwrap()),
            contents,
        });
        if draw(&mut bits, 8) != 0 {
            known.insert(path_of(number, whose));
        }
        times.push(time);
    }
    History {
        sets: made,
        times,
        rules,
        held,
        known,
        database_clock_is_right,
        storage_clock_is_right,
    }
}

/// The directory of a set: its name says whose it is.
fn path_of(number: usize, whose: &str) -> String {
    let suffix = set_suffix(whose, &number.to_string());
    format!("prod/set{number}-{suffix:08x}")
}

fn counts(set: &SetFacts) -> Option<&SetRecord> {
    match &set.contents {
        SetContents::Set(record)
            if record.standing == Standing::Confirmed && record.owner.database_uid == "ours" =>
        {
            Some(record)
        }
        _ => None,
    }
}

fn decide<'a>(history: &History, sets: &'a [SetFacts]) -> Vec<Decision<'a>> {
    decide_after(history, sets, &BTreeSet::new())
}

/// The plan after an earlier run has begun to remove these.
fn decide_after<'a>(
    history: &History,
    sets: &'a [SetFacts],
    begun: &BTreeSet<String>,
) -> Vec<Decision<'a>> {
    let ours = owner("ours");
    let is_counting = |set: &&SetFacts| counts(set).is_some() && history.known.contains(&set.path);
    let newest = sets.iter().rev().find(is_counting);
    let input = RetentionInput {
        rules: history.rules,
        owner: &ours,
        held: history.held,
        newest_confirmed: newest.map(|set| set.path.as_str()),
        newest_proven: None,
        known: Some(&history.known),
        running: &BTreeSet::from([path_of(0, "ours")]),
        begun,
        longest_backup: SignedDuration::from_hours(6),
        now: history
            .times
            .last()
            .map(|time| Timestamp::from_second(*time + HOUR).unwrap()),
    };
    decide_retention(&input, sets)
}

/// The invariants.
fn holds(history: &History) {
    let decisions = decide(history, &history.sets);
    let last = history.rules.last.max(1);
    for (index, decision) in decisions.iter().enumerate() {
        let newer = || history.sets[index + 1..].iter();
        if !decision.removed {
            continue;
        }
        // 1. While anything holds, nothing goes.
        assert_eq!(history.held, None, "{decision:?}");
        // 2. What is locked, runs or can't be read stays.
        assert_eq!(decision.set.locked_until, None, "{decision:?}");
        match &decision.set.contents {
            SetContents::Unreadable(_) => panic!("{decision:?}"),
            SetContents::Unfinished => {
                // What was a set is not finished off.
                assert!(!history.known.contains(&decision.set.path), "{decision:?}");
                assert_ne!(decision.set.path, path_of(0, "ours"), "{decision:?}");
                assert_eq!(decision.set.path, path_of(index, "ours"), "{decision:?}");
            }
            SetContents::Set(record) => {
                assert_ne!(record.standing, Standing::Unknown, "{decision:?}");
                // 3. A set of another ProtectedDatabase stays, and so does one that the cluster never took.
                let is_known = history.known.contains(&decision.set.path);
                assert!(is_known, "{decision:?}");
                assert_eq!(record.owner.database_uid, "ours", "{decision:?}");
                // 4. So many newer sets are confirmed, of the same database cluster, and stay:
                //    whatever any clock says.
                let kept = newer()
                    .zip(&decisions[index + 1..])
                    .filter(|(set, newer)| {
                        let is_same = counts(set).is_some_and(|other| {
                            other.system_identifier == record.system_identifier
                        });
                        is_same && !newer.removed && history.known.contains(&set.path)
                    })
                    .count();
                assert!(kept >= last, "{kept} stay of {last}: {decision:?}");
                // 5. Of the last so many days nothing goes while one of the clocks is right.
                let newest = (0..history.sets.len()).rev().find(|index| {
                    let set = &history.sets[*index];
                    history.known.contains(&set.path)
                        && counts(set).is_some_and(|other| {
                            other.system_identifier == record.system_identifier
                        })
                });
                let age = history.times[newest.unwrap()] - history.times[index];
                let days = i64::from(history.rules.days) * 24 * HOUR;
                if history.database_clock_is_right || history.storage_clock_is_right {
                    assert!(days == 0 || age > days, "{decision:?}");
                }
            }
        }
    }
    // 6. A run that ends anywhere leaves a plan that removes nothing that was to stay, and its rest.
    let removed: Vec<&str> = decisions
        .iter()
        .filter(|decision| decision.removed)
        .map(|decision| decision.set.path.as_str())
        .collect();
    let half = &removed[..removed.len().div_ceil(2)];
    let mut left = history.sets.clone();
    left.retain(|set| !half.contains(&set.path.as_str()));
    let again: Vec<String> = decide(history, &left)
        .iter()
        .filter(|decision| decision.removed)
        .map(|decision| decision.set.path.clone())
        .collect();
    assert_eq!(again, removed[half.len()..], "after {half:?} went");
    // 7. One that ends after it has removed manifests leaves directories that the next one removes, and
    //    nothing that was to stay.
    let begun: BTreeSet<String> = half.iter().map(|path| (*path).to_owned()).collect();
    let mut left = history.sets.clone();
    for set in left.iter_mut().filter(|set| begun.contains(&set.path)) {
        set.contents = SetContents::Unfinished;
    }
    let again: Vec<&str> = decide_after(history, &left, &begun)
        .iter()
        .filter(|decision| decision.removed)
        .map(|decision| decision.set.path.as_str())
        .collect();
    let finished = removed
        .iter()
        .filter(|path| **path != path_of(0, "ours"))
        .copied();
    let again = again.into_iter().filter(|path| *path != path_of(0, "ours"));
    assert!(again.eq(finished), "after the manifests of {half:?} went");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: HISTORIES,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_history_loses_what_must_stay(
        seed in any::<u64>(),
        sets in prop::collection::vec(any::<u64>(), 0..SETS),
    ) {
        holds(&history(seed, &sets));
    }
}

fn set(day: i64, standing: Standing) -> SetFacts {
    let time = Timestamp::from_second(BEGIN + day * 24 * HOUR).unwrap();
    SetFacts {
        path: format!("day-{day:03}"),
        stored_at: Some(time),
        locked_until: None,
        contents: SetContents::Set(SetRecord {
            owner: owner("ours"),
            system_identifier: "1".to_owned(),
            position: position(u64::try_from(day).unwrap()),
            snapshot_time: time,
            manifest_sha256: day.to_string(),
            standing,
        }),
    }
}

fn kept(rules: RetentionRules, sets: &[SetFacts]) -> Vec<&str> {
    let history = History {
        sets: Vec::new(),
        times: vec![BEGIN + 400 * 24 * HOUR],
        rules,
        held: None,
        known: sets.iter().map(|set| set.path.clone()).collect(),
        database_clock_is_right: true,
        storage_clock_is_right: true,
    };
    decide(&history, sets)
        .iter()
        .filter(|decision| !decision.removed)
        .map(|decision| decision.set.path.as_str())
        .collect()
}

/// A set a day, of which each is confirmed.
fn daily() -> Vec<SetFacts> {
    (0..100).map(|day| set(day, Standing::Confirmed)).collect()
}

#[test]
fn with_right_clocks_the_rules_keep_what_they_say_and_nothing_else() {
    let sets = daily();
    let rules = RetentionRules {
        last: 3,
        ..RetentionRules::default()
    };
    assert_eq!(kept(rules, &sets), ["day-097", "day-098", "day-099"]);
    let rules = RetentionRules {
        days: 4,
        ..RetentionRules::default()
    };
    assert_eq!(kept(rules, &sets).len(), 5);
    let rules = RetentionRules {
        weekly: 3,
        ..RetentionRules::default()
    };
    // Sunday of two weeks, and the newest.
    assert_eq!(kept(rules, &sets), ["day-091", "day-098", "day-099"]);
    let rules = RetentionRules {
        monthly: 3,
        ..RetentionRules::default()
    };
    assert_eq!(kept(rules, &sets), ["day-060", "day-091", "day-099"]);
}

#[test]
fn what_does_not_count_stays_while_it_may_be_the_only_copy() {
    let rules = RetentionRules {
        last: 1,
        ..RetentionRules::default()
    };
    let unconfirmed = [set(1, Standing::Demoted), set(2, Standing::Unconfirmed)];
    assert_eq!(kept(rules, &unconfirmed).len(), 2);
    let newer = [set(1, Standing::Confirmed), set(2, Standing::Demoted)];
    assert_eq!(kept(rules, &newer).len(), 2);
    let older = [set(1, Standing::Demoted), set(2, Standing::Confirmed)];
    assert_eq!(kept(rules, &older), ["day-002"]);
}

#[test]
fn nothing_goes_while_the_newest_confirmed_set_is_not_there() {
    let ours = owner("ours");
    let mut sets = daily();
    let input = RetentionInput {
        rules: RetentionRules::default(),
        owner: &ours,
        held: None,
        newest_confirmed: Some("day-099"),
        newest_proven: None,
        known: None,
        running: &BTreeSet::new(),
        begun: &BTreeSet::new(),
        longest_backup: SignedDuration::from_hours(6),
        now: None,
    };
    let removed = |sets: &[SetFacts]| {
        let decisions = decide_retention(&input, sets);
        decisions.iter().filter(|decision| decision.removed).count()
    };
    assert_eq!(removed(&sets), 99);
    sets.last_mut().unwrap().contents = SetContents::Unreadable("no JSON".to_owned());
    assert_eq!(removed(&sets), 0);
    sets.pop();
    assert_eq!(removed(&sets), 0);
}

/// A rule of so many sets of each kind.
fn rules(last: usize, days: u32, weekly: u32) -> RetentionRules {
    RetentionRules {
        last,
        days,
        weekly,
        monthly: 0,
    }
}

/// Why each of these stays or goes, as far as the cluster knows `known`.
fn why(sets: &[SetFacts], known: Option<&BTreeSet<String>>, newest: &str) -> Vec<Why> {
    why_with(sets, known, newest, None)
}

/// The same, with one that a drill has proven.
fn why_with(
    sets: &[SetFacts],
    known: Option<&BTreeSet<String>>,
    newest: &str,
    proven: Option<&str>,
) -> Vec<Why> {
    let ours = owner("ours");
    let input = RetentionInput {
        rules: rules(2, 0, 0),
        owner: &ours,
        held: None,
        newest_confirmed: Some(newest),
        newest_proven: proven,
        known,
        running: &BTreeSet::new(),
        begun: &BTreeSet::new(),
        longest_backup: SignedDuration::from_hours(6),
        now: Timestamp::from_second(BEGIN + YEAR).ok(),
    };
    let decisions = decide_retention(&input, sets).into_iter();
    decisions.map(|decision| decision.why).collect()
}

#[test]
fn what_the_cluster_never_took_neither_counts_nor_goes() {
    // Of a clone of the cluster, with the same UIDs: newer by every clock.
    let sets = [0, 1, 2, 10, 11, 12].map(|day| set(day, Standing::Confirmed));
    let known = sets[..3].iter().map(|set| set.path.clone()).collect();
    assert_eq!(
        why(&sets, Some(&known), "day-002"),
        [
            Why::Expired,
            Why::AmongLast(2),
            Why::NewestConfirmed,
            Why::NotInCluster,
            Why::NotInCluster,
            Why::NotInCluster,
        ]
    );
}

#[test]
fn the_newest_confirmed_set_never_goes_and_a_copy_is_no_second_set() {
    // By the bucket alone others are newer.
    let sets = [0, 1, 2, 3].map(|day| set(day, Standing::Confirmed));
    assert_eq!(why(&sets, None, "day-000")[0], Why::NewestConfirmed);
    let mut copied = [1, 2, 3].map(|day| set(day, Standing::Confirmed));
    copied[2].contents = copied[1].contents.clone();
    let expected = [Why::AmongLast(2), Why::NewestConfirmed, Why::Copy];
    assert_eq!(why(&copied, None, "day-002"), expected);
}

#[test]
fn the_newest_proven_set_never_goes_while_newer_ones_are_not_proven() {
    let sets = [0, 1, 2, 3].map(|day| set(day, Standing::Confirmed));
    let expected = [
        Why::NewestProven,
        Why::Expired,
        Why::AmongLast(2),
        Why::NewestConfirmed,
    ];
    assert_eq!(why_with(&sets, None, "day-003", Some("day-000")), expected);
}

#[test]
fn a_set_whose_manifest_somebody_removed_is_not_finished_off() {
    let mut sets = [1, 2].map(|day| set(day, Standing::Confirmed));
    sets[0].path = path_of(1, "ours");
    sets[0].contents = SetContents::Unfinished;
    let known = sets.iter().map(|set| set.path.clone()).collect();
    let why = |known| why(&sets, Some(known), "day-002").remove(0);
    assert_eq!(why(&known), Why::ManifestMissing);
    let only_newest = BTreeSet::from(["day-002".to_owned()]);
    assert_eq!(why(&only_newest), Why::LeftBehind);
}

#[test]
fn a_gap_or_a_wrong_clock_ends_nothing_that_the_rules_keep() {
    // Daily ones, none for 60 days, and one after that.
    let mut sets: Vec<_> = (0..30).map(|day| set(day, Standing::Confirmed)).collect();
    sets.push(set(90, Standing::Confirmed));
    assert_eq!(
        kept(rules(1, 7, 0), &sets).len(),
        7,
        "the last 7 days that have one"
    );
    assert_eq!(
        kept(rules(1, 0, 4), &sets).len(),
        4,
        "the last 4 weeks that have one"
    );
    // One whose two clocks were a year ahead.
    let last = sets.last_mut().unwrap();
    let ahead = Timestamp::from_second(BEGIN + YEAR).unwrap();
    last.stored_at = Some(ahead);
    if let SetContents::Set(record) = &mut last.contents {
        record.snapshot_time = ahead;
    }
    assert_eq!(kept(rules(1, 7, 0), &sets).len(), 7);
}
