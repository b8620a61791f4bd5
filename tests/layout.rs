//! The layout of src: which folder may use which, and no file that needs itself by way of others; and that of
//! the tests: which cases are left to `make test-all`.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Every folder and what it may use, from the bottom up: a folder uses only what stands above it in
/// this list.
const FOLDERS: &[(&str, &[&str])] = &[
    ("telemetry", &[]),
    ("api", &[]),
    ("wording", &[]),
    ("guard", &["api"]),
    ("resources", &["api"]),
    ("verdict", &["api", "wording"]),
    ("postgres", &["api", "wording"]),
    ("store", &["api", "postgres"]),
    ("agent", &["api", "wording", "verdict", "postgres", "store"]),
    ("catalog", &["api", "wording", "store"]),
    ("install", &["api", "guard", "resources"]),
    ("world", &["api", "wording", "guard", "resources"]),
    ("plan", &["api", "guard", "world"]),
    (
        "decide",
        &[
            "api",
            "wording",
            "guard",
            "resources",
            "verdict",
            "world",
            "plan",
        ],
    ),
    ("execute", &["api", "guard", "resources", "plan"]),
    ("recovery", &["world", "plan", "decide"]),
    (
        "engine",
        &[
            "api",
            "guard",
            "resources",
            "postgres",
            "world",
            "plan",
            "decide",
            "execute",
            "recovery",
        ],
    ),
    ("incident", &["api", "wording", "guard", "verdict", "world"]),
    (
        "plugin",
        &[
            "api",
            "wording",
            "guard",
            "resources",
            "postgres",
            "store",
            "catalog",
            "install",
            "world",
            "plan",
            "decide",
            "execute",
            "recovery",
            "incident",
        ],
    ),
    (
        "cli",
        &[
            "telemetry",
            "agent",
            "catalog",
            "install",
            "engine",
            "plugin",
        ],
    ),
];

/// A module: the segments of its path below the crate.
type Module = Vec<String>;

/// A source file.
struct Source {
    /// Without its tests.
    text: String,
    /// What it passes on, by name, each with its path below the crate.
    passed_on: BTreeMap<String, Module>,
}

/// All of src, without what only the tests of one file are.
struct Layout(BTreeMap<Module, Source>);

impl Layout {
    fn read(sources: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(sources);
        let mut files = Vec::new();
        rust_files(&root, &mut files);
        let sources = files.iter().filter_map(|file| {
            let module = module_of(file.strip_prefix(&root).unwrap())?;
            let text = without_tests(&fs::read_to_string(file).unwrap());
            let passed_on = passed_on(&module, &text);
            Some((module, Source { text, passed_on }))
        });
        Self(sources.collect())
    }

    /// What a file uses, as paths below the crate.
    fn uses(&self, module: &Module) -> Vec<Module> {
        let text = &self.0[module].text;
        let starts = ["crate::", "super::"].into_iter().flat_map(|start| {
            text.match_indices(start)
                .map(|(position, _)| position)
                .filter(|position| !text[..*position].ends_with([':', '_', '$']))
        });
        let mut found = Vec::new();
        for start in starts {
            read_tree(&text[start..], &[], &mut found);
        }
        found.iter().map(|path| below(module, path)).collect()
    }

    /// The file in which something is defined, by way of those that pass it on.
    fn defines(&self, path: &Module) -> Module {
        let length = (0..=path.len())
            .rev()
            .find(|length| self.0.contains_key(&path[..*length]));
        let (module, rest) = path.split_at(length.unwrap_or_default());
        let source = self.0.get(module);
        let target = rest
            .first()
            .and_then(|name| source?.passed_on.get(name))
            .filter(|target| *target != path);
        match target {
            Some(target) => self.defines(target),
            None => module.to_vec(),
        }
    }

