//! The paths that rows name, compared with the files that are there, in bounded memory: of each
//! path a digest is kept. Pure.

use std::collections::{BTreeSet, HashMap};

use sha2::{Digest, Sha256};

use crate::api::FILE_NAME_LIMIT;

/// The longest name that is reported, in bytes.
const NAME_LIMIT: usize = 160;
/// Bytes of a digest that are kept.
const DIGEST_LENGTH: usize = 16;

/// What is known of a path that rows name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// A row names it, and no file was seen yet.
    Named,
    /// There is a file.
    Found,
    /// There is none.
    Missing,
    /// It could not be seen whether there is one.
    Unseen,
}

/// The different paths that rows name.
#[derive(Debug, Default)]
pub struct NamedPaths {
    prefix: Vec<u8>,
    paths: HashMap<[u8; DIGEST_LENGTH], Known>,
}

impl NamedPaths {
    /// No paths yet; `prefix` is removed from the front of each.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.as_bytes().to_vec(),
            paths: HashMap::new(),
        }
    }

    /// Takes note of a path that a row names.
    pub fn insert(&mut self, path: &[u8]) {
        self.paths.entry(self.key(path)).or_insert(Known::Named);
    }

    /// Takes note of a file, by its path below the root. Says whether a row names it.
    pub fn find(&mut self, relative: &[u8]) -> bool {
        let known = self.paths.get_mut(&digest(true, relative));
        known.map(|known| *known = Known::Found).is_some()
    }

    /// Where a path leads below the root, while no file was found for it. `None` when there is
    /// nothing left to see.
    #[must_use]
    pub fn unfound(&self, path: &[u8]) -> Option<PathTarget> {
        (self.paths.get(&self.key(path)) == Some(&Known::Named))
            .then(|| target_of(path, &self.prefix))
    }

    /// Takes note of what was seen of a path later.
    pub fn settle(&mut self, path: &[u8], known: Known) {
        self.paths.insert(self.key(path), known);
    }

    /// How many different paths there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.paths.len()
    }

    /// Of how many of them this is known.
    #[must_use]
    pub fn count_known(&self, known: Known) -> usize {
        self.paths
            .values()
            .filter(|candidate| **candidate == known)
            .count()
    }

    fn key(&self, path: &[u8]) -> [u8; DIGEST_LENGTH] {
        match target_of(path, &self.prefix) {
            PathTarget::Below(relative) => digest(true, &relative),
            PathTarget::Outside => digest(false, path),
        }
    }
}

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathTarget {
    /// Below the root; empty for the root itself.
    Below(Vec<u8>),
    /// It has a `..`, which is never followed.
    Outside,
}

/// Where a path of a row leads, without the prefix. Slashes only part names: a leading one, a
/// doubled one and `./` say nothing.
#[must_use]
pub fn target_of(path: &[u8], prefix: &[u8]) -> PathTarget {
    let names: Vec<&[u8]> = components(path).collect();
    let before: Vec<&[u8]> = components(prefix).collect();
    let below = names.strip_prefix(before.as_slice()).unwrap_or(&names);
    if below.contains(&b"..".as_slice()) {
        PathTarget::Outside
    } else {
        PathTarget::Below(below.join(&b'/'))
    }
}

/// The names that a path consists of.
pub fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty() && *name != b".")
}

fn digest(is_below: bool, path: &[u8]) -> [u8; DIGEST_LENGTH] {
    let mut digest = Sha256::new();
    digest.update([u8::from(is_below)]);
    digest.update(path);
    let mut short = [0; DIGEST_LENGTH];
    short.copy_from_slice(&digest.finalize()[..DIGEST_LENGTH]);
    short
}

/// The first names in their order, as many as are reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirstNames(BTreeSet<Vec<u8>>);

impl FirstNames {
    /// Takes a name if it is among the first.
    pub fn insert(&mut self, name: &[u8]) {
        if self.0.len() < FILE_NAME_LIMIT
            || self.0.last().is_some_and(|last| name < last.as_slice())
        {
            self.0.insert(name.to_vec());
        }
        if self.0.len() > FILE_NAME_LIMIT {
            self.0.pop_last();
        }
    }

    /// The names as they are reported.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        self.0.iter().map(|name| tell(name)).collect()
    }
}

