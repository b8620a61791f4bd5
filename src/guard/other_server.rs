//! The policy that warns, and never refuses, when another Postgres is to start on guarded data, or one
//! that looks for its data elsewhere.

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, Validation};

use super::data_directory::{
    directory_variables, directory_words, has_directory_variable, referred_variables,
    related_variables,
};
use super::policy::variable;
use super::templates::{mount_variables, template_variables, warn};

/// Name of the policy, and of its binding, that warns when another Postgres is to start, or one that
/// looks for its data elsewhere.
pub const OTHER_SERVER_POLICY: &str = "holdfast-other-server";

/// Warns, and refuses nothing, when a container with the data is to run another Postgres, or to look
/// for its data elsewhere: how a server is upgraded, and also how it comes to start with nothing. Of
/// arguments only those count that say where the data is.
pub(super) fn build_other_server_warning() -> ValidatingAdmissionPolicy {
    let mut variables = template_variables().to_vec();
    variables.extend(mount_variables());
    variables.push(variable(
        "changed",
        format!(
            "variables.ran.filter(c, c.?volumeMounts.orValue([]).exists(m, m.name in \
             variables.data)).map(c, variables.runs.filter(n, n.name == c.name).map(n, [{}, {}, {}, \
             {}, {}].filter(text, text != '').join(', ')).filter(text, text != '').join(', ')).filter(text, \
             text != '').join(', ')",
            image(),
            other_directory(),
            other_related(),
            other_arguments(),
            other_sources(),
        ),
    ));
    let warning = Validation {
        expression: "variables.changed == ''".to_owned(),
        message: Some("the next start may look for its data elsewhere".to_owned()),
        message_expression: Some(
            "'Holdfast warns: this changes ' + variables.changed + '. The next start may look for the \
             data in another directory, and initialize an empty database there. If that is not \
             meant, undo the change: kubectl rollout undo ' + request.kind.kind.lowerAscii() + '/' + object.metadata.name + ' -n ' + \
             object.metadata.namespace"
                .to_owned(),
        ),
        ..Validation::default()
    };
    warn(OTHER_SERVER_POLICY, variables, warning)
}

/// Another family of images, or another major version.
fn image() -> String {
    // Of `registry:5000/team/postgres:17.2-alpine@sha256:…`: `postgres`, and `17`.
    let last = |image: &str| {
        format!("{image}.split('@')[0].substring({image}.split('@')[0].lastIndexOf('/') + 1)")
    };
    let family = |image: &str| format!("{}.split(':')[0]", last(image));
    let major = |image: &str| {
        let last = last(image);
        format!("({last}.contains(':') ? {last}.split(':')[1].find('^[0-9]+') : '')")
    };
    format!(
        "(({} == {} && ({new} == '' || {old} == '' || {new} == {old})) ? '' : 'the image of \
         container ' + c.name + ' from ' + c.?image.orValue('') + ' to ' + n.?image.orValue(''))",
        family("c.?image.orValue('')"),
        family("n.?image.orValue('')"),
        old = major("c.?image.orValue('')"),
        new = major("n.?image.orValue('')"),
    )
}

/// Another value of a variable with the data directory, or of one that its value refers to.
fn other_directory() -> String {
    let of = |container: &str| {
        let values = format!(
            "{}.map(e, e.?value.orValue('')).join(' ')",
            directory_variables(container)
        );
        (
            directory_variables(container),
            referred_variables(container, &values),
        )
    };
    let ((new, new_referred), (old, old_referred)) = (of("n"), of("c"));
    format!(
        "({new} == {old} && {new_referred} == {old_referred} ? '' : 'PGDATA of container ' + c.name)"
    )
}

/// Another value of a variable from which the image makes the data directory.
fn other_related() -> String {
    format!(
        "({} == {} ? '' : 'PGROOT, PGVERSION or POSTGRESQL_VOLUME_DIR of container ' + c.name)",
        related_variables("n"),
        related_variables("c"),
    )
}

/// Other arguments that say where the data is.
fn other_arguments() -> String {
    let referred = |container: &str| {
        let words = format!("{}.join(' ')", directory_words(container));
        referred_variables(container, &words)
    };
    format!(
        "({} == {} && {} == {} ? '' : 'the data directory in the arguments of container ' + c.name)",
        directory_words("n"),
        directory_words("c"),
        referred("n"),
        referred("c"),
    )
}

/// A Secret or ConfigMap with variables that may name the data directory, where no variable of the
/// container does, which would win.
fn other_sources() -> String {
    format!(
        "({} || n.?envFrom.orValue([]) == c.?envFrom.orValue([]) ? '' : 'envFrom of container ' + \
         c.name)",
        has_directory_variable("n")
    )
}
