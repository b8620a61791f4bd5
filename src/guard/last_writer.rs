//! Who changed an object last, as far as the object itself says. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::names::{AGENT_MANAGER, OPERATOR_MANAGER};

/// The field manager, not one of ours, that wrote to an object last, and when: what `kubectl get
/// --show-managed-fields` shows. The API server keeps the names of users in its audit log only.
#[must_use]
pub fn last_other_manager(metadata: &ObjectMeta) -> Option<String> {
    let others = metadata.managed_fields.iter().flatten().filter(|entry| {
        let manager = entry.manager.as_deref();
        entry.subresource.is_none()
            && manager
                .is_some_and(|manager| manager != OPERATOR_MANAGER && manager != AGENT_MANAGER)
    });
    let last = others.max_by_key(|entry| entry.time.as_ref().map(|time| time.0))?;
    let manager = last.manager.as_deref()?;
    // Whoever writes chooses the text.
    let is_word = |character: char| character.is_ascii_alphanumeric() || "._-/".contains(character);
    let said = if manager.chars().all(is_word) {
        format!("field manager {manager}")
    } else {
        "a field manager whose name is no word".to_owned()
    };
    Some(match &last.time {
        Some(time) => format!("{said} at {:.0}", time.0),
        None => said,
    })
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test that can't go on should say where"
    )]

    use serde_json::json;

    use super::*;

    fn metadata(entries: &serde_json::Value) -> ObjectMeta {
        serde_json::from_value(json!({ "managedFields": entries })).unwrap()
    }

    #[test]
    fn the_last_one_who_is_not_holdfast_is_named() {
        let changed = metadata(&json!([
            {"manager": "helm", "operation": "Apply", "time": "2026-02-01T09:00:00Z"},
            {"manager": "kubectl-edit", "operation": "Update", "time": "2026-02-01T09:10:00Z"},
            {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status", "time": "2026-02-01T09:20:00Z"},
            {"manager": "holdfast", "operation": "Update", "time": "2026-02-01T09:30:00Z"},
        ]));
        assert_eq!(
            last_other_manager(&changed).unwrap(),
            "field manager kubectl-edit at 2026-02-01T09:10:00Z"
        );
    }

    #[test]
    fn a_text_that_is_no_word_is_not_quoted() {
        let changed = metadata(&json!([
            {"manager": "x; kubectl delete pvc --all", "operation": "Update"},
        ]));
        let said = last_other_manager(&changed).unwrap();
        assert_eq!(said, "a field manager whose name is no word");
    }

    #[test]
    fn nobody_is_named_when_nobody_is_known() {
        assert_eq!(last_other_manager(&ObjectMeta::default()), None);
        assert_eq!(
            last_other_manager(&metadata(
                &json!([{"manager": "holdfast", "operation": "Apply"}])
            )),
            None
        );
    }
}
