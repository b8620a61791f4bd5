//! The admission policies about the pod template of a guarded workload: its data stays mounted where
//! it is, and another claim or another server is warned about. Builders only.

use k8s_openapi::api::admissionregistration::v1::{
    NamedRuleWithOperations, ValidatingAdmissionPolicy, Validation, Variable,
};

use super::cel::old_annotation;
use super::policy::{failing_open, policy, rule, select_guarded, variable};
use super::refusal::{refusal_variables, refuse_unless};
use crate::api::names::MOUNT_REPAIR_ANNOTATION;

/// Name of the policy, and of its binding, that refuses to remove data volumes from a guarded
/// workload.
pub const TEMPLATE_POLICY: &str = "holdfast-template-guard";
/// Name of the policy, and of its binding, that warns when a guarded workload is to start on
/// another claim.
pub const OTHER_CLAIM_POLICY: &str = "holdfast-other-claim";
/// Name of the policy, and of its binding, that warns when another Postgres is to start, or one that
/// looks for its data elsewhere.
pub const OTHER_SERVER_POLICY: &str = "holdfast-other-server";

/// Volumes that may hold an empty directory, or other data. A file of a `ConfigMap` below the data is
/// none of them.
const COVERING: &[&str] = &[
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "csi",
    "emptyDir",
    "ephemeral",
    "fc",
    "flexVolume",
    "gcePersistentDisk",
    "glusterfs",
    "hostPath",
    "image",
    "iscsi",
    "nfs",
    "persistentVolumeClaim",
    "portworxVolume",
    "rbd",
];

