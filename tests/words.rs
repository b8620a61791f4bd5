//! The words of the glossary in `CONTRIBUTING.md` are used: what is on this list of phrases is in no
//! documentation, no comment and no text of the program, and no table is too wide to read.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};

/// What is read: everything below, whatever its kind.
const READ: &[&str] = &[
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs",
    "charts",
    "crds",
    "deploy",
    "demo",
    "examples",
    "src",
    "tests/documented.md",
];

/// What is out, and what to write. `|` separates words of which one is meant, `…` stands for up to
/// four words, `?` for one that is not a preposition or the like.
const OUT: &[(&str, &str)] = &[
    ("cluster|clusters of data", "database cluster"),
    ("take|takes|taken|taking|took … off", "remove … from"),
    ("anew", "recreated, again"),
    ("all the same", "anyway, still"),
    ("is|are|was there already", "already exists"),
    ("a person", "a user, you"),
    ("room|rooms", "module, directory, space"),
    ("vouch|vouches|vouched", "not trusted"),
    ("with it|them goes|go", "would be lost"),
    ("patience", "timeout"),
    ("let|lets|letting go", "release"),
    ("let|lets ? go", "release"),
    ("is|are|was|were looked at", "is checked, is read"),
    (
        "come|comes|came|coming back",
        "is recovered, is recreated, returns",
    ),
    ("on trial", "dry-run"),
    ("ways", "what can happen, how"),
    ("way on|back", "what to do, recovery"),
    ("the way to", "the path to, how to"),
    ("tells", "says, reports"),
    ("is|are|was|were told", "is reported"),
    ("being told", "alerts"),
    ("is|are|was|were said", "is reported"),
    ("mend|mends|mended|mending", "repair, restore"),
    ("besides", "also, in addition"),
    ("as ever", "still"),
    ("to its|their end", "completely"),
    ("but for", "except"),
    ("at stake", "would be lost"),
    ("folder|folders", "directory"),
    ("rights", "permissions"),
    ("is|are|was|were away", "unavailable"),
    ("greet|greeted|greets", "treat as"),
    ("born|newborn", "new, created"),
    ("hand|hands|handed on", "pass on"),
    ("one ? a ?", "one … per …"),
    ("people ask|asked of", "what users ask for"),
];

/// Words after which `?` is not a thing that is counted.
const SMALL: &[&str] = &[
    "a", "an", "and", "any", "are", "as", "at", "before", "but", "by", "can", "for", "from", "has",
    "in", "into", "is", "needs", "nor", "of", "on", "or", "than", "that", "the", "to", "was",
    "when", "where", "which", "while", "who", "whose", "with", "without",
];

/// Where a phrase is needed, and why: file, phrase, reason.
const ALLOWED: &[(&str, &str, &str)] = &[];

/// A line of a table that is wider than this does not fit a laptop.
const TABLE_WIDTH: usize = 120;

#[test]
fn no_text_has_words_that_are_out() {
    let mut found = Vec::new();
    let mut needed = vec![false; ALLOWED.len()];
    for path in texts() {
        let words = words(&read(&path));
        for (phrase, instead) in OUT {
            for (line, text) in occurrences(&words, phrase) {
                let is_allowed = |(file, allowed, _): &(&str, &str, &str)| {
                    path.starts_with(file) && allowed == phrase
                };
                match ALLOWED.iter().position(is_allowed) {
                    Some(exception) => needed[exception] = true,
                    None => found.push(format!(
                        "{}:{line}: `{text}`: write {instead}",
                        path.display()
                    )),
                }
            }
        }
    }
    assert!(found.is_empty(), "{}:\n{}", found.len(), found.join("\n"));
    for ((file, phrase, _), needed) in ALLOWED.iter().zip(needed) {
        assert!(needed, "{file} has no `{phrase}`: remove the exception");
    }
}

#[test]
fn what_is_out_would_be_found() {
    let finds = |text: &str, phrase: &str| !occurrences(&words(text), phrase).is_empty();
    let off = "take|takes … off";
    assert!(finds("It takes the marks\n/// of claims off again", off));
    assert!(finds("\"it takes \\\n    it off\"", off));
    assert!(!finds("It takes the marks. Off it goes", off));
    assert!(!finds("it takes one two three four five off", off));
    assert!(finds("one row a room", "one ? a ?"));
    assert!(!finds("one with a room", "one ? a ?"));
    assert!(!finds("a_person, people", "a person"));
}

#[test]
fn every_table_fits_a_laptop() {
    let mut found = Vec::new();
    for path in texts() {
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        for (number, line) in read(&path).lines().enumerate() {
            let width = line.chars().count();
            if line.starts_with('|') && width > TABLE_WIDTH {
                found.push(format!(
                    "{}:{}: {width} columns",
                    path.display(),
                    number + 1
                ));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The files that are read, relative to the root.
fn texts() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for start in READ {
        let before = files.len();
        collect(&root.join(start), &mut files);
        assert!(files.len() > before, "{start} has no files");
    }
    files
        .into_iter()
        .map(|file| file.strip_prefix(root).unwrap().to_owned())
        .collect()
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            collect(&entry.unwrap().path(), files);
        }
    } else if path.extension().is_none_or(|extension| extension != "snap") {
        files.push(path.to_owned());
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The words of a text in lower case, each with its line. What ends a sentence or a cell is a word
/// of its own; the signs of comments and of lines that go on are none.
fn words(text: &str) -> Vec<(String, usize)> {
    let mut words = Vec::new();
    // The path of a test or an item is one word.
    for (number, line) in text.replace("::", "__").lines().enumerate() {
        let trimmed = line.trim_start();
        if trimmed.is_empty() {
            words.push((".".to_owned(), number + 1));
        }
        let mut word = String::new();
        for character in line.to_lowercase().chars().chain([' ']) {
            if character.is_alphanumeric() || "_-'’".contains(character) {
                word.push(character);
                continue;
            }
            if word.chars().any(char::is_alphanumeric) {
                words.push((word.clone(), number + 1));
            }
            word.clear();
            if ".;:|()\"{}".contains(character) {
                words.push((character.to_string(), number + 1));
            }
        }
    }
    words
}

/// Where a phrase is: the line, and the words that are it.
fn occurrences(words: &[(String, usize)], phrase: &str) -> Vec<(usize, String)> {
    let parts: Vec<Vec<&str>> = phrase
        .split(' ')
        .map(|part| part.split('|').collect())
        .collect();
    let found = (0..words.len()).filter_map(|start| {
        let length = length_of(&words[start..], &parts)?;
        let text: Vec<&str> = words[start..start + length]
            .iter()
            .map(|(word, _)| word.as_str())
            .collect();
        Some((words[start].1, text.join(" ")))
    });
    found.collect()
}

/// How many words from the first on are the phrase.
fn length_of(words: &[(String, usize)], parts: &[Vec<&str>]) -> Option<usize> {
    let Some((part, rest)) = parts.split_first() else {
        return Some(0);
    };
    let is_word = |word: &str| word.chars().any(char::is_alphanumeric);
    if part[0] == "…" {
        return (1..=4)
            .take_while(|gap| words.get(gap - 1).is_some_and(|(word, _)| is_word(word)))
            .find_map(|gap| Some(gap + length_of(words.get(gap..)?, rest)?));
    }
    let (word, _) = words.first()?;
    let fits = match part[0] {
        "?" => is_word(word) && !SMALL.contains(&word.as_str()),
        _ => part.contains(&word.as_str()),
    };
    if !fits {
        return None;
    }
    Some(1 + length_of(&words[1..], rest)?)
}
