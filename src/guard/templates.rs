//! The admission policies about the pod template of a guarded workload: its data stays mounted where
//! it is, and another claim is warned about. Builders only.

use k8s_openapi::api::admissionregistration::v1::{
    NamedRuleWithOperations, ValidatingAdmissionPolicy, Validation, Variable,
};

use super::cel::old_annotation;
use super::data_directory::{goes_up, long_running, plain_path, referred_variables};
use super::policy::{failing_open, policy, rule, select_guarded, variable};
use super::refusal::{Asks, refusal_variables, refuse_unless};
use crate::api::ConfirmedVerb;
use crate::api::names::MOUNT_REPAIR_ANNOTATION;

/// Name of the policy, and of its binding, that refuses to remove data volumes from a guarded
/// workload.
pub const TEMPLATE_POLICY: &str = "holdfast-template-guard";
/// Name of the policy, and of its binding, that warns when a guarded workload is to start on
/// another claim.
pub const OTHER_CLAIM_POLICY: &str = "holdfast-other-claim";

/// Volumes that hold files of the API and no data: one below the data is a configuration, and covers none
/// of it. Any other kind may hold an empty directory, or other data.
const COVERING_NOTHING: &[&str] = &["configMap", "downwardAPI", "projected", "secret"];

/// Refuses UPDATE that removes a claim, or the mount of one, from the pod template, or covers its
/// data: the next start would be on an empty directory. A mount that the operator has found above the
/// data may be put where it belongs. Another name of a container or of a volume, and a slash at the
/// end of a path, change nothing for the data.
pub(super) fn build_template_guard() -> ValidatingAdmissionPolicy {
    let mut variables = refusal_variables();
    variables.extend(data_volume_variables());
    let loss = "Postgres would start on an empty directory";
    let change = Asks::For(ConfirmedVerb::Change);
    let confirmed = change.confirmed();
    let validations = vec![
        refuse_unless(
            &format!("variables.missing == '' || {confirmed}"),
            &format!(
                "'Holdfast refuses to remove the claim of volume ' + variables.missing + ' from ' \
                 + variables.target + ': ' + variables.guarded + '. {loss}'"
            ),
            "change it",
            change,
        ),
        refuse_unless(
            &format!("variables.unmounted == '' || {confirmed}"),
            &format!(
                "'Holdfast refuses to remove the mount at ' + variables.unmounted + ' from ' + \
                 variables.target + ': ' + variables.guarded + '. {loss}'"
            ),
            "change it",
            change,
        ),
        refuse_unless(
            &format!("variables.covered == '' || {confirmed}"),
            "'Holdfast refuses to mount another volume at ' + variables.covered + ' in ' + \
             variables.target + ': ' + variables.guarded + '. It would cover files of the database, \
             and Postgres would start without them'",
            "change it",
            change,
        ),
        refuse_unless(
            &format!("!variables.renumbered || {confirmed}"),
            "'Holdfast refuses to change spec.ordinals.start of ' + variables.target + ': ' + \
             variables.guarded + '. Pods with other numbers have other claims, and Postgres would \
             start on empty ones'",
            "change it",
            change,
        ),
    ];
    policy(
        TEMPLATE_POLICY,
        select_guarded(template_changes()),
        variables,
        validations,
    )
}

/// The data volumes by name, as the template had them and as it would.
pub(super) fn mount_variables() -> [Variable; 2] {
    let names = |claims: &str, object: &str| {
        format!(
            "variables.{claims}.map(v, v.name) + \
             dyn({object}.spec).?volumeClaimTemplates.orValue([]).map(t, t.metadata.name)"
        )
    };
    [
        variable("data", names("before", "oldObject")),
        variable("data_after", names("after", "object")),
    ]
}

/// The same volume, by its name or by the claim that has another name now.
fn same_volume(new: &str, old: &str) -> String {
    format!(
        "({new}.name == {old}.name || variables.after.exists(a, a.name == {new}.name && \
         variables.before.exists(b, b.name == {old}.name && b.persistentVolumeClaim.claimName == \
         a.persistentVolumeClaim.claimName)))"
    )
}

/// The same container, or the one in its place under another name.
fn same_container(new: &str, old: &str) -> String {
    format!(
        "({new}.name == {old}.name || (!variables.runs.exists(x, x.name == {old}.name) && \
         !variables.ran.exists(x, x.name == {new}.name)))"
    )
}

fn same_field(field: &str, new: &str, old: &str) -> String {
    format!("{new}.?{field}.orValue('') == {old}.?{field}.orValue('')")
}

