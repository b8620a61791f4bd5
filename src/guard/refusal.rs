//! How a refusal reads: what is refused, what it would mean, the command that shows more, and last
//! the commands that confirm. One line, because the API server drops a message with a line break.

use k8s_openapi::api::admissionregistration::v1::{Validation, Variable};

use super::GUARDED_RESOURCES;
use super::cel::{map, old_annotation, quote};
use super::policy::variable;
use crate::api::names::{CONFIRM_DELETION_ANNOTATION, PROTECTED_BY_ANNOTATION};

/// The longest `NAMESPACE/NAME`.
const OWNER_LIMIT: usize = 63 + 1 + 253;
/// `NAMESPACE/NAME`, as [`crate::api::split_owner`] reads it.
const OWNER_PATTERN: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

/// How every refusal of a deletion or of a change begins.
pub const REFUSAL: &str = "Holdfast refuses to ";

/// A rule about a guarded object. Its message is `refused`, a CEL expression that says what is
/// refused and what it would mean, then how to see more and how to `act` anyway, such as "delete it".
pub(super) fn refuse_unless(allowed: &str, refused: &str, act: &str) -> Validation {
    let way_on = format!(
        "'. To see what depends on it: ' + variables.status + '. To {act} anyway: kubectl \
         holdfast unlock ' + variables.word + '/' + oldObject.metadata.name + variables.scope + ', \
         then {act} again. Without the plugin: kubectl annotate ' + variables.word + ' ' + \
         oldObject.metadata.name + variables.scope + ' --overwrite ' + variables.confirmation + \
         '=' + oldObject.metadata.uid"
    );
    Validation {
        expression: allowed.to_owned(),
        message: Some(
            "Holdfast guards this object: to delete or change it anyway, confirm with kubectl \
             holdfast unlock"
                .to_owned(),
        ),
        message_expression: Some(format!("{refused} + {way_on}")),
        reason: Some("Forbidden".to_owned()),
    }
}

/// The variables of every refusal: the names of the object and of the ProtectedDatabase that guards
/// it, and whether a user has confirmed by the object's own UID.
pub(super) fn refusal_variables() -> Vec<Variable> {
    let mut variables = confirmation_variables();
    variables.extend([
        variable("owner", owner()),
        variable(
            "guarded",
            "request.resource.resource == 'namespaces' ? 'it contains protected databases' : \
             request.resource.resource == 'protecteddatabases' ? 'it protects a database' : \
             variables.owner == '' ? 'it belongs to a ProtectedDatabase' : 'it belongs to \
             ProtectedDatabase ' + variables.owner"
                .to_owned(),
        ),
        variable(
            "status",
            "request.resource.resource == 'namespaces' ? 'kubectl get protdb -n ' + \
             oldObject.metadata.name : !variables.owner.contains('/') ? 'kubectl get protdb -A' : \
             'kubectl holdfast status ' + variables.owner.split('/')[1] + ' -n ' + \
             variables.owner.split('/')[0]"
                .to_owned(),
        ),
    ]);
    variables
}

/// The ProtectedDatabase that an object's annotation names, or nothing: the text is quoted, and stands
/// in a command, so it must be a name, and of a database that the object can belong to. Its size
/// comes first, so that a long text costs nothing.
fn owner() -> String {
    let text = old_annotation(PROTECTED_BY_ANNOTATION);
    format!(
        "size({text}) <= {OWNER_LIMIT} && {text}.matches({}) && \
         (oldObject.metadata.?namespace.orValue('') == '' || \
         {text}.startsWith(oldObject.metadata.namespace + '/')) ? {text} : ''",
        quote(OWNER_PATTERN)
    )
}

/// The variables of a refusal of an object that no ProtectedDatabase owns. `status`, a command that
/// shows more, is left to the caller.
pub(super) fn confirmation_variables() -> Vec<Variable> {
    vec![
        variable("confirmation", quote(CONFIRM_DELETION_ANNOTATION)),
        variable(
            "confirmed",
            format!(
                "{} == oldObject.metadata.uid",
                old_annotation(CONFIRM_DELETION_ANNOTATION)
            ),
        ),
        variable(
            "word",
            format!(
                "{}[?request.resource.resource].orValue(request.resource.resource)",
                words()
            ),
        ),
        variable(
            "scope",
            "request.resource.resource == 'namespaces' || \
             oldObject.metadata.?namespace.orValue('') == '' ? '' : ' -n ' + \
             oldObject.metadata.namespace"
                .to_owned(),
        ),
        variable(
            "target",
            "request.kind.kind + ' ' + oldObject.metadata.name + (variables.scope == '' ? '' : ' \
             in namespace ' + oldObject.metadata.namespace)"
                .to_owned(),
        ),
    ]
}

fn words() -> String {
    map(GUARDED_RESOURCES
        .iter()
        .map(|resource| (resource.resource, resource.word))
        .chain([("customresourcedefinitions", "crd")]))
}
