//! Names as they are written into SQL and read from it: a name of a hostile owner stays a name, in
//! whatever encoding it was made.

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

/// Quotes text for use in SQL.
#[must_use]
pub fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name as a column that can be read whatever bytes it has: the server sends names of a database
/// in another encoding as they are, and those are no text.
#[must_use]
pub fn name_column(expression: &str) -> String {
    format!("pg_catalog.encode(pg_catalog.textsend({expression}::text), 'hex')")
}

/// Reads such a column: the name, with what is no UTF-8 shown by its bytes, and whether there was
/// nothing like that.
#[must_use]
pub fn read_name(hexadecimal: &str) -> Option<(String, bool)> {
    Some(match String::from_utf8(hex::decode(hexadecimal).ok()?) {
        Ok(name) => (name, true),
        Err(error) => (show_bytes(error.as_bytes()), false),
    })
}

/// Text of a database in whatever encoding: with what is no UTF-8 shown by its bytes.
pub(super) fn show_text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| show_bytes(bytes), ToOwned::to_owned)
}

/// Bytes that are no UTF-8, so that two names never look the same.
fn show_bytes(bytes: &[u8]) -> String {
    let mut shown = String::new();
    for chunk in bytes.utf8_chunks() {
        shown.push_str(&chunk.valid().replace('\\', "\\\\"));
        shown.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_whatever_bytes_it_has() {
        assert_eq!(read_name("6162"), Some(("ab".to_owned(), true)));
        assert_eq!(read_name("c3a45c"), Some(("ä\\".to_owned(), true)));
        assert_eq!(
            read_name("63616665e95c"),
            Some(("cafe\\xe9\\\\".to_owned(), false))
        );
        assert_eq!(read_name(""), Some((String::new(), true)));
        assert_eq!((read_name("6"), read_name("6x")), (None, None));
        assert_eq!(quote_literal("it's"), "'it''s'");
    }

    #[test]
    fn quotes_inside_a_name_are_doubled() {
        assert_eq!(
            quote_qualified("a\"b", "Ünï; drop table x; --"),
            "\"a\"\"b\".\"Ünï; drop table x; --\""
        );
    }
}
