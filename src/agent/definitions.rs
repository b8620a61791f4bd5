//! Whether the definitions in a restored database are those of the dump that it was restored from. Pure.
//!
//! Postgres writes an expression again from what it has understood of it. Restored and dumped once more, the
//! same expression may have other parentheses and casts, so these are left out where two texts differ.

use std::collections::{BTreeMap, BTreeSet};

use crate::postgres::ContentsEntry;
use crate::wording::quoted;

/// The longest name that is quoted in a message.
const SHOWN: usize = 120;
/// What has no definition, is compared elsewhere, or is not restored.
const LEFT_OUT: [&str; 8] = [
    "TABLE DATA",
    "BLOBS",
    "BLOB DATA",
    "STATISTICS DATA",
    "SUBSCRIPTION",
    "SUBSCRIPTION TABLE",
    "DATABASE",
    "DATABASE PROPERTIES",
];
/// What hangs on these is left out, too.
const LEFT_OUT_OWNERS: [&str; 2] = ["DATABASE ", "SUBSCRIPTION "];
const SEQUENCE_SET: &str = "SEQUENCE SET";
/// Definitions whose lines may come in another order.
const LINES_IN_ANY_ORDER: [&str; 3] = ["TABLE", "ACL", "DEFAULT ACL"];
/// Definitions whose words may: `pg_dump` lists the roles of a policy in the order of their object ids.
const WORDS_IN_ANY_ORDER: &str = "POLICY";

/// What differs, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definitions {
    pub schema: Vec<String>,
    pub sequences: Vec<String>,
}

/// What an entry is about: kind, schema and name.
type Key<'a> = (&'a str, &'a str, &'a str);
/// Owner and definition.
type Definition<'a> = (&'a str, &'a str);

/// Compares two tables of contents. `missing` are the entries of the first that could not be restored and are
/// reported as that: what is there of them is not compared.
#[must_use]
pub fn compare_definitions(
    dumped: &[ContentsEntry],
    again: &[ContentsEntry],
    missing: &BTreeSet<i64>,
) -> Definitions {
    let (mut before, mut after) = (by_key(dumped), by_key(again));
    for entry in dumped
        .iter()
        .filter(|entry| missing.contains(&entry.dump_id))
    {
        before.remove(&key_of(entry));
        after.remove(&key_of(entry));
    }
    let mut found = Definitions::default();
    for (key, definitions) in &before {
        let name = name_of(*key);
        let of_it = if key.0 == SEQUENCE_SET {
            &mut found.sequences
        } else {
            &mut found.schema
        };
        match after.get(key) {
            None => of_it.push(format!("{name} is not there")),
            Some(others) if is_same(key.0, definitions, others) => {}
            Some(_) if key.0 == SEQUENCE_SET => of_it.push(format!("{name} has another value")),
            Some(others) if !has_same_owners(definitions, others) => {
                of_it.push(format!("{name} belongs to another role"));
            }
            Some(_) => of_it.push(format!("{name} is defined differently")),
        }
    }
    for key in after.keys().filter(|key| !before.contains_key(*key)) {
        found
            .schema
            .push(format!("{} is not in the backup", name_of(*key)));
    }
    found
}

/// The definitions of each; functions have their arguments in the name, but not everything has a name.
fn by_key(contents: &[ContentsEntry]) -> BTreeMap<Key<'_>, Vec<Definition<'_>>> {
    let mut found: BTreeMap<Key<'_>, Vec<Definition<'_>>> = BTreeMap::new();
    for entry in contents.iter().filter(|entry| is_compared(entry)) {
        let definition = (entry.owner.as_str(), entry.definition.as_str());
        found.entry(key_of(entry)).or_default().push(definition);
    }
    for definitions in found.values_mut() {
        definitions.sort_unstable();
    }
    found
}

fn key_of(entry: &ContentsEntry) -> Key<'_> {
    (&entry.description, &entry.schema, &entry.name)
}

fn is_compared(entry: &ContentsEntry) -> bool {
    let kind = entry.description.as_str();
    let hangs = ["COMMENT", "ACL", "SECURITY LABEL"].contains(&kind)
        && LEFT_OUT_OWNERS
            .iter()
            .any(|owner| entry.name.starts_with(owner));
    !hangs && !LEFT_OUT.contains(&kind)
}

fn name_of((kind, schema, name): Key<'_>) -> String {
    let kind = if kind == SEQUENCE_SET {
        "SEQUENCE"
    } else {
        kind
    };
    let name = if schema.is_empty() {
        name.to_owned()
    } else {
        format!("{schema}.{name}")
    };
    format!("{} {}", kind.to_lowercase(), quoted(&name, SHOWN))
}

