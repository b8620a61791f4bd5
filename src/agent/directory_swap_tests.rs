//! Tests of the swap: ended after each step and begun again, and on file systems that can't do all at once.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Mutex;

use super::*;

const UID: &str = "11111111-2222-3333-4444-555555555555";
const TREE: &str = ".holdfast-restore-11111111";

/// Every path below a directory with its content.
fn content(directory: &std::path::Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(relative) = waiting.pop() {
        for entry in fs::read_dir(directory.join(&relative)).unwrap() {
            let name = relative.join(entry.unwrap().file_name());
            let at = directory.join(&name);
            if at.is_dir() {
                waiting.push(name);
            } else {
                found.insert(name.display().to_string(), fs::read_to_string(at).unwrap());
            }
        }
    }
    found
}

struct Claim(tempfile::TempDir);

impl Claim {
    /// With these files, and these unpacked.
    fn new(files: &[&str], unpacked: &[&str]) -> Self {
        let claim = Self(tempfile::tempdir().unwrap());
        for (names, below, content) in [(files, "", "old"), (unpacked, TREE, "new")] {
            fs::create_dir_all(claim.0.path().join(below)).unwrap();
            for name in names {
                let at = claim.0.path().join(below).join(name);
                fs::create_dir_all(at.parent().unwrap()).unwrap();
                fs::write(at, content).unwrap();
            }
        }
        claim
    }

    fn place(&self, path: &str) -> ClaimPlace {
        ClaimPlace::open(self.0.path(), path, UID).unwrap()
    }

    fn announced(&self, path: &str) -> PlaceState {
        let place = self.place(path);
        let mut state = PlaceState {
            restore: UID.to_owned(),
            name: place.name.as_ref().map(hex::encode).unwrap_or_default(),
            new: None,
            before: Vec::new(),
            after: Vec::new(),
        };
        announce(&place, &mut state).unwrap();
        state
    }

    fn content(&self) -> BTreeMap<String, String> {
        let mut content = content(self.0.path());
        content.remove(&format!("{TREE}.json"));
        content
    }
}

fn of(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = files.iter();
    pairs
        .map(|(name, content)| ((*name).to_owned(), (*content).to_owned()))
        .collect()
}

/// Counts the steps and ends after one of them, as if the process was killed.
fn killed_at(
    number: usize,
    seen: &Mutex<Vec<FilesStep>>,
) -> impl Fn(FilesStep) -> Result<(), Error> + Send + Sync {
    move |step| {
        let mut seen = seen.lock().unwrap();
        seen.push(step);
        if seen.len() > number {
            return Err(Error::from(ErrorKind::Interrupted));
        }
        Ok(())
    }
}

/// Kills it after each step in turn, looks at what a reader sees then, and lets the next start go on.
fn kill_everywhere(
    make: impl Fn() -> Claim,
    path: &str,
    look: impl Fn(&Claim),
    end: &BTreeMap<String, String>,
) -> usize {
    for number in 0.. {
        let (claim, seen) = (make(), Mutex::default());
        let state = claim.announced(path);
        let ended = swap(&claim.place(path), &state, &killed_at(number, &seen));
        look(&claim);
        let place = claim.place(path);
        let state = place.read_state().unwrap().unwrap();
        // The next start, and one after that which finds all done.
        for _ in 0..2 {
            swap(&place, &state, &|_| Ok(())).unwrap();
        }
        assert_eq!(
            &claim.content(),
            end,
            "killed after {:?}",
            seen.lock().unwrap()
        );
        if ended.is_ok() {
            return number;
        }
    }
    unreachable!()
}

#[test]
fn the_name_leads_to_the_old_or_the_new_directory_wherever_it_is_killed() {
    let make = || Claim::new(&["images/a", "images/b", "other"], &["a", "c/d"]);
    let look = |claim: &Claim| {
        let now = content(&claim.0.path().join("images"));
        let (old, new) = (
            of(&[("a", "old"), ("b", "old")]),
            of(&[("a", "new"), ("c/d", "new")]),
        );
        assert!(now == old || now == new, "{now:?}");
    };
    let end = of(&[
        ("images.before-restore-11111111/a", "old"),
        ("images.before-restore-11111111/b", "old"),
        ("images/a", "new"),
        ("images/c/d", "new"),
        ("other", "old"),
    ]);
    assert_eq!(kill_everywhere(make, "images", look, &end), 3);
}

#[test]
fn what_was_not_there_is_there_afterwards_and_nothing_is_kept() {
    let end = of(&[("images/a", "new"), ("other", "old")]);
    kill_everywhere(|| Claim::new(&["other"], &["a"]), "images", |_| (), &end);
}

#[test]
fn every_entry_of_a_claim_is_old_or_new_and_none_is_lost_wherever_it_is_killed() {
    let make = || Claim::new(&["a", "b/x", "c", "lost+found/f"], &["a", "b/y", "d"]);
    let look = |claim: &Claim| {
        let now = claim.content();
        for (name, wanted) in [("a", 2), ("b/x", 1), ("b/y", 1), ("c", 1), ("d", 1)] {
            let places = [
                "",
                ".holdfast-before-restore-11111111/",
                ".holdfast-restore-11111111/",
            ];
            let found = places
                .iter()
                .filter(|place| now.contains_key(&format!("{place}{name}")));
            assert_eq!(found.count(), wanted, "{name}: {now:?}");
        }
    };
    let kept = |name| format!(".holdfast-before-restore-11111111/{name}");
    let (a, b, c) = (kept("a"), kept("b/x"), kept("c"));
    let end = of(&[
        (&a, "old"),
        (&b, "old"),
        (&c, "old"),
        ("a", "new"),
        ("b/y", "new"),
        ("d", "new"),
        ("lost+found/f", "old"),
    ]);
    assert_eq!(kill_everywhere(make, "", look, &end), 7);
}

