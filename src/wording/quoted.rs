//! What others have written, as part of a sentence of ours: one line, bounded.

use super::escaped;

/// The text as one line of at most `limit` characters, with characters that deceive shown by their
/// code.
#[must_use]
pub fn quoted_line(text: &str, limit: usize) -> String {
    // Bounded before anything else is done with it.
    let bounded: String = text.chars().take(limit.saturating_add(1)).collect();
    let line = bounded.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown = escaped(&line);
    let is_cut = shown.chars().count() > limit || text.chars().nth(limit).is_some();
    if is_cut {
        shown
            .chars()
            .take(limit.saturating_sub(1))
            .chain(['…'])
            .collect()
    } else {
        shown
    }
}

/// The same between quotation marks, so that it is plain whose words these are: those within become
/// single ones, and nothing after the text can seem to be ours.
#[must_use]
pub fn quoted(text: &str, limit: usize) -> String {
    let line = quoted_line(text, limit);
    let inner = line.replace(['"', '\u{201c}', '\u{201d}', '\u{201e}', '\u{201f}'], "'");
    format!("\"{inner}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_text_is_one_bounded_line() {
        assert_eq!(quoted_line(" a\n\tb  c ", 10), "a b c");
        assert_eq!(quoted_line("\u{1b}[31m", 20), "\\u{1b}[31m");
        assert_eq!(quoted_line("abcdef", 6), "abcdef");
        assert_eq!(quoted_line("abcdefg", 6), "abcde…");
        assert_eq!(quoted_line("\u{1b}\u{1b}\u{1b}", 6), "\\u{1b…");
    }

    #[test]
    fn a_quotation_can_not_be_ended_by_what_is_quoted() {
        assert_eq!(
            quoted("pods \"a\" is forbidden", 40),
            "\"pods 'a' is forbidden\""
        );
        let forged = "x\". All is well. Run: \u{201d}kubectl";
        assert_eq!(quoted(forged, 80), "\"x'. All is well. Run: 'kubectl\"");
    }
}
