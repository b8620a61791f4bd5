//! Reads a label selector as kubectl takes it: which ProtectedDatabases are an operator's own. Pure.

use std::collections::BTreeSet;

use kube::core::{Expression, Selector};

use crate::api::{is_label_key, is_label_value};

/// Reads a selector: `shard=a`, `shard!=a`, `shard in (a,b)`, `shard notin (a,b)`, `shard`,
/// `!shard`, several of them with commas between. An empty text selects everything.
///
/// # Errors
/// What is wrong, for the user who wrote it.
pub fn parse_selector(text: &str) -> Result<Selector, String> {
    split_outside_lists(text)
        .into_iter()
        .map(str::trim)
        .filter(|_| !text.trim().is_empty())
        .map(parse_requirement)
        .collect()
}

/// Splits at the commas that are not between parentheses.
fn split_outside_lists(text: &str) -> Vec<&str> {
    let mut is_inside = false;
    text.split(|one| {
        match one {
            '(' => is_inside = true,
            ')' => is_inside = false,
            _ => {}
        }
        one == ',' && !is_inside
    })
    .collect()
}

fn parse_requirement(text: &str) -> Result<Expression, String> {
    if let Some(key) = text.strip_prefix('!') {
        return Ok(Expression::DoesNotExist(parse_key(key)?));
    }
    if let Some((key, value)) = text.split_once("!=") {
        return Ok(Expression::NotEqual(parse_key(key)?, parse_value(value)?));
    }
    if let Some((key, value)) = text.split_once('=') {
        let value = value.strip_prefix('=').unwrap_or(value);
        return Ok(Expression::Equal(parse_key(key)?, parse_value(value)?));
    }
    let Some((before, list)) = text.split_once('(') else {
        return Ok(Expression::Exists(parse_key(text)?));
    };
    let list = list
        .trim_end()
        .strip_suffix(')')
        .ok_or_else(|| format!("{text:?} has no closing parenthesis"))?;
    let values = list
        .split(',')
        .map(parse_value)
        .collect::<Result<BTreeSet<_>, _>>()?;
    match before.trim().rsplit_once(char::is_whitespace) {
        Some((key, "in")) => Ok(Expression::In(parse_key(key)?, values)),
        Some((key, "notin")) => Ok(Expression::NotIn(parse_key(key)?, values)),
        _ => Err(format!(
            "{text:?} needs `in` or `notin` before the parenthesis"
        )),
    }
}

fn parse_key(text: &str) -> Result<String, String> {
    let key = text.trim();
    if is_label_key(key) {
        Ok(key.to_owned())
    } else {
        Err(format!("{key:?} can't be the key of a label"))
    }
}

fn parse_value(text: &str) -> Result<String, String> {
    let value = text.trim();
    if is_label_value(value) {
        Ok(value.to_owned())
    } else {
        Err(format!("{value:?} can't be the value of a label"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kube::core::SelectorExt as _;

    use super::*;

    fn selects(selector: &str, labels: &[(&str, &str)]) -> bool {
        let labels: BTreeMap<String, String> = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        parse_selector(selector).is_ok_and(|read| read.matches(&labels))
    }

    #[test]
    fn every_form_selects_what_kubectl_selects_by_it() {
        let (a, b, none) = ([("shard", "a")], [("shard", "b")], []);
        for (selector, selected) in [
            ("", [true, true, true]),
            ("shard=a", [true, false, false]),
            ("shard == a", [true, false, false]),
            ("shard!=a", [false, true, true]),
            ("shard", [true, true, false]),
            ("!shard", [false, false, true]),
            ("shard in (a, c)", [true, false, false]),
            ("shard notin (a,c)", [false, true, true]),
            ("shard,shard notin (b)", [true, false, false]),
        ] {
            let found = [
                selects(selector, &a),
                selects(selector, &b),
                selects(selector, &none),
            ];
            assert_eq!(found, selected, "{selector}");
        }
    }

    #[test]
    fn what_was_read_is_sent_to_the_api_server_in_its_own_form() {
        let text = "example.org/shard in (a,b),!canary,tier!=test";
        assert_eq!(
            parse_selector(text).map(|read| read.to_string()),
            Ok(text.to_owned())
        );
    }

    #[test]
    fn what_is_no_selector_is_refused_with_the_part_that_is_wrong() {
        for (selector, said) in [
            ("shard=a b", "\"a b\" can't be the value of a label"),
            ("sh ard=a", "\"sh ard\" can't be the key of a label"),
            ("shard=a,", "\"\" can't be the key of a label"),
            ("-shard", "\"-shard\" can't be the key of a label"),
            (
                "Upper.org/shard",
                "\"Upper.org/shard\" can't be the key of a label",
            ),
            ("shard in (a", "\"shard in (a\" has no closing parenthesis"),
            (
                "shard among (a)",
                "\"shard among (a)\" needs `in` or `notin` before the parenthesis",
            ),
        ] {
            assert_eq!(parse_selector(selector), Err(said.to_owned()), "{selector}");
        }
    }
}
