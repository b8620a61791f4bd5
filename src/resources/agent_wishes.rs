//! What a user wants of agents' pods over what the installation wants. Pure.

use std::cmp::Ordering;

use super::quantity::{compare, written};
use crate::api::{AgentResources, Agents};

/// The user's wishes, and what they leave out as the installation has it. Where a request of one would
/// be above the limit of the other, the user's amount is both: no pod can come from such a pair.
#[must_use]
pub fn with_defaults(own: &Agents, defaults: &Agents) -> Agents {
    let mut all = own.over(defaults);
    let none = AgentResources::default();
    let asked = own.resources.as_ref().unwrap_or(&none);
    let Some(merged) = &mut all.resources else {
        return all;
    };
    for (name, request) in &mut merged.requests {
        let Some(limit) = merged.limits.get_mut(name) else {
            continue;
        };
        if compare(&written(request), &written(limit)) != Some(Ordering::Greater) {
            continue;
        }
        match (
            asked.requests.contains_key(name),
            asked.limits.contains_key(name),
        ) {
            (true, false) => limit.clone_from(request),
            (false, true) => request.clone_from(limit),
            // Both are of one hand, and refused where they were written.
            (true, true) | (false, false) => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_the_user_asks_for_fits_what_the_installation_leaves() {
        let merged = |own: Value, defaults: Value| {
            let of = |resources| serde_json::from_value(json!({"resources": resources})).unwrap();
            let all = with_defaults(&of(own), &of(defaults)).resources.unwrap();
            serde_json::to_value(all).unwrap()
        };
        let two = json!({"cpu": "2"});
        let half = json!({"cpu": "500m"});
        assert_eq!(
            merged(json!({"requests": two}), json!({"limits": half})),
            json!({"requests": two, "limits": two})
        );
        assert_eq!(
            merged(json!({"limits": half}), json!({"requests": two})),
            json!({"requests": half, "limits": half})
        );
        assert_eq!(
            merged(json!({"requests": half}), json!({"limits": two})),
            json!({"requests": half, "limits": two})
        );
    }
}
