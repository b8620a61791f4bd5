//! The policy that lets only those name a backup set by its place in the bucket who could read it anyway:
//! with the key of the bucket, from a Secret of the namespace. Builders only.

use k8s_openapi::api::admissionregistration::v1::{MatchResources, ValidatingAdmissionPolicy};

use super::policy::{forbid_unless, only_where, policy, rule};
use crate::api::names::{GROUP, VERSION};

/// Name of the policy, and of its binding, that refuses sets by their place.
pub const ADOPTION_POLICY: &str = "holdfast-adoption-guard";

/// Refuses a DatabaseRestore with `spec.from.set` to whoever may not read the Secrets of its namespace. The
/// bucket may have sets of others, and what is restored runs with the credentials of restores, which are in
/// a Secret too. Which Secrets these are says another object, so it must be all.
pub(super) fn build_adoption_guard() -> ValidatingAdmissionPolicy {
    let constraints = MatchResources {
        resource_rules: Some(vec![rule(GROUP, VERSION, "databaserestores", &["CREATE"])]),
        ..MatchResources::default()
    };
    let validation = forbid_unless(
        "authorizer.group('').resource('secrets').namespace(request.namespace).check('get').allowed()"
            .to_owned(),
        "Holdfast refuses this restore: spec.from.set names a backup set by its place in the bucket, which \
         may be somebody else's, so it takes the permission to get the Secrets of this namespace, where the \
         key of the bucket is. Ask an administrator, or restore a DatabaseBackup: spec.from.backup",
    );
    only_where(
        policy(ADOPTION_POLICY, constraints, Vec::new(), vec![validation]),
        "names-a-set",
        "object.spec.?from.?set.hasValue()".to_owned(),
    )
}
