//! What a user has accepted: a check after a change, or the next change before it is made. Pure.

use super::area::Stall;
use super::ready::list;
use crate::api::{
    CheckOutcome, DECLARATION_LIMIT, DatabaseCheck, DeclaredChange, is_object_name, names, reasons,
};
use crate::verdict::{self, Input, Verdict};
use crate::world::Observed;

/// What the annotations of a ProtectedDatabase accept.
#[derive(Debug, Default)]
pub struct Acceptance<'a> {
    /// The check that is accepted.
    check: Option<&'a str>,
    /// The declaration as it is written.
    declaration: Option<&'a str>,
    /// The change that was declared, while it is still to come.
    declared: Option<Declared<'a>>,
    problems: Vec<String>,
}

/// A declaration that is valid.
#[derive(Debug)]
struct Declared<'a> {
    change: DeclaredChange,
    since: &'a DatabaseCheck,
}

/// Reads the annotations.
pub fn acceptance(observed: &Observed) -> Acceptance<'_> {
    let mut acceptance = Acceptance::default();
    let annotation = |name: &str| {
        observed
            .database
            .metadata
            .annotations
            .as_ref()
            .and_then(|all| all.get(name))
            .map(String::as_str)
    };
    if let (Some(name), Some(checks)) = (
        annotation(names::ACCEPT_CHECK_ANNOTATION),
        observed.checks.known(),
    ) {
        acceptance.check = Some(name);
        let check = checks
            .iter()
            .find(|check| check.metadata.name.as_deref() == Some(name));
        // Only a name is quoted.
        let said = if is_object_name(name) {
            format!("DatabaseCheck {name}")
        } else {
            "a DatabaseCheck of that name".to_owned()
        };
        acceptance.problems.extend(check_problem(check).map(|why| {
            problem(
                observed,
                names::ACCEPT_CHECK_ANNOTATION,
                &format!("{said} {why}, so nothing was accepted"),
            )
        }));
    }
    if let (Some(text), true) = (
        annotation(names::ACCEPT_NEXT_CHANGE_ANNOTATION),
        observed.checks.known().is_some(),
    ) {
        acceptance.declaration = Some(text);
        match read_declaration(observed, text) {
            Ok(declared) => acceptance.declared = declared,
            Err(why) => acceptance.problems.push(problem(
                observed,
                names::ACCEPT_NEXT_CHANGE_ANNOTATION,
                &why,
            )),
        }
    }
    acceptance
}

fn check_problem(check: Option<&DatabaseCheck>) -> Option<&'static str> {
    match check.map(DatabaseCheck::evidence) {
        None => Some("does not exist for this database"),
        Some(None) => Some("has no evidence"),
        Some(Some(evidence)) if evidence.identity.in_recovery => {
            Some("checked a replica, or a server that was still recovering")
        }
        Some(Some(_)) => None,
    }
}

/// Reads a declaration. One that was used, or has expired, declares nothing any more.
fn read_declaration<'a>(
    observed: &'a Observed,
    text: &'a str,
) -> Result<Option<Declared<'a>>, String> {
    let change: DeclaredChange = text.parse()?;
    if change.until > observed.now.0 + DECLARATION_LIMIT {
        return Err(format!(
            "{} is more than {} days ahead; declare the change shortly before it is made",
            change.until,
            DECLARATION_LIMIT.as_secs() / 86_400
        ));
    }
    let checks = list(&observed.checks);
    if change.until <= observed.now.0 || checks.iter().any(|check| declared_by(check) == Some(text))
    {
        return Ok(None);
    }
    let since = checks
        .iter()
        .find(|check| check.metadata.name.as_deref() == Some(change.since.as_str()));
    match since.filter(|check| is_verified(check)) {
        Some(since) => Ok(Some(Declared { change, since })),
        None => Err(format!(
            "{} does not exist for this database, or did not verify its data, so \
             there is nothing to compare the declared change with",
            if is_object_name(&change.since) {
                format!("DatabaseCheck {}", change.since)
            } else {
                "a DatabaseCheck of that name".to_owned()
            }
        )),
    }
}

