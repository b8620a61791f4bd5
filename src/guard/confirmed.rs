//! CEL that says whether a confirmation is in force. It has no clock: it knows the times that the API
//! server itself has written on the object, the newest of which is that of the request where the
//! request adds anything. Builders only.

use k8s_openapi::api::admissionregistration::v1::Variable;

use super::cel::{new_annotation, old_annotation, quote};
use super::policy::variable;
use crate::api::{CLOCK_TOLERANCE, CONFIRMATION_LIMIT, CONFIRMATION_TIME, ConfirmedVerb};

/// The word of a verb in the names of variables.
const fn word(verb: ConfirmedVerb) -> &'static str {
    match verb {
        ConfirmedVerb::Delete => "deletion",
        ConfirmedVerb::Change => "change",
    }
}

/// CEL that is true while a verb is confirmed on the object as stored.
pub(super) fn confirmed(verb: ConfirmedVerb) -> String {
    format!("variables.{}_confirmed", word(verb))
}

/// CEL that is true unless the request writes a confirmation that is none: not of this object, or
/// not of now.
pub(super) fn written_well(verb: ConfirmedVerb) -> String {
    let (written, stated) = (new_annotation(verb.annotation()), stated(verb));
    format!(
        "{written} == '' || {written} == {stated} || ({})",
        in_force(&written)
    )
}

/// CEL: the confirmation of a verb as stored.
pub(super) fn stated(verb: ConfirmedVerb) -> String {
    format!("variables.{}_stated", word(verb))
}

/// The variables of [`confirmed`] and [`written_well`].
///
/// A removal writes no time, and nor does a deletion: then the newest time is that of an earlier
/// write, so an end that has passed since is not seen here. The operator removes what has ended.
pub(super) fn confirmed_variables() -> Vec<Variable> {
    let mut variables = vec![variable(
        "times",
        "(request.operation == 'DELETE' ? oldObject : \
         object).metadata.?managedFields.orValue([]).filter(f, has(f.time)).map(f, \
         timestamp(f.time))"
            .to_owned(),
    )];
    for verb in ConfirmedVerb::ALL {
        let stated = stated(verb);
        let whole = match verb {
            // A deletion that is under way can't be undone: what counts is when it began.
            ConfirmedVerb::Delete => format!(
                "has(oldObject.metadata.deletionTimestamp) ? {} && {} && \
                 timestamp(oldObject.metadata.deletionTimestamp) <= {} : {}",
                of_this(&stated),
                begun(&stated),
                end(&stated),
                in_force(&stated)
            ),
            ConfirmedVerb::Change => in_force(&stated),
        };
        variables.push(variable(
            &format!("{}_stated", word(verb)),
            old_annotation(verb.annotation()),
        ));
        variables.push(variable(&format!("{}_confirmed", word(verb)), whole));
    }
    variables
}

/// `UID/TIME` of the object, and none of the times that are known is after its end.
fn in_force(value: &str) -> String {
    format!(
        "{} && {} && !variables.times.exists(t, t > {})",
        of_this(value),
        begun(value),
        end(value)
    )
}

/// Whether a value is `UID/TIME` with the object's own UID: what follows may read the time.
pub(super) fn of_this(value: &str) -> String {
    format!(
        "{value}.startsWith(oldObject.metadata.uid + '/') && {value}.matches({})",
        quote(&format!("^[^/]+/{CONFIRMATION_TIME}$"))
    )
}

/// When a confirmation ends.
pub(super) fn end(value: &str) -> String {
    format!(
        "timestamp({value}.split('/')[1]) + duration('{}s')",
        CONFIRMATION_LIMIT.as_secs()
    )
}

/// The API server has written something at or after its time: one that begins tomorrow would be good
/// for a day longer.
fn begun(value: &str) -> String {
    format!(
        "variables.times.exists(t, t + duration('{}s') >= timestamp({value}.split('/')[1]))",
        CLOCK_TOLERANCE.as_secs()
    )
}
