//! Requests and limits of agents that the API server would refuse in a pod. Pure.

use std::cmp::Ordering;

use super::quantity::{compare, is_amount, written};
use crate::api::{AGENT_RESOURCES, AgentResources};

/// What is wrong with requests and limits.
pub fn amounts_wrong(resources: &AgentResources) -> Option<String> {
    let all = resources.requests.iter().chain(&resources.limits);
    for (name, amount) in all {
        if !AGENT_RESOURCES.contains(&name.as_str()) {
            return Some(format!(
                "{name:?} is nothing that an agent uses; write one of {}",
                AGENT_RESOURCES.join(", ")
            ));
        }
        let amount = written(amount);
        if !is_amount(&amount) {
            return Some(format!(
                "{name}: {amount:?} is no amount; write such as 500m for cpu, 512Mi for memory"
            ));
        }
    }
    let above = resources.requests.iter().find_map(|(name, request)| {
        let (request, limit) = (written(request), written(resources.limits.get(name)?));
        let is_above = compare(&request, &limit) == Some(Ordering::Greater);
        is_above.then_some((name, request, limit))
    });
    above.map(|(name, request, limit)| {
        format!(
            "the request of {request} {name} is above its limit of {limit}; raise the limit, or lower \
             the request"
        )
    })
}
