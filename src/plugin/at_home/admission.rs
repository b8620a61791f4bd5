//! Whether the admission policies are in force as this version builds them, and what the API server
//! answers when an agent's pod is tried. Pure.

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use kube::core::Status;

use crate::api::names;
use crate::guard::{self, BoundPolicy, Changed};
use crate::wording::quoted_line;

/// The most characters of an answer that are quoted.
const QUOTED: usize = 800;

/// Compares a policy and its binding with what this version builds.
pub fn judge_policy(
    built: &BoundPolicy,
    policy: Option<&ValidatingAdmissionPolicy>,
    binding: Option<&ValidatingAdmissionPolicyBinding>,
    install: &str,
) -> Result<(), String> {
    let name = built.0.metadata.name.as_deref().unwrap_or_default();
    let wrong = match (policy, binding) {
        (None, _) => format!("ValidatingAdmissionPolicy {name} does not exist"),
        (_, None) => format!("ValidatingAdmissionPolicyBinding {name} does not exist"),
        (Some(policy), Some(binding)) => {
            match guard::policy_difference((policy, binding), (&built.0, &built.1)) {
                None => return Ok(()),
                Some(Changed::Newer) => {
                    let version = guard::newer_version(&policy.metadata).unwrap_or_default();
                    format!(
                        "ValidatingAdmissionPolicy {name} says that Holdfast {version} has installed \
                         it, and this plugin can't tell what it refuses; use the plugin of that \
                         version. If nobody has installed that version"
                    )
                }
                Some(Changed::Policy) => {
                    format!("ValidatingAdmissionPolicy {name} is not the one of this version")
                }
                Some(Changed::Binding) => format!(
                    "ValidatingAdmissionPolicyBinding {name} is not the one of this version"
                ),
            }
        }
    };
    Err(format!("{wrong}; install this version again: {install}"))
}

/// What the API server says to an object that is only tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    Admitted,
    /// With a field that others have added, and that the operator would be refused.
    Added(String),
    /// In its own words.
    Refused(String),
    /// Whoever tried it may not create it.
    Forbidden(String),
    /// Nobody could decide: a webhook or the API server itself did not answer.
    Untried(String),
}

/// What a message contains that says nothing about the object: what should have decided did not.
const NOT_DECIDED: &[&str] = &[
    "failed calling webhook",
    "failed to call webhook",
    "does not support dry run",
    "status unknown for quota",
    "context deadline exceeded",
    "not yet ready to handle request",
];
/// What the API server says before any admission, to somebody without the permission.
const NO_PERMISSION: &[&str] = &[
    "cannot create resource",
    "cannot patch resource",
    "attempting to grant RBAC permissions not currently held",
];

/// Reads the answer to a dry run.
pub fn read_answer(answer: Result<(), &Status>) -> Tried {
    let Err(status) = answer else {
        return Tried::Admitted;
    };
    let said = quoted_line(&status.message, QUOTED);
    let contains = |parts: &[&str]| parts.iter().any(|part| status.message.contains(part));
    if status.code == 403 && contains(NO_PERMISSION) {
        Tried::Forbidden(said)
    } else if matches!(status.code, 400 | 403 | 413 | 422) && !contains(NOT_DECIDED) {
        Tried::Refused(said)
    } else {
        Tried::Untried(said)
    }
}

/// Who has tried it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tester {
    /// You, because you may not try it as the operator.
    OnlyYou,
    Operator,
    /// You, because you may not try it as the Job controller.
    OnlyYouForPods,
    /// It creates the pods of Jobs. Policies go by who asks, as `SecurityContextConstraints` do.
    JobController,
}