    /// Which file uses which.
    fn arrows(&self) -> BTreeSet<(Module, Module)> {
        let mut arrows = BTreeSet::new();
        for module in self.0.keys() {
            let targets = self
                .uses(module)
                .into_iter()
                .map(|path| self.defines(&path));
            arrows.extend(
                targets
                    .filter(|target| !target.is_empty() && target != module)
                    .map(|target| (module.clone(), target)),
            );
        }
        arrows
    }
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The module that a file is; none for the tests of one file.
fn module_of(file: &Path) -> Option<Module> {
    let mut module: Module = file
        .with_extension("")
        .iter()
        .map(|part| part.to_str().unwrap().to_owned())
        .collect();
    let name = module.last()?.clone();
    if name == "mod" || name == "lib" {
        module.pop();
    }
    (name != "main" && name != "tests" && !name.ends_with("_tests")).then_some(module)
}

/// The text without comments and without the module of its tests.
fn without_tests(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let lines = text[..end].lines();
    let code = lines.filter(|line| !line.trim_start().starts_with("//"));
    code.collect::<Vec<_>>().join("\n")
}

/// Reads one path, or a tree of them in braces; returns how much of the text that was.
fn read_tree(text: &str, before: &[String], found: &mut Vec<Module>) -> usize {
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    let mut path = before.to_vec();
    let mut position = 0;
    loop {
        let rest = &text[position..];
        if rest.starts_with('{') {
            position += 1;
            while !text[position..].starts_with('}') {
                let rest = &text[position..];
                if rest.starts_with("as ") {
                    position += rest.find([',', '}']).unwrap();
                } else if rest.starts_with(|character| is_name(character) || character == '{') {
                    position += read_tree(rest, &path, found);
                } else {
                    position += rest.chars().next().map_or(1, char::len_utf8);
                }
            }
            return position + 1;
        }
        let length = rest.find(|character| !is_name(character));
        let (name, after) = rest.split_at(length.unwrap_or(rest.len()));
        if !name.is_empty() {
            path.push(name.to_owned());
        }
        position += name.len();
        if !after.starts_with("::") {
            found.push(path);
            return position;
        }
        position += 2;
    }
}

/// The path below the crate of what a module names.
fn below(module: &Module, path: &[String]) -> Module {
    let mut absolute = module.clone();
    for name in path {
        match name.as_str() {
            "crate" => absolute.clear(),
            "super" => drop(absolute.pop()),
            "self" => {}
            _ => absolute.push(name.clone()),
        }
    }
    absolute
}

/// What a module passes on.
fn passed_on(module: &Module, text: &str) -> BTreeMap<String, Module> {
    let mut found = Vec::new();
    for visibility in ["\npub use ", "\npub(crate) use "] {
        for (position, start) in text.match_indices(visibility) {
            read_tree(&text[position + start.len()..], &[], &mut found);
        }
    }
    let named = found.into_iter().filter_map(|path| {
        let name = path.last()?.clone();
        Some((name, below(module, &path)))
    });
    named.collect()
}

fn say(module: &Module) -> String {
    module.join("::")
}

#[test]
fn folders_use_only_what_stands_below_them() {
    let layout = Layout::read("src");
    let allowed: BTreeMap<&str, &[&str]> = FOLDERS.iter().copied().collect();
    for (position, (folder, uses)) in FOLDERS.iter().enumerate() {
        let earlier = &FOLDERS[..position];
        let is_earlier = |used: &&&str| !earlier.iter().any(|(folder, _)| *folder == **used);
        let later: Vec<_> = uses.iter().filter(is_earlier).collect();
        assert!(
            later.is_empty(),
            "{folder} may not use what stands below it in the list: {later:?}"
        );
    }
    let mut wrong = BTreeSet::new();
    for module in layout.0.keys() {
        let Some(folder) = module.first().filter(|folder| *folder != "scenarios") else {
            continue;
        };
        let Some(may_use) = allowed.get(folder.as_str()) else {
            wrong.insert(format!(
                "{folder} is not in the list of folders of this test"
            ));
            continue;
        };
        for path in layout.uses(module) {
            let used = path.first().map_or("", String::as_str);
            if used != folder && allowed.contains_key(used) && !may_use.contains(&used) {
                wrong.insert(format!("{} uses {}", say(module), say(&path)));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "a type goes down to where both sides see it:\n{}",
        wrong.into_iter().collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn no_file_needs_itself_by_way_of_others() {
    for (sources, least) in [("src", 300), ("testbed/src", 60), ("bench/src", 5)] {
        let arrows = Layout::read(sources).arrows();
        assert!(arrows.len() > least, "arrows were read: {}", arrows.len());
        assert_no_circle(arrows);
    }
}

fn assert_no_circle(mut arrows: BTreeSet<(Module, Module)>) {
    // What nothing leads to, or what leads to nothing, is in no circle.
    loop {
        let from: BTreeSet<Module> = arrows.iter().map(|(from, _)| from.clone()).collect();
        let to: BTreeSet<Module> = arrows.iter().map(|(_, to)| to.clone()).collect();
        let before = arrows.len();
        arrows.retain(|(source, target)| to.contains(source) && from.contains(target));
        if arrows.len() == before {
            break;
        }
    }
    let circles = arrows
        .iter()
        .map(|(from, to)| format!("{} uses {}", say(from), say(to)));
    assert!(
        arrows.is_empty(),
        "a circle: what both sides need belongs in a file that uses neither:\n{}",
        circles.collect::<Vec<_>>().join("\n")
    );
}

/// A case that was renamed would be run again without a word, and one that is gone would be thought to be there.
#[test]
fn every_case_that_is_left_to_test_all_exists() {
    let configuration = fs::read_to_string(".config/nextest.toml").unwrap();
    let named = configuration.split("test(=").skip(1);
    let mut cases = 0;
    for name in named.filter_map(|rest| rest.split_once(')')) {
        let (module, case) = name.0.rsplit_once("::").unwrap();
        let path = format!("tests/e2e/{}.rs", module.replace("::", "/"));
        let source = fs::read_to_string(&path).unwrap_or_default();
        assert!(source.contains(&format!("fn {case}()")), "{}", name.0);
        cases += 1;
    }
    assert!(cases > 0);
}

#[test]
fn paths_are_read_as_the_compiler_reads_them() {
    let mut found = Vec::new();
    read_tree("super::{a::{B, c::D as E}, f}; rest", &[], &mut found);
    let from = vec!["folder".to_owned(), "file".to_owned()];
    let said: Vec<String> = found.iter().map(|path| say(&below(&from, path))).collect();
    assert_eq!(said, ["folder::a::B", "folder::a::c::D", "folder::f"]);
}
