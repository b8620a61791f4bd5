//! Our `CustomResourceDefinition`s: read, compared with what was built, restored. One that is being
//! deleted can't be restored, which is reported.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, ResourceExt};

use super::shared::{Repair, say_changed, writer};
use crate::engine::Context;
use crate::guard;

/// A definition that is not as built.
pub struct DefinitionDrift {
    /// The definition as built.
    pub built: CustomResourceDefinition,
    /// What is there instead.
    present: Option<CustomResourceDefinition>,
    /// What is not so.
    pub difference: String,
}

/// The definitions that are not as built.
pub async fn find_drifts(context: &Context) -> Result<Vec<DefinitionDrift>, kube::Error> {
    let api: Api<CustomResourceDefinition> = Api::all(context.client.clone());
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
            Some(present) if guard::definition_differs(present, &built) => Some(say_changed(
                &format!("CustomResourceDefinition {name}"),
                &present.metadata,
            )),
            Some(_) => None,
        };
        Ok::<_, kube::Error>(difference.map(|difference| DefinitionDrift {
            built,
            present,
            difference,
        }))
    });
    Ok(futures::future::try_join_all(looked)
        .await?
        .into_iter()
        .flatten()
        .collect())
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
                |present| guard::restore_definition(present, &drift.built),
            );
            writer(context)
                .replace(&api, present.as_ref(), &wanted)
                .await?;
        }
    }
    Ok(Repair::Done)
}
