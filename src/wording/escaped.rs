//! Text from a database or a file, shown so that it can't deceive: a name can hold anything.

use std::fmt::Write as _;

/// The text with characters shown by their code that move a terminal's cursor, turn the direction
/// of writing, or can't be seen.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            deceiving if is_deceiving(deceiving) => {
                // Writing to a text can't fail.
                write!(shown, "{}", deceiving.escape_unicode()).ok();
            }
            harmless => shown.push(harmless),
        }
    }
    shown
}

/// Characters that move a terminal's cursor, turn the direction of writing, or can't be seen.
#[must_use]
pub fn is_deceiving(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_deceive_is_shown_by_its_code() {
        assert_eq!(
            escaped("a\u{1b}[31m\n\u{202e}cod\u{9b}2J Ünï 節點 \"b\\c\""),
            "a\\u{1b}[31m\\n\\u{202e}cod\\u{9b}2J Ünï 節點 \"b\\c\""
        );
    }
}