/// What is to be reported of an object that was tried: what it is, such as `Job of the agent (check)`,
/// and by which kubectl calls it.
pub fn judge_answer(
    (what, resource): (&str, &str),
    namespace: &str,
    tester: Tester,
    tried: Tried,
) -> Result<Result<String, String>, String> {
    let by = match tester {
        Tester::OnlyYou => ", tried as yourself, because you may not impersonate the operator",
        Tester::Operator => ", tried as the operator",
        Tester::OnlyYouForPods => {
            ", tried as yourself, because you may not impersonate the Job controller, of which policies \
             may ask more"
        }
        Tester::JobController => ", tried as the Job controller",
    };
    match tried {
        Tried::Admitted => Ok(Ok(format!("the {what} would be admitted{by}"))),
        Tried::Added(field) => Ok(Err(format!(
            "the {what} would be refused to the operator: an admission webhook or policy of others adds \
             {field}; exclude from it what has the label {}={}",
            names::MANAGED_BY_LABEL,
            names::OPERATOR_MANAGER
        ))),
        Tried::Refused(said) if said.contains(guard::OPERATOR_FENCE_POLICY) => Ok(Err(format!(
            "the {what} would be refused{by}: {}. An admission webhook or policy of others adds that; \
             exclude from it what has the label {}={}",
            said.trim_end_matches('.'),
            names::MANAGED_BY_LABEL,
            names::OPERATOR_MANAGER
        ))),
        Tried::Refused(said) => Ok(Err(format!(
            "the {what} would be refused{by}: {}; see `kubectl -n {namespace} describe quota,limits`, and \
             the policies of the namespace with `kubectl get namespace {namespace} --show-labels`",
            said.trim_end_matches('.')
        ))),
        Tried::Forbidden(said) if tester == Tester::Operator => Ok(Err(format!(
            "the operator may not create the {what}: {}; install its roles again",
            said.trim_end_matches('.')
        ))),
        Tried::Forbidden(said) => Err(format!(
            "whether the {what} would be admitted: {said}; check with `kubectl auth can-i create \
             {resource} -n {namespace}`"
        )),
        Tried::Untried(said) => Err(format!(
            "whether the {what} would be admitted, because it could not be tried: {}; see `kubectl get \
             validatingwebhookconfigurations,mutatingwebhookconfigurations`, and run this again",
            said.trim_end_matches('.')
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;
    use crate::api::names::DEFINITION_VERSION_ANNOTATION;

    fn refusal(code: u16, message: &str) -> Status {
        Status {
            code,
            message: message.to_owned(),
            ..Status::default()
        }
    }

    #[test]
    fn each_difference_of_a_policy_is_found() {
        for built in guard::policies("holdfast-system") {
            let (policy, binding) = &built;
            let judge = |policy: Option<_>, binding: Option<_>| {
                judge_policy(&built, policy, binding, "kubectl apply")
            };
            assert_eq!(judge(Some(policy), Some(binding)), Ok(()));
            let missing = judge(None, Some(binding)).unwrap_err();
            assert!(
                missing.contains("ValidatingAdmissionPolicy holdfast-"),
                "{missing}"
            );
            let unbound = judge(Some(policy), None).unwrap_err();
            assert!(unbound.contains("Binding holdfast-"), "{unbound}");
            let mut audits = binding.clone();
            audits.spec.validation_actions = vec!["Audit".to_owned()];
            assert!(judge(Some(policy), Some(&audits)).is_err());
            let mut newer = policy.clone();
            let annotations = newer.metadata.annotations.get_or_insert_default();
            annotations.insert(DEFINITION_VERSION_ANNOTATION.to_owned(), "99".to_owned());
            let rules = newer.spec.as_mut().unwrap().validations.as_mut().unwrap();
            rules[0].expression = "true".to_owned();
            let told = judge(Some(&newer), Some(binding)).unwrap_err();
            assert!(told.contains("Holdfast 99.0.0"), "{told}");
            let mut empty = policy.clone();
            empty.spec = None;
            assert!(judge(Some(&empty), Some(binding)).is_err());
        }
    }

    const POD: (&str, &str) = ("pod of the agent (check)", "pods");

    fn judged(tester: Tester, tried: Tried) -> Result<Result<String, String>, String> {
        judge_answer(POD, "atra", tester, tried)
    }

    #[test]
    fn a_refusal_is_quoted_and_a_missing_permission_is_no_refusal() {
        let quota =
            "pods \"holdfast-check-x\" is forbidden: exceeded quota: none, requested: pods=1";
        let tried = read_answer(Err(&refusal(403, quota)));
        assert_eq!(tried, Tried::Refused(quota.to_owned()));
        let said = judged(Tester::JobController, tried).unwrap().unwrap_err();
        assert!(
            said.contains(quota) && said.contains("describe quota"),
            "{said}"
        );
        let forbidden = "pods is forbidden: User \"jane\" cannot create resource \"pods\" in API \
            group \"\" in the namespace \"atra\"";
        let tried = || read_answer(Err(&refusal(403, forbidden)));
        assert!(
            judged(Tester::OnlyYou, tried())
                .unwrap_err()
                .contains("can-i create pods")
        );
        // The operator without its role is something to do, not something that you may not see.
        assert!(judged(Tester::Operator, tried()).unwrap().is_err());
        assert!(
            judged(Tester::JobController, read_answer(Ok(())))
                .unwrap()
                .is_ok()
        );
    }

    /// An administrator may be permitted what the Job controller is not: a green of theirs says whose it is.
    #[test]
    fn it_is_said_as_whom_something_was_tried() {
        for (tester, says) in [
            (Tester::Operator, "tried as the operator"),
            (Tester::JobController, "tried as the Job controller"),
            (Tester::OnlyYou, "tried as yourself"),
            (
                Tester::OnlyYouForPods,
                "tried as yourself, because you may not impersonate the Job controller",
            ),
        ] {
            let said = judged(tester, Tried::Admitted).unwrap().unwrap();
            assert!(said.contains(says), "{said}");
        }
    }

    /// Policies see a write as webhooks have made it, so the operator would be refused what is not its own.
    #[test]
    fn what_others_add_to_a_job_is_named() {
        let fenced = "jobs.batch \"x\" is forbidden: ValidatingAdmissionPolicy 'holdfast-operator-fence' \
            with binding 'holdfast-operator-fence' denied request: spec.template.spec.hostAliases is none \
            of theirs";
        let added = Tried::Added("spec.template.spec.hostAliases".to_owned());
        for (tester, tried) in [
            (Tester::Operator, read_answer(Err(&refusal(422, fenced)))),
            (Tester::OnlyYou, added),
        ] {
            let said = judged(tester, tried).unwrap().unwrap_err();
            for part in [
                "spec.template.spec.hostAliases",
                "webhook or policy of others",
                "app.kubernetes.io/managed-by=holdfast",
            ] {
                assert!(said.contains(part), "{said}");
            }
        }
    }

    /// Somebody's webhook that does not answer says nothing about our pod.
    #[test]
    fn what_could_not_be_tried_is_neither_in_order_nor_refused() {
        for (code, message) in [
            (
                500,
                "Internal error occurred: failed calling webhook \"a.b\": failed to call webhook: Post \
                 \"https://a.b.svc:443/v?timeout=10s\": context deadline exceeded",
            ),
            (400, "admission webhook \"a.b\" does not support dry run"),
            (
                403,
                "pods \"x\" is forbidden: status unknown for quota: none, resources: pods",
            ),
            (
                504,
                "Timeout: request did not complete within the allotted duration",
            ),
            (429, "the server is currently unable to handle the request"),
            (503, "the server is currently unable to handle the request"),
            (409, "Operation cannot be fulfilled"),
            (404, "namespaces \"atra\" not found"),
        ] {
            let tried = read_answer(Err(&refusal(code, message)));
            assert!(matches!(tried, Tried::Untried(_)), "{message}: {tried:?}");
            let said = judged(Tester::Operator, tried).unwrap_err();
            assert!(said.contains("could not be tried"), "{said}");
        }
        for (code, message) in [
            (400, "admission webhook \"a.b\" denied the request: no team"),
            (
                422,
                "Pod \"x\" is invalid: spec.tolerations[0]: Invalid value",
            ),
            (
                403,
                "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\"",
            ),
        ] {
            let tried = read_answer(Err(&refusal(code, message)));
            assert!(matches!(tried, Tried::Refused(_)), "{message}: {tried:?}");
        }
    }
}