/// Refuses UPDATE that removes a claim, or the mount of one, from the pod template, or covers its
/// data: the next start would be on an empty directory. A mount that the operator has found above the
/// data may be put where it belongs. Another name of a container or of a volume, and a slash at the
/// end of a path, change nothing for the data.
pub(super) fn build_template_guard() -> ValidatingAdmissionPolicy {
    let mut variables = refusal_variables();
    variables.extend(template_variables());
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
        refuse_unless(
            "variables.covered == '' || variables.confirmed",
            "'Holdfast refuses to mount another volume at ' + variables.covered + ' in ' + \
             variables.target + ': ' + variables.guarded + '. It would cover files of the database, \
             and Postgres would start without them'",
            "change it",
        ),
        refuse_unless(
            "!variables.renumbered || variables.confirmed",
            "'Holdfast refuses to change spec.ordinals.start of ' + variables.target + ': ' + \
             variables.guarded + '. Pods with other numbers have other claims, and Postgres would \
             start on empty ones'",
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

/// The data volumes by name, as the template had them and as it would.
fn mount_variables() -> [Variable; 2] {
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

/// A path without what changes nothing about it.
fn plain_path(mount: &str) -> String {
    format!("{mount}.mountPath.split('/').filter(part, part != '').join('/')")
}

/// The data mounts that no container would have any more: the one that had it, or one in its place.
fn build_unmounted() -> String {
    let same_field = |field: &str| format!("k.?{field}.orValue('') == m.?{field}.orValue('')");
    // By name, or by the claim that has another name now.
    let same_volume = "(k.name == m.name || variables.after.exists(a, a.name == k.name && \
        variables.before.exists(b, b.name == m.name && b.persistentVolumeClaim.claimName == \
        a.persistentVolumeClaim.claimName)))";
    format!(
        "oldObject.spec.template.spec.containers.map(c, c.?volumeMounts.orValue([]).filter(m, \
         m.name in variables.data && !object.spec.template.spec.containers.exists(n, (n.name == \
         c.name || (!object.spec.template.spec.containers.exists(x, x.name == c.name) && \
         !oldObject.spec.template.spec.containers.exists(x, x.name == n.name))) && \
         n.?volumeMounts.orValue([]).exists(k, {same_volume} && {} && (({} == {} && {}) || \
         variables.repair == c.name + ' ' + m.mountPath + ' -> ' + k.mountPath)))).map(m, \
         m.mountPath + ' of container ' + c.name).join(', ')).filter(text, text != '').join(', ')",
        same_field("subPathExpr"),
        plain_path("k"),
        plain_path("m"),
        same_field("subPath"),
    )
}

/// New mounts below a data mount, of volumes that may hold an empty directory or other data.
fn build_covered() -> String {
    let kinds: Vec<String> = COVERING
        .iter()
        .map(|kind| format!("has(dyn(v).{kind})"))
        .collect();
    format!(
        "object.spec.template.spec.containers.map(c, c.?volumeMounts.orValue([]).filter(k, \
         (object.spec.template.spec.?volumes.orValue([]).exists(v, v.name == k.name && ({})) || \
         k.name in variables.data_after) && c.volumeMounts.exists(m, m.name in \
         variables.data_after && {}.startsWith({} + '/')) && \
         !oldObject.spec.template.spec.containers.exists(b, b.?volumeMounts.orValue([]).exists(l, \
         l.name == k.name && {} == {}))).map(k, k.mountPath + ' of container ' + c.name).join(', \
         ')).filter(text, text != '').join(', ')",
        kinds.join(" || "),
        plain_path("k"),
        plain_path("m"),
        plain_path("l"),
        plain_path("k"),
    )
}

/// Warns, and refuses nothing, when a container with the data is to run another Postgres, or to look
/// for its data elsewhere: how a server is upgraded, and also how it comes to start with nothing.
pub(super) fn build_other_server_warning() -> ValidatingAdmissionPolicy {
    let mut variables = template_variables().to_vec();
    variables.extend(mount_variables());
    // Of `registry:5000/team/postgres:17.2-alpine@sha256:…`: `postgres`, and `17`.
    let last = |image: &str| {
        format!("{image}.split('@')[0].substring({image}.split('@')[0].lastIndexOf('/') + 1)")
    };
    let family = |image: &str| format!("{}.split(':')[0]", last(image));
    let major = |image: &str| {
        let last = last(image);
        format!("({last}.contains(':') ? {last}.split(':')[1].find('^[0-9]+') : '')")
    };
    let variable_of =
        |container: &str| format!("{container}.?env.orValue([]).filter(e, e.name == 'PGDATA')");
    variables.push(variable(
        "changed",
        format!(
            "oldObject.spec.template.spec.containers.filter(c, c.?volumeMounts.orValue([]).exists(m, \
             m.name in variables.data)).map(c, object.spec.template.spec.containers.filter(n, n.name \
             == c.name).map(n, (({} == {} && ({new} == '' || {old} == '' || {new} == {old})) ? '' : \
             'the image of container ' + c.name + ' from ' + c.?image.orValue('') + ' to ' + \
             n.?image.orValue('')) + ({} == {} ? '' : ' PGDATA of container ' + c.name)).join(' \
             ').trim()).filter(text, text != '').join(', ')",
            family("c.?image.orValue('')"),
            family("n.?image.orValue('')"),
            variable_of("n"),
            variable_of("c"),
            old = major("c.?image.orValue('')"),
            new = major("n.?image.orValue('')"),
        ),
    ));
    let warning = Validation {
        expression: "variables.changed == ''".to_owned(),
        message: Some("the next start may look for its data elsewhere".to_owned()),
        message_expression: Some(
            "'Holdfast warns: this changes ' + variables.changed + '. Another image, major version \
             or PGDATA may look for the data in another directory, and initialize an empty database \
             there. If that is not meant, undo the change: kubectl rollout undo ' + \
             request.kind.kind.lowerAscii() + '/' + object.metadata.name + ' -n ' + \
             object.metadata.namespace"
                .to_owned(),
        ),
        ..Validation::default()
    };
    warn(OTHER_SERVER_POLICY, variables, warning)
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

fn warn(name: &str, variables: Vec<Variable>, warning: Validation) -> ValidatingAdmissionPolicy {
    failing_open(policy(
        name,
        select_guarded(template_changes()),
        variables,
        vec![warning],
    ))
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
