//! The workload that `spec.workload` named before: its marks are removed, unless another database
//! names it. Pure.

use crate::api::MarkedWorkload;
use crate::guard;
use crate::plan::{Permit, Plan, Release, Step};
use crate::world::{FormerWorkload, Observed};

/// Plans to remove the marks of the workload that was named before, and says in the status which one
/// carries marks now. The old one is remembered until it was read without them.
pub fn release_former(observed: &Observed, plan: &mut Plan) {
    let before = remembered(observed);
    let Some(former) = observed.former_workload.known() else {
        plan.status.workload = before;
        return;
    };
    let former = former.as_ref().filter(|former| is_to_go(observed, former));
    // A name that leads nowhere may be a slip: what runs the data stays guarded.
    if former.is_some() && !observed.has_workload() {
        plan.status.workload = before;
        return;
    }
    let Some(former) = former else {
        let is_known = observed.neighbours.known().is_some();
        plan.status.workload = if is_known { present(observed) } else { before };
        return;
    };
    plan.status.workload = before;
    let release = Release {
        metadata: Box::new(former.metadata.clone()),
        permit: Permit::NotNamed,
    };
    // The assertion is about the database as it was read: nothing of this plan changes it before.
    let is_marked = |step: &Step| matches!(step, Step::MarkDatabase(_));
    if release.is_safe(observed.server_time()) && !plan.steps.iter().any(is_marked) {
        let database = Box::new(observed.database.metadata.clone());
        plan.steps.push(Step::AssertDatabase(database));
        plan.steps.push(Step::ReleaseWorkload(former.kind, release));
    }
}

/// Keeps what the status says of it, while the marks are being removed or nothing is.
pub fn keep(observed: &Observed, plan: &mut Plan) {
    plan.status.workload = remembered(observed);
}

/// Whether it carries marks that nobody needs.
pub fn is_to_go(observed: &Observed, former: &FormerWorkload) -> bool {
    let name = former.metadata.name.as_deref().unwrap_or_default();
    guard::is_marked_workload(&former.metadata)
        && observed.neighbours.known().is_some()
        && !observed.is_named_by_another(former.kind, name)
}

fn remembered(observed: &Observed) -> Option<MarkedWorkload> {
    observed.database.status.as_ref()?.workload.clone()
}

/// The workload that carries the marks, or gets them in this pass. One that does not exist at the
/// moment may be created again with marks on it.
fn present(observed: &Observed) -> Option<MarkedWorkload> {
    let Some(workload) = observed.workload_found() else {
        return remembered(observed).filter(|marked| observed.names(marked.kind, &marked.name));
    };
    observed.owns_workload().then(|| MarkedWorkload {
        kind: workload.kind,
        name: workload.name().to_owned(),
    })
}