/// The same directory of the volume, also where a variable says which.
fn same_directory(new: (&str, &str), old: (&str, &str)) -> String {
    let ((new_container, new), (old_container, old)) = (new, old);
    let referred = |container: &str, mount: &str| {
        referred_variables(container, &format!("{mount}.?subPathExpr.orValue('')"))
    };
    format!(
        "{} && {} && ({new}.?subPathExpr.orValue('') == '' || {} == {})",
        same_field("subPath", new, old),
        same_field("subPathExpr", new, old),
        referred(new_container, new),
        referred(old_container, old),
    )
}

/// The data mounts that no container would have any more: the one that had it, or one in its place.
fn build_unmounted() -> String {
    format!(
        "variables.ran.map(c, c.?volumeMounts.orValue([]).filter(m, m.name in variables.data && \
         !variables.runs.exists(n, {} && n.?volumeMounts.orValue([]).exists(k, {} && (({} == {} && \
         {}) || (variables.repair == c.name + ' ' + m.mountPath + ' -> ' + k.mountPath && {}))))).map(m, \
         m.mountPath + ' of container ' + c.name).join(', ')).filter(text, text != '').join(', ')",
        same_container("n", "c"),
        same_volume("k", "m"),
        plain_path("k.mountPath"),
        plain_path("m.mountPath"),
        same_directory(("n", "k"), ("c", "m")),
        same_field("subPathExpr", "k", "m"),
    )
}

/// New mounts that cover a data mount: below it, of volumes that may hold an empty directory or other
/// data; at its very path, which the API server permits in another spelling, of any volume, because
/// the container runtime mounts the later one over the earlier. A path that goes up may be any.
fn build_covered() -> String {
    let kinds: Vec<String> = COVERING_NOTHING
        .iter()
        .map(|kind| format!("!has(dyn(v).{kind})"))
        .collect();
    format!(
        "variables.runs.map(c, c.?volumeMounts.orValue([]).filter(k, c.volumeMounts.exists(m, m.name \
         in variables.data_after && k != m && ({up_k} || {path_k} == {path_m} || (({up_m} || \
         {path_k}.startsWith({path_m} + '/')) && (k.name in variables.data_after || \
         object.spec.template.spec.?volumes.orValue([]).exists(v, v.name == k.name && ({})))))) && \
         !variables.ran.exists(o, {} && o.?volumeMounts.orValue([]).exists(l, {} && {} == {path_k} && \
         {}))).map(k, k.mountPath + ' of container ' + c.name).join(', ')).filter(text, text != \
         '').join(', ')",
        kinds.join(" && "),
        same_container("c", "o"),
        same_volume("k", "l"),
        plain_path("l.mountPath"),
        same_directory(("c", "k"), ("o", "l")),
        up_k = goes_up("k.mountPath"),
        up_m = goes_up("m.mountPath"),
        path_k = plain_path("k.mountPath"),
        path_m = plain_path("m.mountPath"),
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
    warn(OTHER_CLAIM_POLICY, variables, warning)
}

/// A policy that warns about a change of the pod template.
pub(super) fn warn(
    name: &str,
    variables: Vec<Variable>,
    warning: Validation,
) -> ValidatingAdmissionPolicy {
    failing_open(policy(
        name,
        select_guarded(template_changes()),
        variables,
        vec![warning],
    ))
}

/// What a change of the pod template does to claims and mounts of data.
pub(super) fn data_volume_variables() -> Vec<Variable> {
    let mut variables = template_variables().to_vec();
    variables.extend(mount_variables());
    variables.extend([
        variable(
            "missing",
            "variables.before.filter(v, !variables.after.exists(n, n.name == v.name || \
             n.persistentVolumeClaim.claimName == v.persistentVolumeClaim.claimName)).map(v, \
             v.name).join(', ')"
                .to_owned(),
        ),
        variable("repair", old_annotation(MOUNT_REPAIR_ANNOTATION)),
        variable("unmounted", build_unmounted()),
        variable("covered", build_covered()),
        variable(
            "renumbered",
            "dyn(object.spec).?ordinals.?start.orValue(0) != \
             dyn(oldObject.spec).?ordinals.?start.orValue(0)"
                .to_owned(),
        ),
    ]);
    variables
}

fn template_changes() -> Vec<NamedRuleWithOperations> {
    vec![
        rule("apps", "v1", "statefulsets", &["UPDATE"]),
        rule("apps", "v1", "deployments", &["UPDATE"]),
    ]
}

/// The volumes that come from claims, and the containers that run on, as they were and as they would
/// be: an init container that is restarted may be a server too.
pub(super) fn template_variables() -> [Variable; 4] {
    let claims = |object: &str| {
        format!(
            "{object}.spec.template.spec.?volumes.orValue([]).filter(v, \
             has(v.persistentVolumeClaim))"
        )
    };
    [
        variable("before", claims("oldObject")),
        variable("after", claims("object")),
        variable("ran", long_running("oldObject")),
        variable("runs", long_running("object")),
    ]
}