#[test]
fn without_an_exchange_of_names_the_next_start_gives_the_name_back() {
    for killed in [true, false] {
        let claim = Claim::new(&["images/a"], &["a"]);
        let (state, place) = (claim.announced("images"), claim.place("images"));
        let after = |_| {
            if killed {
                Err(Error::from(ErrorKind::Interrupted))
            } else {
                Ok(())
            }
        };
        assert_eq!(take_apart(&place, b"images", &after).is_err(), killed);
        assert!(
            !is_as_before(&place, &state),
            "what was unpacked must not go"
        );
        swap(&place, &state, &|_| Ok(())).unwrap();
        let end = of(&[
            ("images.before-restore-11111111/a", "old"),
            ("images/a", "new"),
        ]);
        assert_eq!(claim.content(), end);
    }
    // What was unpacked is gone in between: the old one gets its name back.
    let claim = Claim::new(&["images/a"], &["a"]);
    let (_, place) = (claim.announced("images"), claim.place("images"));
    let tree = claim.0.path().join(TREE);
    let after = |_| fs::remove_dir_all(&tree);
    take_apart(&place, b"images", &after).unwrap_err();
    assert_eq!(claim.content(), of(&[("images/a", "old")]));
}

#[test]
fn what_appears_meanwhile_is_neither_replaced_nor_lost_and_everything_goes_back() {
    let claim = Claim::new(&["a", "b"], &["a", "c", "d"]);
    let (state, place) = (claim.announced(""), claim.place(""));
    let before = claim.content();
    let root = claim.0.path().to_owned();
    let after = |step| {
        if step == FilesStep::EntryMoved {
            fs::write(root.join("d"), "another's")?;
        }
        Ok(())
    };
    let why = swap(&place, &state, &after).unwrap_err().to_string();
    assert!(
        why.contains("d could not be moved") && why.contains("where it was"),
        "{why}"
    );
    // What had a name for a moment may have been written to: it is kept, and nothing removes it.
    assert_eq!(place.read_state().unwrap(), None);
    let kept = |name: &str| name.replace(TREE, ".holdfast-not-restored-11111111");
    let mut end: BTreeMap<String, String> = before
        .into_iter()
        .map(|(name, content)| (kept(&name), content))
        .collect();
    end.insert("d".to_owned(), "another's".to_owned());
    assert_eq!(claim.content(), end);
}

#[test]
fn a_name_that_is_taken_a_file_and_a_tree_that_is_gone_change_nothing() {
    let claim = Claim::new(&["images/a", "images.before-restore-11111111/x"], &["a"]);
    let why = look_ahead(&claim.place("images")).unwrap_err().to_string();
    assert!(
        why.contains("images.before-restore-11111111 is taken"),
        "{why}"
    );
    let claim = Claim::new(&["images"], &["a"]);
    let why = look_ahead(&claim.place("images")).unwrap_err().to_string();
    assert!(why.contains("no directory"), "{why}");
    let claim = Claim::new(&["images/a"], &["a"]);
    let (state, place) = (claim.announced("images"), claim.place("images"));
    fs::remove_dir_all(claim.0.path().join(TREE)).unwrap();
    let why = swap(&place, &state, &|_| Ok(())).unwrap_err().to_string();
    assert!(why.contains("not there any more"), "{why}");
    assert_eq!(claim.content(), of(&[("images/a", "old")]));
}

#[test]
fn a_directory_that_may_not_be_written_to_is_moved_and_stays_so() {
    let claim = Claim::new(&["b/x"], &["a/y"]);
    for closed in ["b", &format!("{TREE}/a")] {
        let at = claim.0.path().join(closed);
        fs::set_permissions(at, fs::Permissions::from_mode(0o555)).unwrap();
    }
    let state = claim.announced("");
    swap(&claim.place(""), &state, &|_| Ok(())).unwrap();
    for closed in ["a", ".holdfast-before-restore-11111111/b"] {
        let found = fs::metadata(claim.0.path().join(closed)).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, 0o555);
    }
}

#[test]
fn an_empty_claim_gets_everything_and_keeps_nothing() {
    let end = of(&[("a", "new"), ("b/c", "new")]);
    let look = |claim: &Claim| {
        let (state, place) = (claim.place("").read_state(), claim.place(""));
        let state = state.unwrap().unwrap();
        let moved = claim
            .content()
            .keys()
            .any(|name| !name.starts_with(".holdfast-"));
        assert!(
            !moved || !is_as_before(&place, &state),
            "what was unpacked must not go"
        );
    };
    kill_everywhere(|| Claim::new(&[], &["a", "b/c"]), "", look, &end);
}

#[test]
fn an_old_entry_that_went_by_itself_takes_no_new_one_along() {
    let claim = Claim::new(&["a", "b"], &["a", "b"]);
    let (state, place) = (claim.announced(""), claim.place(""));
    fs::remove_file(claim.0.path().join("a")).unwrap();
    let seen = Mutex::default();
    swap(&place, &state, &killed_at(0, &seen)).unwrap_err();
    assert_eq!(claim.content()["a"], "new", "{seen:?}");
    swap(&place, &state, &|_| Ok(())).unwrap();
    let end = of(&[
        (".holdfast-before-restore-11111111/b", "old"),
        ("a", "new"),
        ("b", "new"),
    ]);
    assert_eq!(claim.content(), end);
}
