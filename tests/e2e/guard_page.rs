//! The table of `docs/guard.md`: every way names its tests, and every test that the page names is there. Needs no cluster.

use std::fs;
use std::path::PathBuf;

/// The first cells of the table's head.
const HEAD: &str = "| way | what refuses it |";

#[test]
fn every_way_names_its_tests_and_every_test_is_there() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/guard.md")).expect("the page");
    for test in tests_in(&page) {
        let (module, name) = test.rsplit_once("::").expect("a module and a name");
        let path = root.join("tests/e2e").join(format!("{}.rs", module.replace("::", "/")));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(text.contains(&format!("#[test]\nfn {name}()")), "{test} is not in {}", path.display());
    }
    let rows: Vec<&str> =
        page.lines().skip_while(|line| !line.starts_with(HEAD)).skip(2).take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() > 20, "{rows:?}");
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        assert_eq!(cells.len(), 5, "{row}");
        assert!(!tests_in(cells[4]).is_empty(), "no test: {row}");
    }
}

/// What stands between backticks and is a path to a test.
fn tests_in(text: &str) -> Vec<&str> {
    let is_test = |quoted: &&str| quoted.contains("::") && quoted.chars().all(|one| one.is_ascii_lowercase() || "_:".contains(one));
    text.split('`').skip(1).step_by(2).filter(is_test).collect()
}
