//! How a refusal reads: what is refused, what it would mean, the command that shows more, and last
//! the commands that confirm. One line, because the API server drops a message with a line break.

use k8s_openapi::api::admissionregistration::v1::{Validation, Variable};

use super::GUARDED_RESOURCES;
use super::cel::{map, old_annotation, quote};
use super::confirmation::NOW;
use super::confirmed::{confirmed, confirmed_variables, stated, written_well};
use super::policy::variable;
use crate::api::names::PROTECTED_BY_ANNOTATION;
use crate::api::{CONFIRMATION_LIMIT, ConfirmedVerb};

/// The longest `NAMESPACE/NAME`.
const OWNER_LIMIT: usize = 63 + 1 + 253;
/// `NAMESPACE/NAME`, as [`crate::api::split_owner`] reads it.
const OWNER_PATTERN: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

/// How every refusal of a deletion or of a change begins.
pub const REFUSAL: &str = "Holdfast refuses to ";

/// Which confirmation a refusal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// That of this verb.
    For(ConfirmedVerb),
    /// That of a deletion where it is under way, else that of a change: without its last finalizer
    /// an object that is being deleted is gone.
    ForWhatIsUnderWay,
}

impl Asks {
    /// One of two pieces of CEL: for a deletion, or for a change.
    fn choose(self, deletion: &str, change: &str) -> String {
        match self {
            Self::For(ConfirmedVerb::Delete) => deletion.to_owned(),
            Self::For(ConfirmedVerb::Change) => change.to_owned(),
            Self::ForWhatIsUnderWay => {
                format!("(has(oldObject.metadata.deletionTimestamp) ? {deletion} : {change})")
            }
        }
    }

    fn choose_by(self, value: impl Fn(ConfirmedVerb) -> String) -> String {
        self.choose(&value(ConfirmedVerb::Delete), &value(ConfirmedVerb::Change))
    }

    /// CEL that is true while it is confirmed.
    pub(super) fn confirmed(self) -> String {
        self.choose_by(confirmed)
    }

    /// CEL: how to confirm, from "To … anyway" to the command for those without the plugin.
    pub(super) fn way_on(self, act: &str, again: &str) -> String {
        let minutes = CONFIRMATION_LIMIT.as_secs() / 60;
        format!(
            "' To {act} anyway: kubectl holdfast unlock ' + variables.word + '/' + \
             oldObject.metadata.name + variables.scope + {flag} + '{again}; the confirmation is \
             good for {minutes} minutes. Without the plugin: kubectl annotate ' + variables.word + ' ' + \
             oldObject.metadata.name + variables.scope + ' --overwrite ' + {annotation} + '=' + \
             oldObject.metadata.uid + {now}",
            flag = self.choose("''", "' --change'"),
            annotation = self.choose_by(|verb| quote(verb.annotation())),
            now = quote(&format!("/{NOW}")),
        )
    }
}

/// A rule about a guarded object. Its message is `refused`, a CEL expression that says what is
/// refused and what it would mean, then how to see more and how to `act` anyway, such as "delete it".
pub(super) fn refuse_unless(allowed: &str, refused: &str, act: &str, asks: Asks) -> Validation {
    let stale = format!(
        "({stated} == '' || {confirmed} ? '' : '. The confirmation that it carries has ended, or is \
         not of this object')",
        stated = asks.choose_by(stated),
        confirmed = asks.confirmed(),
    );
    Validation {
        expression: allowed.to_owned(),
        message: Some(
            "Holdfast guards this object: to delete or change it anyway, confirm with kubectl \
             holdfast unlock"
                .to_owned(),
        ),
        message_expression: Some(format!(
            "{refused} + {stale} + '. To see what depends on it: ' + variables.status + '.' + {}",
            asks.way_on(act, &format!(", then {act} again"))
        )),
        reason: Some("Forbidden".to_owned()),
    }
}

/// Refuses to write a confirmation that is none: of another object, without a time, of another time
/// than now. So one that is written is good for 15 minutes at most.
pub(super) fn refuse_bad_confirmations() -> Vec<Validation> {
    let refuse = |verb: ConfirmedVerb| {
        let noun = verb.noun();
        let refused = format!(
            "'{REFUSAL}take this for a confirmation: the {noun} of ' + variables.target + ' is \
             confirmed by its UID and the time of now in UTC, and by nothing else. The clock of \
             the API server says ' + string(variables.times.max()) + '.'"
        );
        Validation {
            expression: written_well(verb),
            message: Some(format!(
                "{REFUSAL}take this for a confirmation of a {noun}: it must be UID/TIME, the UID \
                 of the object and the time of now in UTC. Use kubectl holdfast unlock"
            )),
            message_expression: Some(format!(
                "{refused} + {}",
                Asks::For(verb).way_on("confirm it", "")
            )),
            reason: Some("Forbidden".to_owned()),
        }
    };
    ConfirmedVerb::ALL.map(refuse).into()
}

/// The variables of every refusal: the names of the object and of the ProtectedDatabase that guards
/// it, and what a user has confirmed.
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
             oldObject.metadata.name : !variables.owner.contains('/') ? 'kubectl get protdb' + \
             (variables.scope == '' ? ' -A' : variables.scope) : \
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
    let mut variables = confirmed_variables();
    variables.extend([
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
    ]);
    variables
}

fn words() -> String {
    map(GUARDED_RESOURCES
        .iter()
        .map(|resource| (resource.resource, resource.word))
        .chain([("customresourcedefinitions", "crd")]))
}