fn is_verified(check: &DatabaseCheck) -> bool {
    check
        .status
        .as_ref()
        .and_then(|status| status.verdict.as_ref())
        .is_some_and(|verdict| verdict.outcome == CheckOutcome::Verified)
}

/// The declaration by which a check counts as good.
fn declared_by(check: &DatabaseCheck) -> Option<&str> {
    check
        .status
        .as_ref()?
        .verdict
        .as_ref()?
        .declared_by
        .as_deref()
}

fn problem(observed: &Observed, annotation: &str, what: &str) -> String {
    let (namespace, name) = (observed.namespace_name(), observed.name());
    format!(
        "metadata.annotations[{annotation}]: {what}. See kubectl -n {namespace} get dbcheck, or \
         remove the annotation: kubectl -n {namespace} annotate protdb {name} {annotation}-"
    )
}

impl Acceptance<'_> {
    /// Something that only a user can change.
    pub fn stall(&self) -> Option<Stall> {
        self.problems.first().map(|message| Stall {
            reason: reasons::ACCEPTED_CHECK_INVALID,
            message: message.clone(),
        })
    }

    /// Whether the annotation names this check.
    fn names(&self, check: &DatabaseCheck) -> bool {
        self.check
            .is_some_and(|name| check.metadata.name.as_deref() == Some(name))
    }

    /// Whether a user has accepted this check.
    pub fn accepts(&self, check: &DatabaseCheck) -> bool {
        self.names(check)
            && check
                .evidence()
                .is_some_and(|evidence| !evidence.identity.in_recovery)
    }

    /// Whether a change was declared that is still to come: then every table is to be counted, or
    /// nobody could know it from a loss.
    pub fn is_awaiting_change(&self) -> bool {
        self.declared.is_some()
    }

    /// Whether this check is still needed: it is accepted, a declared change is compared with it,
    /// or it shows that the declaration is used up.
    pub fn needs(&self, check: &DatabaseCheck) -> bool {
        let is_since = self
            .declared
            .as_ref()
            .is_some_and(|declared| std::ptr::eq(declared.since, check));
        self.names(check)
            || is_since
            || self
                .declaration
                .is_some_and(|declaration| declared_by(check) == Some(declaration))
    }

    /// A suspected reset that was declared beforehand is good, unless it is a loss. Also says by
    /// which declaration.
    pub fn apply(
        &self,
        input: &Input<'_>,
        check: &DatabaseCheck,
        suspected: Verdict,
    ) -> (Verdict, Option<String>) {
        let made = check
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|time| time.0);
        let since = self
            .declared
            .as_ref()
            .and_then(|declared| declared.since.metadata.creation_timestamp.as_ref())
            .map(|time| time.0);
        let is_in_time = |declared: &&Declared<'_>| {
            made > since && made.is_some_and(|made| made <= declared.change.until)
        };
        let Some(declared) = self.declared.as_ref().filter(is_in_time) else {
            return (suspected, None);
        };
        if let Some(why) = verdict::refuse_declared(input) {
            let message = format!(
                "a change was declared beforehand, but this is a loss and not that change: {why}. \
                 {} The declaration stays valid until {}.",
                suspected.message, declared.change.until
            );
            return (
                Verdict {
                    message,
                    ..suspected
                },
                None,
            );
        }
        let message = format!(
            "a change ({}) that the annotation {} declared beforehand. The declaration is used up \
             now, and later checks are compared with this one",
            suspected.reason,
            names::ACCEPT_NEXT_CHANGE_ANNOTATION
        );
        (
            Verdict {
                outcome: CheckOutcome::Verified,
                reason: reasons::VERIFIED,
                message,
                findings: suspected.findings,
            },
            self.declaration.map(ToOwned::to_owned),
        )
    }
}
