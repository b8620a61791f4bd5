//! Whether labels say that a pod is the same part of the same application as those of a workload. Pure.

use std::collections::BTreeMap;

use super::WorkloadFound;

/// Labels that together say what a pod is, however its workload is called.
const APP_LABELS: [&str; 2] = ["app.kubernetes.io/name", "app.kubernetes.io/instance"];
/// Which part of it.
const COMPONENT_LABEL: &str = "app.kubernetes.io/component";

impl WorkloadFound {
    /// Whether a pod with these labels is the same part of the same application, as after the
    /// workload was made a second time under another name.
    #[must_use]
    pub fn is_same_part(&self, labels: &BTreeMap<String, String>) -> bool {
        let has = |(key, value): (&String, &String)| labels.get(key) == Some(value);
        let is_selected = !self.match_labels.is_empty() && self.match_labels.iter().all(has);
        let is_same_app = APP_LABELS.iter().all(|key| {
            labels.contains_key(*key) && labels.get(*key) == self.template_labels.get(*key)
        });
        (is_selected || is_same_app) && !self.is_other_component(labels)
    }

    /// Whether these labels name another part of an application, such as its replicas.
    #[must_use]
    pub fn is_other_component(&self, labels: &BTreeMap<String, String>) -> bool {
        let ours = self.template_labels.get(COMPONENT_LABEL);
        let theirs = labels.get(COMPONENT_LABEL);
        ours.is_some() && theirs.is_some() && ours != theirs
    }
}
