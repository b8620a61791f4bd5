//! Recreating the namespace and the ProtectedDatabase.

use serde_json::{Value, json};

use super::known::known;
use crate::guard;
use crate::plan::{Blocker, RecoveryPlan, Step};
use crate::world::ObservedRecovery;

/// Plans to recreate the namespace.
pub fn plan_namespace(observed: &ObservedRecovery, plan: &mut RecoveryPlan) -> Result<(), Blocker> {
    let name = &observed.world.namespace_name;
    let remembered = remembered(observed, |status| &status.namespace_manifest)?;
    let manifest = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let create = Step::CreateNamespace(remembered.cloned().unwrap_or(manifest));
    match known(&observed.world.namespace)? {
        None => {
            plan.findings
                .push(format!("Namespace {name} does not exist"));
            plan.steps.push(create);
        }
        Some(metadata) if metadata.deletion_timestamp.is_some() => {
            plan.findings.push(format!(
                "Namespace {name} is Terminating; what is guarded in it is kept"
            ));
            let metadata = || Box::new(metadata.clone());
            if guard::is_labelled(&metadata()) && !guard::deletion_confirmed(&metadata()) {
                plan.steps.push(Step::ConfirmNamespaceDeletion(metadata()));
            }
            plan.steps.push(Step::FinalizeNamespace(metadata()));
            plan.steps.push(create);
        }
        Some(_) => {}
    }
    Ok(())
}

/// Plans to recreate the ProtectedDatabase.
pub fn plan_database(observed: &ObservedRecovery, plan: &mut RecoveryPlan) -> Result<(), Blocker> {
    let name = &observed.world.name;
    let remembered = remembered(observed, |status| &status.database_manifest)?;
    let metadata = match known(&observed.database)? {
        None => {
            let finding = format!("ProtectedDatabase {name} does not exist");
            plan.findings.push(finding);
            None
        }
        Some(database) if database.metadata.deletion_timestamp.is_some() => {
            plan.findings
                .push(format!("ProtectedDatabase {name} is Terminating"));
            Some(&database.metadata)
        }
        Some(_) => return Ok(()),
    };
    if let Some(metadata) = metadata {
        if !guard::deletion_confirmed(metadata) {
            let confirm = Step::ConfirmDatabaseDeletion(Box::new(metadata.clone()));
            plan.steps.push(confirm);
        }
        if guard::is_held(metadata) {
            let finish = Step::FinishDatabaseDeletion(Box::new(metadata.clone()));
            plan.steps.push(finish);
        }
        let gone = format!("ProtectedDatabase {name} to be deleted");
        plan.steps.push(Step::Await(gone));
    }
    match remembered {
        Some(manifest) => {
            let manifest = guard::with_marks(manifest.clone(), &observed.world.owner());
            plan.steps.push(Step::CreateDatabase(manifest));
        }
        None => plan.notes.push(format!(
            "the ledger does not remember ProtectedDatabase {name}: apply it again, so that the \
             data is checked and backed up"
        )),
    }
    Ok(())
}

/// A manifest that the ledger remembers.
fn remembered(
    observed: &ObservedRecovery,
    manifest: impl Fn(&crate::api::DatabaseLedgerStatus) -> &Value,
) -> Result<Option<&Value>, Blocker>
where
{
    let ledger = known(&observed.world.ledger)?.as_ref();
    let status = ledger.and_then(|fact| fact.ledger.status.as_ref());
    Ok(status.map(manifest).filter(|manifest| !manifest.is_null()))
}
