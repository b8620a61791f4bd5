//! Labels that select pods which no StatefulSet or Deployment controls. They stand in messages and
//! commands, so only what can be a label is quoted.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The longest part of a label: its name, or its value.
const PART_LIMIT: usize = 63;
/// The longest prefix of a label's key.
const PREFIX_LIMIT: usize = 253;

/// Labels that a pod must have, all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodLabels {
    /// Keys and values, 1 to 8. Expressions are not supported.
    #[schemars(schema_with = "labels")]
    pub match_labels: BTreeMap<String, String>,
}

impl PodLabels {
    /// These labels.
    #[cfg(test)]
    #[must_use]
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Self {
            match_labels: pairs.iter().map(owned).collect(),
        }
    }

    /// Whether a pod with these labels is selected. No labels select no pod.
    #[must_use]
    pub fn select(&self, labels: &BTreeMap<String, String>) -> bool {
        let has = |(key, value): (&String, &String)| labels.get(key) == Some(value);
        !self.match_labels.is_empty() && self.match_labels.iter().all(has)
    }

    /// As kubectl takes them after `-l`. Nothing where one of them can't be a label: it selects no pod.
    #[must_use]
    pub fn query(&self) -> Option<String> {
        let labels = self.match_labels.iter();
        let terms = labels
            .map(|(key, value)| (is_key(key) && is_value(value)).then(|| format!("{key}={value}")));
        let terms: Vec<String> = terms.collect::<Option<_>>()?;
        (!terms.is_empty()).then(|| terms.join(","))
    }
}

fn is_key(key: &str) -> bool {
    let (prefix, name) = key
        .rsplit_once('/')
        .map_or((None, key), |(prefix, name)| (Some(prefix), name));
    !name.is_empty()
        && is_value(name)
        && prefix.is_none_or(|prefix| {
            prefix.len() <= PREFIX_LIMIT && prefix.split('.').all(super::is_namespace_name)
        })
}

fn is_value(value: &str) -> bool {
    let is_end = |end: Option<char>| end.is_none_or(|end| end.is_ascii_alphanumeric());
    let is_part = |part: char| part.is_ascii_alphanumeric() || matches!(part, '-' | '_' | '.');
    value.len() <= PART_LIMIT
        && is_end(value.chars().next())
        && is_end(value.chars().last())
        && value.chars().all(is_part)
}

fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "minProperties": 1, "maxProperties": 8,
        "additionalProperties": {
            "type": "string", "maxLength": 63,
            "pattern": "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_must_have_all_labels_and_no_labels_select_no_pod() {
        let wanted = PodLabels::of(&[("cnpg.io/cluster", "knowledge"), ("role", "db")]);
        assert!(wanted.select(&wanted.match_labels));
        assert!(!wanted.select(&PodLabels::of(&[("cnpg.io/cluster", "knowledge")]).match_labels));
        assert!(!PodLabels::of(&[]).select(&wanted.match_labels));
    }

    #[test]
    fn only_labels_are_quoted() {
        let query = |key: &str, value: &str| PodLabels::of(&[(key, value)]).query();
        let said = query("cnpg.io/cluster", "knowledge");
        assert_eq!(said.as_deref(), Some("cnpg.io/cluster=knowledge"));
        assert_eq!(query("app", "").as_deref(), Some("app="));
        for (key, value) in [
            ("app", "db; reboot"),
            ("app", "$(reboot)"),
            ("", "db"),
            ("a b", "db"),
            ("/app", "db"),
            ("A.io/app", "db"),
            ("app", "-db"),
        ] {
            assert_eq!(query(key, value), None, "{key}={value}");
        }
        assert_eq!(PodLabels::of(&[]).query(), None);
    }
}
