//! The settings that decide how a value looks in a dump, as options of a session. Pure.

use std::collections::BTreeMap;

use crate::postgres::FORMATS;

/// The options of a session in which values look as these settings say.
#[must_use]
pub fn build_format_options(formats: &BTreeMap<String, String>) -> String {
    let mut options = String::new();
    for name in FORMATS {
        if let Some(value) = formats.get(name) {
            options.extend([" -c ", name, "=", &escape_option(value)]);
        }
    }
    options
}

/// The server splits options at every kind of white space that has no backslash before it.
fn escape_option(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for one in value.chars() {
        if one == '\\' || one == '\u{b}' || one.is_ascii_whitespace() {
            escaped.push('\\');
        }
        escaped.push(one);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_value_of_a_known_setting_is_an_option() {
        let options = |name: &str, value: &str| {
            build_format_options(&[(name.to_owned(), value.to_owned())].into())
        };
        assert_eq!(options("TimeZone", "Asia/Tokyo"), " -c TimeZone=Asia/Tokyo");
        assert_eq!(options("role", "postgres"), "");
        assert_eq!(
            options("TimeZone", "a b\\ -c role=x"),
            " -c TimeZone=a\\ b\\\\\\ -c\\ role=x"
        );
        for white in ['\t', '\n', '\u{b}', '\u{c}', '\r', ' '] {
            assert_eq!(
                options("bytea_output", &format!("hex{white}-c{white}role=x")),
                format!(" -c bytea_output=hex\\{white}-c\\{white}role=x")
            );
        }
        assert_eq!(build_format_options(&BTreeMap::new()), "");
    }
}
