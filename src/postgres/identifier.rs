//! Quoting of names, so that a name of a hostile owner stays a name.

/// Quotes a name for use in SQL.
#[must_use]
pub fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes schema and name of a table.
#[must_use]
pub fn quote_qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quote_identifier(schema), quote_identifier(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_inside_a_name_are_doubled() {
        assert_eq!(
            quote_qualified("a\"b", "Ünï; drop table x; --"),
            "\"a\"\"b\".\"Ünï; drop table x; --\""
        );
    }
}
