//! The few pieces of CEL that the rules are put together from. Every look at a map is optional: a
//! bare index on an object without annotations is an error, and an error under `failurePolicy:
//! Fail` refuses the request.

use std::fmt::Write as _;

use crate::api::names::OPERATOR_SERVICE_ACCOUNT;

/// `text` as a CEL string literal.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for character in text.chars() {
        match character {
            '\'' | '\\' => {
                quoted.push('\\');
                quoted.push(character);
            }
            '\n' => quoted.push_str("\\n"),
            _ => quoted.push(character),
        }
    }
    quoted.push('\'');
    quoted
}

/// A list of texts in CEL.
pub fn quote_all(texts: &[&str]) -> String {
    let quoted: Vec<_> = texts.iter().map(|text| quote(text)).collect();
    format!("[{}]", quoted.join(", "))
}

/// The value of an annotation of the object as stored, or the empty string.
pub fn old_annotation(key: &str) -> String {
    entry("oldObject", "annotations", key)
}

/// The value of an annotation of the object as it would be, or the empty string.
pub fn new_annotation(key: &str) -> String {
    entry("object", "annotations", key)
}

/// The value of a label of the object as stored, or the empty string.
pub fn old_label(key: &str) -> String {
    entry("oldObject", "labels", key)
}

/// The value of a label of the object as it would be, or the empty string.
pub fn new_label(key: &str) -> String {
    entry("object", "labels", key)
}

/// Whether the operator asks, which runs in this namespace.
pub fn by_operator(operator_namespace: &str) -> String {
    let operator = format!("system:serviceaccount:{operator_namespace}:{OPERATOR_SERVICE_ACCOUNT}");
    format!("request.userInfo.username == {}", quote(&operator))
}

fn entry(object: &str, map: &str, key: &str) -> String {
    format!("{object}.metadata.?{map}[?{}].orValue('')", quote(key))
}

/// A CEL map literal.
pub fn map<'a>(entries: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut literal = String::from("{");
    for (index, (key, value)) in entries.into_iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        // Writing to a String can't fail.
        let _ = write!(literal, "{separator}{}: {}", quote(key), quote(value));
    }
    literal.push('}');
    literal
}