/// A name as it is reported: whoever chose it can neither end the line, nor turn the direction of
/// the text, nor fill the page.
#[must_use]
pub fn tell(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' | '\'' => text.push(character),
                _ => text.extend(character.escape_debug()),
            }
        }
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
        if text.len() > NAME_LIMIT {
            text.truncate(text.floor_char_boundary(NAME_LIMIT));
            text.push('…');
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn below(path: &str) -> PathTarget {
        PathTarget::Below(path.as_bytes().to_vec())
    }

    #[test]
    fn a_path_starts_from_the_root_however_it_is_written() {
        let prefix = "/app/data/trend_examples/";
        for path in [
            "/app/data/trend_examples/a/b.png",
            "app/data/trend_examples/a/b.png",
            "a/b.png",
            "/a/b.png",
            ".//a/./b.png",
            "a/b.png/",
        ] {
            assert_eq!(
                target_of(path.as_bytes(), prefix.as_bytes()),
                below("a/b.png"),
                "{path}"
            );
        }
    }

    #[test]
    fn a_prefix_is_taken_off_once_and_only_whole_names_of_it() {
        assert_eq!(target_of(b"/data/data/a", b"/data"), below("data/a"));
        assert_eq!(target_of(b"/database/a", b"/data"), below("database/a"));
        assert_eq!(target_of(b"/data", b"/data"), below(""));
        assert_eq!(target_of(b"b/data/a", b"/data"), below("b/data/a"));
        assert_eq!(target_of(b"a", b""), below("a"));
    }

    #[test]
    fn two_dots_lead_nowhere_also_where_they_would_stay_inside() {
        for path in ["..", "../../etc/passwd", "a/../b", "/data/../a", "a/.."] {
            assert_eq!(
                target_of(path.as_bytes(), b"/data"),
                PathTarget::Outside,
                "{path}"
            );
        }
        assert_eq!(target_of(b"..a/b..", b""), below("..a/b.."));
    }

    #[test]
    fn different_spellings_are_one_path_and_a_path_outside_is_never_found() {
        let mut named = NamedPaths::new("/app");
        for path in ["/app/a", "a", "./a", "b", "../a", "x/../b"] {
            named.insert(path.as_bytes());
        }
        assert_eq!(named.count(), 4);
        assert!(named.find(b"a") && !named.find(b"c") && !named.find(b"../a"));
        assert_eq!(named.unfound(b"/app/a"), None);
        assert_eq!(named.unfound(b"/app/b"), Some(below("b")));
        assert_eq!(named.unfound(b"../a"), Some(PathTarget::Outside));
        assert_eq!(named.unfound(b"new"), None, "no row named it at first");
        named.settle(b"b", Known::Missing);
        named.settle(b"../a", Known::Unseen);
        let known = [Known::Named, Known::Found, Known::Missing, Known::Unseen]
            .map(|known| named.count_known(known));
        assert_eq!((known, named.unfound(b"b")), ([1, 1, 1, 1], None));
    }

    #[test]
    fn the_first_names_are_those_in_order_whatever_order_they_came_in() {
        let mut names = FirstNames::default();
        for number in (0..1000).rev() {
            names.insert(format!("{number:04}").as_bytes());
        }
        let told = names.told();
        assert_eq!(
            (
                told.len(),
                told.first().map(String::as_str),
                told.last().map(String::as_str)
            ),
            (20, Some("0000"), Some("0019"))
        );
    }

    #[test]
    fn a_hostile_name_is_told_in_one_bounded_line() {
        assert_eq!(tell("Ünï 'a' \"b\".png".as_bytes()), "Ünï 'a' \"b\".png");
        assert_eq!(tell(b"a\nb\x1b[31m\\\xff"), "a\\nb\\u{1b}[31m\\\\\\xff");
        assert_eq!(tell("\u{202e}gnp.exe".as_bytes()), "\\u{202e}gnp.exe");
        for long in [
            "ж".repeat(3000).into_bytes(),
            vec![0xff; 3000],
            vec![b'\n'; 3000],
        ] {
            let told = tell(&long);
            assert!(
                told.len() <= NAME_LIMIT + 3 && told.ends_with('…'),
                "{told}"
            );
        }
    }
}
