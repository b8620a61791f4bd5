//! Names that somebody else gave, as they can be shown.

/// A name without characters that move a terminal's cursor, turn the direction of writing, or can't
/// be seen: each is written as its number.
#[must_use]
pub fn printable(name: &str) -> String {
    let mut clean = String::with_capacity(name.len());
    for character in name.chars() {
        if is_deceiving(character) {
            clean.extend(character.escape_unicode());
        } else {
            clean.push(character);
        }
    }
    clean
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
    fn what_would_deceive_is_shown_as_its_number() {
        assert_eq!(
            printable("public.a\u{1b}[2J\nb\u{202e}c"),
            "public.a\\u{1b}[2J\\u{a}b\\u{202e}c"
        );
        assert_eq!(printable("public.узел 節點"), "public.узел 節點");
    }
}