fn has_same_owners(before: &[Definition<'_>], after: &[Definition<'_>]) -> bool {
    let owners = before.iter().map(|(owner, _)| owner);
    owners.eq(after.iter().map(|(owner, _)| owner))
}

fn is_same(kind: &str, before: &[Definition<'_>], after: &[Definition<'_>]) -> bool {
    if before == after {
        return true;
    }
    if kind == SEQUENCE_SET {
        return false;
    }
    let simplified = |definitions: &[Definition<'_>]| {
        let mut all: Vec<(String, Vec<String>)> = definitions
            .iter()
            .map(|(owner, definition)| ((*owner).to_owned(), simplify(kind, definition)))
            .collect();
        all.sort_unstable();
        all
    };
    simplified(before) == simplified(after)
}

/// A definition without what may differ although it means the same.
fn simplify(kind: &str, definition: &str) -> Vec<String> {
    if kind == WORDS_IN_ANY_ORDER {
        let text = simplify_text(definition);
        let mut words: Vec<String> = text.split(' ').map(ToOwned::to_owned).collect();
        words.sort_unstable();
        return words;
    }
    if !LINES_IN_ANY_ORDER.contains(&kind) {
        return vec![simplify_text(definition)];
    }
    let mut lines: Vec<String> = definition
        .lines()
        .map(|line| simplify_text(line.trim_end().trim_end_matches(',')))
        .filter(|line| !line.is_empty())
        .collect();
    lines.sort_unstable();
    lines
}

fn simplify_text(text: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' => quoted_length(rest, first),
            ':' if rest.starts_with("::") => {
                rest = skip_type(rest[2..].trim_start()).trim_start();
                continue;
            }
            first if is_of_word(first) => word_length(rest),
            first => first.len_utf8(),
        };
        let (word, after) = rest.split_at(length);
        if !matches!(word, "(" | ")" | "[" | "]") && !word.eq_ignore_ascii_case("array") {
            words.push(word);
        }
        rest = after.trim_start();
    }
    words.join(" ")
}

const fn is_of_word(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || matches!(character, '_' | '$' | '.')
        || !character.is_ascii()
}

fn word_length(text: &str) -> usize {
    text.find(|one: char| !is_of_word(one))
        .unwrap_or(text.len())
}

/// The length of what begins with this quote; two of them are one character.
fn quoted_length(text: &str, quote: char) -> usize {
    let mut end = 1;
    loop {
        let Some(next) = text[end..].find(quote) else {
            return text.len();
        };
        end += next + 1;
        if !text[end..].starts_with(quote) {
            return end;
        }
        end += 1;
    }
}

/// What follows the name of a type.
fn skip_type(text: &str) -> &str {
    let mut rest = text;
    let mut last = "";
    // A name with its schema: each part in quotes or not.
    loop {
        let length = match rest.chars().next() {
            Some('"') => quoted_length(rest, '"'),
            _ => word_length(rest),
        };
        let (part, after) = rest.split_at(length);
        if part.is_empty() {
            break;
        }
        last = part;
        rest = after;
        if !part.ends_with('.') && !rest.starts_with('.') && !rest.starts_with('"') {
            break;
        }
    }
    let word = last.to_ascii_lowercase();
    rest = match word.as_str() {
        "character" | "bit" => skip_words(rest, &["varying"]),
        "double" => skip_words(rest, &["precision"]),
        "timestamp" | "time" => {
            let zone = skip_modifiers(rest);
            skip_words(
                skip_words(skip_words(zone, &["with", "without"]), &["time"]),
                &["zone"],
            )
        }
        "interval" => {
            let units = ["year", "month", "day", "hour", "minute", "second", "to"];
            let mut units_left = rest;
            loop {
                let next = skip_words(units_left, &units);
                if next == units_left {
                    break next;
                }
                units_left = next;
            }
        }
        _ => rest,
    };
    skip_modifiers(rest)
}

/// Skips one of these words, if it comes next.
fn skip_words<'text>(text: &'text str, words: &[&str]) -> &'text str {
    let rest = text.trim_start();
    let length = word_length(rest);
    let is_one = words
        .iter()
        .any(|word| rest[..length].eq_ignore_ascii_case(word));
    if is_one { &rest[length..] } else { text }
}

/// Skips `(10,2)` and `[]`.
fn skip_modifiers(text: &str) -> &str {
    let mut rest = text;
    for (open, close) in [('(', ')'), ('[', ']'), ('[', ']')] {
        let inner = rest.strip_prefix(open).and_then(|inner| {
            let (inner, after) = inner.split_once(close)?;
            let is_number = |one: char| one.is_ascii_digit() || matches!(one, ',' | '-' | ' ');
            inner.chars().all(is_number).then_some(after)
        });
        rest = inner.unwrap_or(rest);
    }
    rest
}

#[cfg(test)]
#[path = "definitions_tests.rs"]
mod tests;
