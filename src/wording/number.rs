//! Numbers and lists as text.

/// How many items a list names; the rest is a number.
const LISTED: usize = 8;

/// `26337` as `26,337`.
#[must_use]
pub fn number(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::from(if value < 0 { "-" } else { "" });
    for (position, digit) in digits.char_indices() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 row`, `85 rows`.
#[must_use]
pub fn count(value: i64, one: &str) -> String {
    format!(
        "{} {one}{}",
        number(value),
        if value == 1 { "" } else { "s" }
    )
}

/// Joins items, and says how many were left out.
#[must_use]
pub fn list(items: &[String]) -> String {
    let named = items
        .get(..LISTED.min(items.len()))
        .unwrap_or_default()
        .join(", ");
    match items.len().saturating_sub(LISTED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        let texts = [0, 7, 999, 1_000, 26_337, 1_234_567, -1_000].map(number);
        assert_eq!(
            texts,
            ["0", "7", "999", "1,000", "26,337", "1,234,567", "-1,000"]
        );
        assert_eq!(
            [count(1, "row"), count(0, "row"), count(1_000, "table")],
            ["1 row", "0 rows", "1,000 tables"]
        );
    }

    #[test]
    fn long_lists_end_with_a_number() {
        let items: Vec<String> = (0..11).map(|item| item.to_string()).collect();
        assert_eq!(list(&items), "0, 1, 2, 3, 4, 5, 6, 7 and 3 more");
        assert_eq!(list(&items[..2]), "0, 1");
    }
}
