//! The policy that warns, and never refuses, when a guarded workload would run two servers on one data
//! directory. What the claim allows it can't see; the condition `Guarded` says the rest.

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, Validation};

use super::cel::quote;
use super::data_directory::{directories, goes_up, long_running, plain_path};
use super::policy::{failing_open, only_where, policy, rule, select_guarded, variable};

/// Name of the policy, and of its binding, that warns about two servers on one data directory.
pub const TWO_SERVERS_POLICY: &str = "holdfast-two-servers";

/// The parts of a workload of which a change starts or replaces pods. A change of anything else is
/// not worth a warning: who sees many of them reads none.
const PARTS: [&str; 3] = [
    "object.spec.template != oldObject.spec.template",
    "object.spec.?replicas != oldObject.spec.?replicas",
    "dyn(object.spec).?strategy != dyn(oldObject.spec).?strategy",
];

/// Warns when a workload with more than one server at a time is created, or changed so that pods
/// start.
pub(super) fn build_two_servers_warning() -> ValidatingAdmissionPolicy {
    let rules = ["statefulsets", "deployments"]
        .map(|resource| rule("apps", "v1", resource, &["CREATE", "UPDATE"]));
    let variables = vec![
        variable(
            "named",
            "object.spec.template.spec.?volumes.orValue([]).filter(v, \
             has(v.persistentVolumeClaim) && \
             !v.persistentVolumeClaim.?readOnly.orValue(false)).map(v, v.name)"
                .to_owned(),
        ),
        // With claim templates each pod has claims of its own, and what all of them share, such as
        // an archive, is shared on purpose, unless the data directory is there.
        variable(
            "own",
            "dyn(object.spec).?volumeClaimTemplates.orValue([]).size() > 0".to_owned(),
        ),
        variable(
            "shared",
            format!(
                "({}).map(c, c.?volumeMounts.orValue([]).filter(m, \
                 m.name in variables.named && !m.?readOnly.orValue(false) && \
                 m.?subPathExpr.orValue('') == '' && (!variables.own || {}.exists(d, {} || ({} + \
                 '/').startsWith({} + '/')))).map(m, m.name).join(', ')).filter(text, text != \
                 '').join(', ')",
                long_running("object"),
                directories("c"),
                goes_up("m.mountPath"),
                plain_path("d"),
                plain_path("m.mountPath"),
            ),
        ),
        variable("replicas", "object.spec.?replicas.orValue(1)".to_owned()),
        variable(
            "overlaps",
            "request.resource.resource == 'deployments' && \
             dyn(object.spec).?strategy.?type.orValue('RollingUpdate') != 'Recreate'"
                .to_owned(),
        ),
    ];
    let warns = failing_open(policy(
        TWO_SERVERS_POLICY,
        select_guarded(rules.to_vec()),
        variables,
        vec![validation()],
    ));
    only_where(
        warns,
        "pods-start",
        format!("request.operation == 'CREATE' || {}", PARTS.join(" || ")),
    )
}

fn validation() -> Validation {
    let patch = r#"{"spec":{"replicas":1,"strategy":{"type":"Recreate","rollingUpdate":null}}}"#;
    Validation {
        expression:
            "variables.shared == '' || variables.replicas == 0 || (variables.replicas == 1 \
                     && !variables.overlaps)"
                .to_owned(),
        message: Some("two servers would run on one data directory, which destroys it".to_owned()),
        message_expression: Some(format!(
            "'Holdfast warns: ' + request.kind.kind + ' ' + object.metadata.?name.orValue('') + ' \
             may run two servers on the same files of volume ' + variables.shared + ', which destroys \
             them: ' + (variables.replicas > 1 ? 'it has more than one replica' : 'with this \
             strategy the new pod may start before the old one has stopped') + '. Change it: ' + \
             (variables.overlaps ? 'kubectl patch deployment ' + object.metadata.?name.orValue('') \
             + ' -n ' + request.namespace + ' --type=merge -p ' + {} : 'kubectl scale ' + \
             request.kind.kind.lowerAscii() + ' ' + object.metadata.?name.orValue('') + ' -n ' + \
             request.namespace + ' --replicas=1') + '. With accessModes: [ReadWriteOncePod] in the \
             claim the scheduler starts no second pod' + (request.resource.resource == 'deployments' \
             ? '; Recreate covers changes only, not a pod that is deleted or evicted' : '')",
            quote(&format!("'{patch}'"))
        )),
        ..Validation::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warning_is_for_changes_that_start_pods() {
        let spec = build_two_servers_warning().spec.unwrap_or_default();
        let conditions = spec.match_conditions.unwrap_or_default();
        assert_eq!(conditions.len(), 1);
        for part in ["template", "replicas", "strategy"] {
            assert!(conditions[0].expression.contains(part), "{conditions:?}");
        }
    }
}
