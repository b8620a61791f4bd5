//! What a workload is called, and whether two of them are the same: by name, or by the labels of its
//! pods. Pure.

use super::Workload;

impl Workload {
    /// What it is called in a sentence: its name, or the labels of its pods.
    #[must_use]
    pub fn called(&self) -> String {
        match &self.selector {
            None => self.name.clone(),
            Some(selector) => selector
                .query()
                .unwrap_or_else(|| "spec.workload.selector".to_owned()),
        }
    }

    /// Whether another workload has a pod in common with it: the same one, or pods of the same labels.
    #[must_use]
    pub fn shares_pods_with(&self, other: &Self) -> bool {
        match (&self.selector, &other.selector) {
            (None, None) => {
                let kinds = self.kind.zip(other.kind);
                self.name == other.name && kinds.is_none_or(|(one, other)| one == other)
            }
            (Some(one), Some(other)) => {
                one.select(&other.match_labels) || other.select(&one.match_labels)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::PodLabels;

    #[test]
    fn two_databases_share_pods_by_name_or_by_labels() {
        let named = |name: &str| Workload {
            name: name.to_owned(),
            ..Workload::default()
        };
        let selected = |pairs: &[(&str, &str)]| Workload {
            selector: Some(PodLabels::of(pairs)),
            ..Workload::default()
        };
        let (all, primary) = (
            selected(&[("cluster", "a")]),
            selected(&[("cluster", "a"), ("role", "primary")]),
        );
        assert!(named("pg").shares_pods_with(&named("pg")));
        assert!(!named("pg").shares_pods_with(&named("other")));
        assert!(all.shares_pods_with(&primary) && primary.shares_pods_with(&all));
        assert!(!all.shares_pods_with(&selected(&[("cluster", "b")])));
        assert!(!all.shares_pods_with(&named("")), "neither has the name");
    }
}
