//! CEL that says whether a confirmation is in force. It has no clock: it knows the times in
//! `managedFields`, which the API server writes, the newest of which is that of the request where the
//! request adds anything. A client may write `managedFields` too, with any time or none. So what one
//! entry says that was there before proves no end; and nothing is begun by a time that is after the end.
//! Builders only.

use k8s_openapi::api::admissionregistration::v1::Variable;

use super::cel::{new_annotation, old_annotation, quote};
use super::policy::variable;
use crate::api::names::OPERATOR_MANAGER;
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
/// Of both objects: who removes a confirmation together with what it permits has no entry any more, and
/// the time at which it was confirmed is in the old one only.
///
/// A removal writes no time, and nor does a deletion: then the newest time is that of an earlier
/// write, so an end that has passed since may not be seen here. The operator removes what has ended.
pub(super) fn confirmed_variables() -> Vec<Variable> {
    let writers = |object: &str, operation: &str| {
        format!(
            "(request.operation != '{operation}' ? {object}.metadata.?managedFields.orValue([]) : \
             []).filter(f, has(f.time))"
        )
    };
    let mut variables = vec![
        variable("writers", writers("oldObject", "CREATE")),
        variable(
            "written_before",
            "variables.writers.map(f, timestamp(f.time))".to_owned(),
        ),
        // Those of the request itself: another second than all before, or it adds nothing.
        variable(
            "written_now",
            format!(
                "{}.map(f, timestamp(f.time)).filter(t, !(t in variables.written_before))",
                writers("object", "DELETE")
            ),
        ),
        variable(
            "times",
            "variables.written_before + variables.written_now".to_owned(),
        ),
    ];
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

/// `UID/TIME` of the object; something was written while it lasted; and nothing shows that it has ended
/// or not begun: neither a time of the request itself, nor what the operator or two others have written
/// before. What one other has written proves nothing: it may have made the time up.
fn in_force(value: &str) -> String {
    let (starts, end) = (start("t", value), end(value));
    format!(
        "{} && variables.times.exists(t, {starts} && t <= {end}) && variables.written_now.all(t, \
         {starts} && t <= {end}) && !variables.writers.exists(a, timestamp(a.time) > {end} && \
         (a.?manager.orValue('') == {} || variables.writers.exists(b, timestamp(b.time) > {end} && \
         a.?manager.orValue('') != b.?manager.orValue(''))))",
        of_this(value),
        quote(OPERATOR_MANAGER),
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
    format!("variables.times.exists(t, {})", start("t", value))
}

/// Whether a confirmation has begun at a time.
fn start(time: &str, value: &str) -> String {
    format!(
        "{time} + duration('{}s') >= timestamp({value}.split('/')[1])",
        CLOCK_TOLERANCE.as_secs()
    )
}
