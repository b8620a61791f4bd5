//! Recreating the namespace and the ProtectedDatabase.

use serde_json::{Value, json};

use super::known::known;
use crate::api::names::RECREATION_ANNOTATION;
use crate::guard;
use crate::plan::{Blocker, RecoveryPlan, Step};
use crate::world::ObservedRecovery;

/// Plans to recreate the namespace.
pub fn plan_namespace(observed: &ObservedRecovery, plan: &mut RecoveryPlan) -> Result<(), Blocker> {
    let name = &observed.world.namespace_name;
    let remembered = remembered(observed, |status| &status.namespace_manifest)?;
    let manifest = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let manifest = remembered.cloned().unwrap_or(manifest);
    if let (Some(ledger), Some(uid)) = (&observed.world.recreated, observed.world.namespace_uid()) {
        // An earlier try has created it, and did not get to say so.
        plan.findings
            .push(format!("Namespace {name} was recreated by a recovery"));
        plan.steps.push(Step::AcceptNamespace {
            ledger: Box::new(ledger.clone()),
            namespace_uid: uid.to_owned(),
        });
    }
    match known(&observed.world.namespace)? {
        None => {
            plan.findings
                .push(format!("Namespace {name} does not exist"));
            recreate_namespace(observed, manifest, plan);
        }
        Some(metadata) if metadata.deletion_timestamp.is_some() => {
            plan.findings.push(format!(
                "Namespace {name} is Terminating; what is guarded in it is kept"
            ));
            let metadata = || Box::new(metadata.clone());
            let now = observed.world.server_time();
            if guard::is_labelled(&metadata()) && !guard::deletion_confirmed(&metadata(), now) {
                plan.steps.push(Step::ConfirmNamespaceDeletion(metadata()));
            }
            plan.steps.push(Step::FinalizeNamespace(metadata()));
            recreate_namespace(observed, manifest, plan);
        }
        Some(_) => {}
    }
    Ok(())
}

/// Creates the namespace, so that whoever reads the ledger knows it as the one that this recovery has
/// created: by a text that is on both, until its UID is accepted. Everything is read again then.
fn recreate_namespace(observed: &ObservedRecovery, mut manifest: Value, plan: &mut RecoveryPlan) {
    let ledger = observed.world.ledger.known().and_then(Option::as_ref);
    if let Some(ledger) = ledger.map(|fact| &fact.ledger.metadata) {
        let noted = guard::recreation_token(ledger).map(ToOwned::to_owned);
        let token = noted.clone().unwrap_or_else(|| {
            let uid = ledger.uid.as_deref().unwrap_or_default();
            format!("{uid}.{}", observed.world.now.0.as_nanosecond())
        });
        manifest["metadata"]["annotations"][RECREATION_ANNOTATION] = token.as_str().into();
        if noted.is_none() {
            plan.steps.push(Step::NoteRecreation {
                ledger: Box::new(ledger.clone()),
                token,
            });
        }
    }
    let name = &observed.world.namespace_name;
    plan.steps.push(Step::CreateNamespace(manifest));
    plan.steps
        .push(Step::Await(format!("Namespace {name} to be recreated")));
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
        if !guard::deletion_confirmed(metadata, observed.world.server_time()) {
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
