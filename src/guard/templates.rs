//! The admission policies about the pod template of a guarded workload: its data volumes stay
//! mounted, and another claim is warned about. Builders only.

use k8s_openapi::api::admissionregistration::v1::{
    NamedRuleWithOperations, ValidatingAdmissionPolicy, Validation, Variable,
};

use super::cel::old_annotation;
use super::policy::{policy, rule, select_guarded, variable};
use super::refusal::{refusal_variables, refuse_unless};
use crate::api::names::MOUNT_REPAIR_ANNOTATION;

/// Name of the policy, and of its binding, that refuses to remove data volumes from a guarded
/// workload.
pub const TEMPLATE_POLICY: &str = "holdfast-template-guard";
/// Name of the policy, and of its binding, that warns when a guarded workload is to start on
/// another claim.
pub const OTHER_CLAIM_POLICY: &str = "holdfast-other-claim";

/// Refuses UPDATE that removes a claim, or the mount of one, from the pod template: the next start
/// would be on an empty directory. A mount that the operator has found above the data may be
/// put where it belongs.
pub(super) fn build_template_guard() -> ValidatingAdmissionPolicy {
    let mut variables = refusal_variables();
    variables.extend(template_variables());
    variables.extend([
        variable(
            "missing",
            "variables.before.map(v, v.name).filter(n, !variables.after.exists(v, v.name == \
            n)).join(', ')"
                .to_owned(),
        ),
        variable(
            "data",
            "variables.before.map(v, v.name) + \
             dyn(oldObject.spec).?volumeClaimTemplates.orValue([]).map(t, t.metadata.name)"
                .to_owned(),
        ),
        variable("repair", old_annotation(MOUNT_REPAIR_ANNOTATION)),
        variable(
            "unmounted",
            "oldObject.spec.template.spec.containers.map(c, c.?volumeMounts.orValue([]).filter(m, \
             m.name in variables.data && !object.spec.template.spec.containers.exists(n, n.name == \
             c.name && n.?volumeMounts.orValue([]).exists(k, k.name == m.name && (k.mountPath == \
             m.mountPath && k.?subPath.orValue('') == m.?subPath.orValue('') || variables.repair \
             == c.name + ' ' + m.mountPath + ' -> ' + k.mountPath)))).map(m, m.mountPath \
             + ' of container ' + c.name)\
             .join(', ')).filter(text, text != '').join(', ')"
                .to_owned(),
        ),
    ]);
    let loss = "Postgres would start on an empty directory";
    let validations = vec![
        refuse_unless(
            "variables.missing == '' || variables.confirmed",
            &format!(
                "'Holdfast refuses to remove the claim of volume ' + variables.missing + ' from ' \
                 + variables.target + ': ' + variables.guarded + '. {loss}'"
            ),
            "change it",
        ),
        refuse_unless(
            "variables.unmounted == '' || variables.confirmed",
            &format!(
                "'Holdfast refuses to remove the mount at ' + variables.unmounted + ' from ' + \
                 variables.target + ': ' + variables.guarded + '. {loss}'"
            ),
            "change it",
        ),
    ];
    policy(
        TEMPLATE_POLICY,
        select_guarded(template_changes()),
        variables,
        validations,
    )
}

/// Warns, and refuses nothing, when a volume is to come from another claim: how data is moved on
/// purpose, and also how it is lost.
pub(super) fn build_other_claim_warning() -> ValidatingAdmissionPolicy {
    let mut variables = template_variables().to_vec();
    variables.push(variable(
        "switched",
        "variables.before.filter(v, variables.after.exists(n, n.name == v.name && \
         n.persistentVolumeClaim.claimName != v.persistentVolumeClaim.claimName)).map(v, \
         v.persistentVolumeClaim.claimName).join(', ')"
            .to_owned(),
    ));
    let warning = Validation {
        expression: "variables.switched == ''".to_owned(),
        message: Some("the next start is on another claim".to_owned()),
        message_expression: Some(
            "'Holdfast warns: ' + request.kind.kind + ' ' + object.metadata.name + ' runs on claim \
             ' + variables.switched + ', and its next start would be on another claim. If the data \
             is on the current claim, undo the change: kubectl rollout undo ' + \
             request.kind.kind.lowerAscii() + '/' + object.metadata.name + ' -n ' + \
             object.metadata.namespace"
                .to_owned(),
        ),
        ..Validation::default()
    };
    let mut warns = policy(
        OTHER_CLAIM_POLICY,
        select_guarded(template_changes()),
        variables,
        vec![warning],
    );
    if let Some(spec) = &mut warns.spec {
        spec.failure_policy = Some("Ignore".to_owned());
    }
    warns
}

fn template_changes() -> Vec<NamedRuleWithOperations> {
    vec![
        rule("apps", "v1", "statefulsets", &["UPDATE"]),
        rule("apps", "v1", "deployments", &["UPDATE"]),
    ]
}

/// The volumes that come from claims, as they were and as they would be.
fn template_variables() -> [Variable; 2] {
    let claims = |object: &str| {
        format!(
            "{object}.spec.template.spec.?volumes.orValue([]).filter(v, \
             has(v.persistentVolumeClaim))"
        )
    };
    [
        variable("before", claims("oldObject")),
        variable("after", claims("object")),
    ]
}
