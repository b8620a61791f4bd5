//! Our `CustomResourceDefinition`s: read, compared with what was built, restored. One that is being
//! deleted can't be restored, which is reported.

use jiff::Timestamp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, ResourceExt};

use super::shared::{Repair, say_changed, say_newer, writer};
use crate::api::ConfirmedVerb;
use crate::engine::Context;
use crate::guard::{self, Standing};
use crate::world::Reader;

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
    /// Whether it is a newer version's to restore.
    pub is_newer: bool,
}

/// The definitions that are not as built.
pub async fn find_drifts(context: &Context) -> Result<Vec<DefinitionDrift>, kube::Error> {
    let api: Api<CustomResourceDefinition> = Api::all(context.client.clone());
    let looked = guard::definitions().into_iter().map(async |built| {
        let name = built.name_any();
        let present = api.get_opt(&name).await?;
        let now = judged_at(context, present.as_ref()).await;
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
        let newer = present.as_ref().filter(|present| {
            difference.is_none() && guard::definition_is_unproven(present, &built)
        });
        let newer = newer.map(|present| {
            let what = format!("CustomResourceDefinition {name}");
            say_newer(&what, &present.metadata, "takes")
        });
        let confirmed = present.as_ref().filter(|_| difference.is_none());
        let confirmed = confirmed.and_then(|present| say_confirmed(&name, present, now));
        let is_confirmed = confirmed.is_some();
        let is_newer = newer.is_some() && !is_confirmed;
        let said = difference.or(confirmed).or(newer);
        Ok::<_, kube::Error>(said.map(|difference| DefinitionDrift {
            built,
            present,
            difference,
            is_confirmed,
            is_newer,
        }))
    });
    Ok(futures::future::try_join_all(looked)
        .await?
        .into_iter()
        .flatten()
        .collect())
}

/// The time by which the confirmation on a definition is judged: that of the API server, which is asked
/// for only where there is one. None if it is not known.
async fn judged_at(
    context: &Context,
    present: Option<&CustomResourceDefinition>,
) -> Option<Timestamp> {
    if !present.is_some_and(|present| guard::is_confirmed_at_all(&present.metadata)) {
        return Some(Timestamp::now());
    }
    let reader = Reader::new(context.client.clone(), "");
    reader.server_time().await.known().copied()
}

/// What is confirmed of a definition, and how to revoke it.
fn say_confirmed(
    name: &str,
    present: &CustomResourceDefinition,
    now: Option<Timestamp>,
) -> Option<String> {
    let Some(now) = now else {
        return Some(format!(
            "CustomResourceDefinition {name} carries a confirmation, and it is not known whether the \
             API server still accepts it: could not read the API server's time. It is left as it is"
        ));
    };
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
            let now = judged_at(context, present.as_ref()).await;
            let wanted = present.as_ref().map_or_else(
                || drift.built.clone(),
                |present| guard::restore_definition(present, &drift.built, now),
            );
            writer(context)
                .replace(&api, present.as_ref(), &wanted)
                .await?;
        }
    }
    Ok(Repair::Done)
}
