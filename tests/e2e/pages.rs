//! The tables of `docs/guard.md` and `docs/detection.md`, and the commands of `docs/runbooks`, promise what
//! `tests/documented.md` names the tests of: every row and command has its tests there, every entry there is
//! one, every test exists, and every command is typed in a test of its. Needs no cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use crate::support::Page;

/// Which tests show what is promised, by page and row.
const DOCUMENTED: &str = "tests/documented.md";

/// How a test begins that needs no cluster.
const ASYNC_TEST: &[&str] = &[
    "#[tokio::test]\nasync fn",
    "#[tokio::test(flavor = \"multi_thread\")]\nasync fn",
];

#[test]
fn every_way_of_losing_data_has_its_tests() {
    assert_documented("docs/guard.md", &["refused by", "what is done"]);
}

#[test]
fn everything_that_can_happen_to_data_has_its_tests() {
    assert_documented(
        "docs/detection.md",
        &["what Holdfast says", "with Holdfast"],
    );
}

#[test]
fn every_test_that_is_named_exists() {
    let text = read(DOCUMENTED);
    let named = tests_in(&text);
    assert!(named.len() > 50, "{named:?}");
    for test in named {
        let (_, name) = test.rsplit_once("::").expect("a module and a name");
        let (path, heads) = file_of(test);
        let text = read(&path);
        let is_there = |head: &&str| text.contains(&format!("{head} {name}()"));
        assert!(heads.iter().any(is_there), "{test} is not in {path}");
    }
}

/// A page whose commands one test types all, in order.
const WHOLE: &str = "every command";

#[test]
fn every_command_of_a_runbook_is_typed_by_a_test() {
    let text = read(DOCUMENTED);
    let pages = runbooks();
    assert!(pages.len() >= 8, "{pages:?}");
    for path in pages {
        let commands: BTreeSet<String> = Page::read(&path).commands().into_iter().collect();
        assert!(!commands.is_empty(), "{path} has no command");
        let tests = tests_by_entry(&text, &path);
        let typed_in = |entry: &str, wanted: &str| {
            let tests = tests.get(entry);
            let tests = tests.unwrap_or_else(|| panic!("{DOCUMENTED}: {path}: no test: {entry}"));
            let literal = format!("\"{wanted}\"");
            let is_typed = |test: &&String| read(&file_of(test).0).contains(&literal);
            assert!(
                tests.iter().any(|test| is_typed(&test)),
                "{path}: no test of {tests:?} types: {wanted}"
            );
        };
        if tests.contains_key(WHOLE) {
            typed_in(WHOLE, &path);
            assert_eq!(tests.len(), 1, "{path}: {tests:?}");
            continue;
        }
        for command in &commands {
            typed_in(&format!("`{command}`"), command);
        }
        assert_eq!(tests.len(), commands.len(), "{path}: {tests:#?}");
    }
}

/// The pages of `docs/runbooks`.
fn runbooks() -> Vec<String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let entries = fs::read_dir(root.join("docs/runbooks")).expect("the runbooks");
    let names = entries.map(|entry| entry.expect("a file").file_name());
    let mut pages: Vec<String> = names
        .map(|name| format!("docs/runbooks/{}", name.to_string_lossy()))
        .collect();
    pages.sort();
    pages
}

/// The file of a test, and how a test begins there.
fn file_of(test: &str) -> (String, &'static [&'static str]) {
    let (module, _) = test.rsplit_once("::").expect("a module and a name");
    // What happens inside the server needs no cluster, and what the real program writes into one in memory
    // none either.
    let (directory, module, heads) = if let Some(module) = module.strip_prefix("agent::") {
        ("tests/agent", module, ASYNC_TEST)
    } else if let Some(module) = module.strip_prefix("scenarios::") {
        ("src/scenarios", module, ASYNC_TEST)
    } else {
        ("tests/e2e", module, &["#[test]\nfn"][..])
    };
    let path = format!("{directory}/{}.rs", module.replace("::", "/"));
    (path, heads)
}

/// Asserts that the rows of the page's tables whose second column is headed by one of `heads` are
/// those that have tests.
fn assert_documented(page: &str, heads: &[&str]) {
    let promised: BTreeSet<String> = rows(&read(page), heads).into_iter().collect();
    assert!(promised.len() > 20, "{promised:?}");
    let documented = entries(&read(DOCUMENTED), page);
    for (row, tests) in &documented {
        assert!(*tests > 0, "{DOCUMENTED}: no test: {row}");
    }
    let documented: BTreeSet<String> = documented.into_keys().collect();
    let untested: Vec<_> = promised.difference(&documented).collect();
    let unpromised: Vec<_> = documented.difference(&promised).collect();
    assert!(
        untested.is_empty() && unpromised.is_empty(),
        "{page}: rows without an entry in {DOCUMENTED}: {untested:#?}\nentries without a row: \
         {unpromised:#?}"
    );
}

/// The first cells of the tables that are meant.
fn rows(page: &str, heads: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_meant = false;
    let mut is_inside = false;
    for line in page.lines() {
        if !line.starts_with('|') {
            is_inside = false;
            continue;
        }
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let first = cells.next().unwrap_or_default();
        if !is_inside {
            is_inside = true;
            is_meant = cells.next().is_some_and(|second| heads.contains(&second));
        } else if is_meant && !first.starts_with("---") {
            found.push(first.to_owned());
        }
    }
    found
}

/// How many tests each row of a page has.
fn entries(text: &str, page: &str) -> BTreeMap<String, usize> {
    let tests = tests_by_entry(text, page).into_iter();
    tests.map(|(row, tests)| (row, tests.len())).collect()
}

/// The tests of each row or command of a page.
fn tests_by_entry(text: &str, page: &str) -> BTreeMap<String, Vec<String>> {
    let section = text
        .split("\n## ")
        .find_map(|section| section.strip_prefix(page))
        .unwrap_or_else(|| panic!("{DOCUMENTED} has no section {page}"));
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut row = None;
    for line in section.lines() {
        if let Some(name) = line.strip_prefix("- ") {
            found.insert(name.to_owned(), Vec::new());
            row = Some(name);
        } else if let Some(row) = row {
            let tests = tests_in(line).into_iter().map(ToOwned::to_owned);
            found.entry(row.to_owned()).or_default().extend(tests);
        }
    }
    found
}

fn read(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What stands between backticks and is a path to a test.
fn tests_in(text: &str) -> Vec<&str> {
    let is_test = |quoted: &&str| {
        quoted.contains("::")
            && quoted
                .chars()
                .all(|one| one.is_ascii_lowercase() || "_:".contains(one))
    };
    text.split('`').skip(1).step_by(2).filter(is_test).collect()
}
