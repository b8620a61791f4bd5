//! The tables of `docs/guard.md` and `docs/detection.md`: every row names its tests, and every test
//! that a page names is there. Needs no cluster.

use std::fs;
use std::path::PathBuf;

#[test]
fn every_way_of_losing_data_names_its_tests_and_every_test_is_there() {
    assert_tested("docs/guard.md", "| way | what refuses it |", 5);
}

#[test]
fn everything_that_can_happen_to_data_names_its_tests_and_every_test_is_there() {
    assert_tested("docs/detection.md", "| what happened | what is said |", 3);
}

/// Asserts that the last of so many cells of each row names a test, and that all tests of the page
/// are there.
fn assert_tested(page: &str, head: &str, cells: usize) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join(page)).expect("the page");
    for test in tests_in(&page) {
        let (module, name) = test.rsplit_once("::").expect("a module and a name");
        let path = root
            .join("tests/e2e")
            .join(format!("{}.rs", module.replace("::", "/")));
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(
            text.contains(&format!("#[test]\nfn {name}()")),
            "{test} is not in {}",
            path.display()
        );
    }
    let rows: Vec<&str> = page
        .lines()
        .skip_while(|line| !line.starts_with(head))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert!(rows.len() > 20, "{rows:?}");
    for row in rows {
        let found: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        assert_eq!(found.len(), cells, "{row}");
        assert!(!tests_in(found[cells - 1]).is_empty(), "no test: {row}");
    }
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
