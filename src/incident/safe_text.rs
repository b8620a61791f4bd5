//! Text that is shown: one line, bounded, without characters that a terminal or a reader's eye
//! would be deceived by; and words of commands that a shell takes for words. Pure.

use std::fmt;

use serde::Serialize;

use crate::wording::is_deceiving;

/// The most characters that one piece of text may have.
const LIMIT: usize = 4_000;

/// One line of text. Names of tables and messages come from a database that is not trusted, so an
/// incident holds no other kind of text.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SafeText(String);

impl SafeText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same as the beginning of a sentence, where it stands on a page and not on a terminal.
    #[must_use]
    pub fn capitalized(&self) -> Self {
        let mut characters = self.0.chars();
        Self(
            characters
                .next()
                .into_iter()
                .flat_map(char::to_uppercase)
                .chain(characters)
                .collect(),
        )
    }

    /// How many characters it has.
    #[must_use]
    pub fn width(&self) -> usize {
        self.0.chars().count()
    }

    /// Its beginning, with an ellipsis where something was left out.
    #[must_use]
    pub fn cut(&self, limit: usize) -> Self {
        if self.width() <= limit {
            return self.clone();
        }
        Self(
            self.0
                .chars()
                .take(limit.saturating_sub(1))
                .chain(['…'])
                .collect(),
        )
    }
}

impl From<&str> for SafeText {
    fn from(text: &str) -> Self {
        let mut clean = String::with_capacity(text.len());
        for (position, character) in text.chars().enumerate() {
            if position == LIMIT {
                clean.push('…');
                break;
            }
            match character {
                '\n' | '\r' | '\t' => clean.push(' '),
                deceiving if is_deceiving(deceiving) => clean.extend(deceiving.escape_unicode()),
                harmless => clean.push(harmless),
            }
        }
        Self(clean)
    }
}

impl From<String> for SafeText {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl fmt::Display for SafeText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// A word that a shell takes for exactly this text.
pub(super) fn shell_word(text: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "-_./:=,@%+".contains(character);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_deceive_is_shown_instead() {
        assert_eq!(
            SafeText::from("a\u{1b}[31mred\u{7}").as_str(),
            "a\\u{1b}[31mred\\u{7}"
        );
        assert_eq!(
            SafeText::from("one\ntwo\r\tthree").as_str(),
            "one two  three"
        );
        assert_eq!(
            SafeText::from("evil\u{202e}cod\u{200b}e\u{9b}2J").as_str(),
            "evil\\u{202e}cod\\u{200b}e\\u{9b}2J"
        );
        assert_eq!(
            SafeText::from("узел 節點 é").as_str(),
            "узел 節點 é",
            "other people's letters stay"
        );
    }

    #[test]
    fn no_line_is_longer_than_its_limit() {
        assert_eq!(SafeText::from("x".repeat(10_000)).width(), LIMIT + 1);
        assert_eq!(SafeText::from("pvc-3fa29287").cut(6).as_str(), "pvc-3…");
        assert_eq!(SafeText::from("pvc").cut(3).as_str(), "pvc");
    }

    #[test]
    fn no_word_runs_anything() {
        assert_eq!(shell_word("pvc-3fa29287"), "pvc-3fa29287");
        assert_eq!(
            shell_word("/var/lib/postgresql/data"),
            "/var/lib/postgresql/data"
        );
        assert_eq!(shell_word("x; rm -rf ~"), "'x; rm -rf ~'");
        assert_eq!(shell_word("$(id)'`id`"), r"'$(id)'\''`id`'");
        assert_eq!(shell_word(""), "''");
    }
}
