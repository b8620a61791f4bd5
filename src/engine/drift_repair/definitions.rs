//! Our `CustomResourceDefinition`s: read, compared with what was built, restored. One that is being
//! deleted can't be restored, which is reported.

use jiff::Timestamp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, ResourceExt};

use super::shared::{Repair, say_changed, writer};
use crate::api::ConfirmedVerb;
use crate::engine::Context;
use crate::guard::{self, Standing};

/// A definition that is not as built, or whose deletion is confirmed.
pub struct DefinitionDrift {
    /// The definition as built.
    pub built: CustomResourceDefinition,
    /// What is there instead.
    present: Option<CustomResourceDefinition>,
    /// What is not so.
    pub difference: String,
    /// Whether it is as built, and a user has confirmed its deletion. That is the user's to revoke.
    pub is_confirmed: bool,
}

/// The definitions that are not as built.
pub async fn find_drifts(context: &Context) -> Result<Vec<DefinitionDrift>, kube::Error> {
    let api: Api<CustomResourceDefinition> = Api::all(context.client.clone());
    let now = Timestamp::now();
    let looked = guard::definitions().into_iter().map(async |built| {
        let name = built.name_any();
        let present = api.get_opt(&name).await?;
        let difference = match &present {
            None => Some(format!("CustomResourceDefinition {name} does not exist")),
            Some(present) if present.metadata.deletion_timestamp.is_some() => Some(format!(
                "CustomResourceDefinition {name} is being deleted, which can't be undone: every \
                 object of its kind is deleted too, and only those with the finalizer of Holdfast \
                 still exist. Save them now: kubectl get {name} -A -o yaml > {name}.yaml; \
                 docs/guard.md says what to do next"
            )),
            Some(present) if guard::carries_ended(present, now) => Some(format!(
                "CustomResourceDefinition {name} carries a confirmation that has ended"
            )),
            Some(present) if guard::definition_differs(present, &built, now) => Some(say_changed(
                &format!("CustomResourceDefinition {name}"),
                &present.metadata,
            )),
            Some(_) => None,
        };
        let confirmed = present.as_ref().filter(|_| difference.is_none());
        let confirmed = confirmed.and_then(|present| say_confirmed(&name, present, now));
        let is_confirmed = confirmed.is_some();
        let said = difference.or(confirmed);
        Ok::<_, kube::Error>(said.map(|difference| DefinitionDrift {
            built,
            present,
            difference,
            is_confirmed,
        }))
    });
    Ok(futures::future::try_join_all(looked)
        .await?
        .into_iter()
        .flatten()
        .collect())
}

/// What is confirmed of a definition, and how to revoke it.
fn say_confirmed(name: &str, present: &CustomResourceDefinition, now: Timestamp) -> Option<String> {
    let standing = guard::standing(&present.metadata, ConfirmedVerb::Delete, now);
    let Standing::Until(end) = standing else {
        return None;
    };
    Some(format!(
        "the deletion of CustomResourceDefinition {name} is confirmed until {end:.0}, so the API \
         server accepts it. To revoke that: kubectl holdfast unlock crd/{name} --revoke"
    ))
}

/// Restores a definition: replaces exactly the one that was read.
pub async fn put_back(context: &Context, drift: &DefinitionDrift) -> Result<Repair, kube::Error> {
    match &drift.present {
        Some(present) if present.metadata.deletion_timestamp.is_some() => {
            return Ok(Repair::Impossible);
        }
        present => {
            let api: Api<CustomResourceDefinition> = Api::all(context.client.clone());
            let wanted = present.as_ref().map_or_else(
                || drift.built.clone(),
                |present| guard::restore_definition(present, &drift.built, Timestamp::now()),
            );
            writer(context)
                .replace(&api, present.as_ref(), &wanted)
                .await?;
        }
    }
    Ok(Repair::Done)
}
