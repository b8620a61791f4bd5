//! The commands of a page of the documentation, for the tests that run them word by word.
#![allow(
    dead_code,
    reason = "tests with a cluster type single commands, those without one whole pages"
)]

use std::fs;
use std::path::PathBuf;

/// What stands between two fences of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The heading above it, without its signs.
    pub heading: String,
    /// The word after the opening fence: `sh` for commands that a reader types, `console` for what they
    /// print too; empty if there is none.
    pub language: String,
    /// The text between the fences, without the indentation that they have in a list.
    pub text: String,
}

/// A page of the documentation.
#[derive(Clone, Debug)]
pub struct Page {
    path: String,
    blocks: Vec<Block>,
}

impl Page {
    /// Reads a page by its path in the checkout, such as `docs/backup.md`.
    pub fn read(path: &str) -> Self {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}"));
        Self {
            path: path.to_owned(),
            blocks: blocks_of(&text),
        }
    }

    /// All blocks, in order.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The blocks below a heading, up to the next heading of whatever level; there must be one.
    pub fn below(&self, heading: &str) -> Vec<&Block> {
        let of_heading = self.blocks.iter().filter(|block| block.heading == heading);
        let found: Vec<&Block> = of_heading.collect();
        assert!(
            !found.is_empty(),
            "{} has no block below `{heading}`",
            self.path
        );
        found
    }

    /// The commands that a reader types: the lines of the blocks `sh`, each with the lines that go on after
    /// a backslash.
    pub fn commands(&self) -> Vec<String> {
        let of_shell = self.blocks.iter().filter(|block| block.language == "sh");
        of_shell
            .flat_map(|block| commands_of(&block.text))
            .collect()
    }

    /// A command of the page, with its placeholders filled in. It must be there, word by word.
    pub fn command(&self, command: &str, values: &[(&str, &str)]) -> String {
        let all = self.commands();
        assert!(
            all.iter().any(|found| found == command),
            "{} has no command `{command}`: {all:#?}",
            self.path
        );
        fill(command, values)
    }
}

/// A text with its placeholders filled in: words in capitals, of which a reader replaces each by its own. A
/// part of a longer word, or the name of a variable after `$`, is none.
pub fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|one: char| is_of_word(one) || one == '$') {
        let (before, from) = rest.split_at(start);
        filled.push_str(before);
        let end = from
            .char_indices()
            .skip(1)
            .find(|(_, one)| !is_of_word(*one))
            .map_or(from.len(), |(index, _)| index);
        let (word, after) = from.split_at(end);
        let value = values.iter().find(|(name, _)| *name == word);
        filled.push_str(value.map_or(word, |(_, value)| value));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

fn is_of_word(one: char) -> bool {
    one.is_ascii_alphanumeric() || one == '_'
}

/// The commands of a block, one per line; one that ends with a backslash goes on in the next line.
fn commands_of(text: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in text.lines() {
        let line_without = line.strip_suffix('\\').map(str::trim_end);
        let part = line_without.unwrap_or(line).trim();
        match commands.last_mut() {
            Some(last) if goes_on => {
                last.push(' ');
                last.push_str(part);
            }
            _ if part.is_empty() || part.starts_with('#') => {}
            _ => commands.push(part.to_owned()),
        }
        goes_on = line_without.is_some();
    }
    commands
}

fn blocks_of(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut heading = String::new();
    let mut open: Option<(Block, usize)> = None;
    for line in text.lines() {
        let trimmed = line.trim_start();
        let indentation = line.len() - trimmed.len();
        if let Some((mut block, indented)) = open.take() {
            if trimmed.trim_end() == "```" {
                blocks.push(block);
            } else {
                block.text.push_str(&line[indentation.min(indented)..]);
                block.text.push('\n');
                open = Some((block, indented));
            }
        } else if let Some(language) = trimmed.strip_prefix("```") {
            let block = Block {
                heading: heading.clone(),
                language: language.trim().to_owned(),
                text: String::new(),
            };
            open = Some((block, indentation));
        } else if line.starts_with('#') {
            line.trim_start_matches('#').trim().clone_into(&mut heading);
        }
    }
    assert!(open.is_none(), "a fence that is not closed");
    blocks
}

#[test]
fn a_page_is_read_as_a_reader_types_it() {
    let text = "# A\n\n1. Step\n\n   ```sh\n   one NAME \\\n     --two\n   # said\n   three\n   ```\n\n## B\n\n```\nout\n```\n";
    let page = Page {
        path: "a page".to_owned(),
        blocks: blocks_of(text),
    };
    assert_eq!(page.commands(), ["one NAME --two", "three"]);
    assert_eq!(page.below("B")[0].text, "out\n");
    assert_eq!(
        page.command("one NAME --two", &[("NAME", "knowledge")]),
        "one knowledge --two"
    );
    assert_eq!(
        fill("NAME/$NAME NAMES NAME_S {NAME} -nNAME", &[("NAME", "x")]),
        "x/$NAME NAMES NAME_S {x} -nNAME"
    );
}
