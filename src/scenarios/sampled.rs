//! Scenarios of sets that were read whole: one that is damaged does not count any more, whatever confirmed it;
//! what could not be read demotes nothing.

use serde_json::json;

use super::catalog::reported;
use super::in_memory::Passes;
use super::render::{Scenario, plans};
use super::sample::Sample;
use super::sample_parts::known;
use crate::api::{DatabaseBackup, reasons};
use crate::decide::decide;
use crate::plan::check_plan;
use crate::world::Observed;

/// When the sets of these scenarios were read.
pub const READ_AT: &str = "2026-02-01T09:19:00Z";

/// What a look has read of these sets.
fn read(sets: &[(&str, Option<&str>)]) -> Sample {
    let read: Vec<_> = sets
        .iter()
        .map(|(name, damage)| {
            let found = json!({"time": READ_AT, "job": "catalog-1", "damage": damage});
            json!({"path": format!("atra/knowledge/{name}"), "found": found})
        })
        .collect();
    reported(json!({"sample": {"time": READ_AT, "read": read}}))
}

const DAMAGE: &str = "`dump.pgc.zst` was stored with SHA-256 aa, and has SHA-256 bb";

/// A database of whose older backup the set is damaged.
pub fn damaged() -> Sample {
    read(&[("first", Some(DAMAGE))])
}

fn unread() -> Sample {
    let unread = json!([
        {"path": "atra/knowledge/first", "why": "it could not be read: the bucket `backups` does not exist"},
        {"path": "atra/knowledge/newest", "why": "two reads of `dump.pgc.zst` differ"},
    ]);
    reported(json!({"sample": {"time": READ_AT, "unread": unread}}))
}

fn scenarios() -> Vec<Scenario> {
    vec![
        (
            "two sets are as they were stored",
            read(&[("first", None), ("newest", None)]),
        ),
        ("a set is damaged", damaged()),
        ("a set is damaged, and that is noted", {
            let mut passes = Passes::new(damaged().0);
            passes.pass();
            Sample(passes.observed)
        }),
        ("the newest set is damaged, and that is noted", {
            let mut passes = Passes::new(read(&[("newest", Some(DAMAGE))]).0);
            passes.pass();
            Sample(passes.observed)
        }),
        ("sets can't be read, or not twice the same", unread()),
        ("a set of another bucket has the path of a damaged one", {
            damaged().with(|observed| {
                let first = &mut known(&mut observed.backups)[0];
                let status = first.status.get_or_insert_default();
                status.bucket = Some("other".to_owned());
            })
        }),
    ]
}

#[test]
fn plans_about_sets_that_were_read() {
    insta::assert_snapshot!("sampled", plans(scenarios()));
}

fn backup<'a>(observed: &'a Observed, name: &str) -> &'a DatabaseBackup {
    let mut all = observed.backups.known().unwrap().iter();
    all.find(|backup| backup.metadata.name.as_deref() == Some(name))
        .unwrap()
}

#[test]
fn a_damaged_set_counts_no_more_and_the_last_good_backup_is_the_one_before() {
    let mut passes = Passes::new(read(&[("newest", Some(DAMAGE))]).0);
    assert!(backup(&passes.observed, "newest").counts());
    passes.pass();
    let newest = backup(&passes.observed, "newest").clone();
    assert!(!newest.counts());
    let status = newest.status.unwrap();
    assert_eq!(status.demoted.unwrap().reason, reasons::SET_DAMAGED);
    assert_eq!(status.last_read.unwrap().damage.as_deref(), Some(DAMAGE));
    let plan = decide(&passes.observed);
    check_plan(&passes.observed, &plan).unwrap();
    let good = plan.status.last_good_backup.map(|good| good.name);
    assert_eq!(good.as_deref(), Some("first"));
    // Noted once.
    let noted = |done: &String| done.contains("newest");
    let before = passes.done.iter().filter(|done| noted(done)).count();
    passes.pass();
    assert_eq!(
        passes.done.iter().filter(|done| noted(done)).count(),
        before
    );
}

#[test]
fn what_could_not_be_read_demotes_nothing() {
    let mut passes = Passes::new(unread().0);
    passes.pass();
    for name in ["first", "newest"] {
        assert!(backup(&passes.observed, name).counts(), "{name}");
    }
}
