//! Carries out one step of a recovery: one write, pinned to the object that was read. Before a
//! claim goes, its volume is read again. Nothing is decided here.

use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Namespace, PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Step;
use super::patches::{
    build_nudge, build_remount, build_reservation, build_scale_down, build_scale_up, reference,
};
use crate::api::{ProtectedDatabase, WorkloadKind};
use crate::guard;

/// How long one write may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// In whose name a recovery writes.
pub struct Hand {
    /// The client, with the rights of the person or of the operator.
    pub client: Client,
    /// The field manager.
    pub manager: &'static str,
    /// Namespace of the database.
    pub namespace: String,
    /// `NAMESPACE/NAME` of the database.
    pub owner: String,
    /// `NAMESPACE/NAME` of the DatabaseRestore whose confirmation is handed on; none for a person,
    /// who confirms by being asked.
    pub restore: Option<String>,
}

/// A step that was not done.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The API server refused, or the object is not the one that was read.
    #[error("could not {step}: {source}")]
    Refused {
        /// The step.
        step: String,
        /// The API server's answer.
        source: Box<kube::Error>,
    },
    /// The volume of a claim that was to go is not kept.
    #[error("did not {step}: {why}")]
    NotKept {
        /// The step.
        step: String,
        /// What was read.
        why: String,
    },
    /// No answer in time.
    #[error("could not {step}: no answer from the API server in {} s", WRITE_TIMEOUT.as_secs())]
    TimedOut {
        /// The step.
        step: String,
    },
}

impl StepError {
    /// Whether somebody else wrote first, so that reading again settles it.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { source, .. } if matches!(source.as_ref(), kube::Error::Api(status) if matches!(status.code, 404 | 409 | 422)))
    }
}

impl Hand {
    /// Carries out one step.
    ///
    /// # Errors
    /// It was refused or not answered, or a claim's volume is not kept.
    pub async fn act(&self, step: &Step) -> Result<(), StepError> {
        if let Step::DeleteClaim(metadata) | Step::LetClaimGo(metadata) = step {
            self.require_kept(step, metadata).await?;
        }
        match tokio::time::timeout(WRITE_TIMEOUT, Box::pin(self.write(step))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(source)) => Err(refused(step, source)),
            Err(_) => Err(StepError::TimedOut {
                step: step.describe(),
            }),
        }
    }

    async fn write(&self, step: &Step) -> Result<(), kube::Error> {
        let namespaces = self.all::<Namespace>();
        let volumes = self.all::<PersistentVolume>();
        let claims: Api<PersistentVolumeClaim> =
            Api::namespaced(self.client.clone(), &self.namespace);
        let databases: Api<ProtectedDatabase> =
            Api::namespaced(self.client.clone(), &self.namespace);
        match step {
            Step::ConfirmNamespace(metadata) => {
                self.patch(
                    &namespaces,
                    metadata,
                    Some(guard::build_confirmation(metadata)),
                )
                .await
            }
            Step::FinalizeNamespace(metadata) => self.finalize(&namespaces, metadata).await,
            Step::CreateNamespace(manifest) => self.create(&namespaces, manifest).await,
            Step::CreateVolume(manifest) => self.create(&volumes, manifest).await,
            Step::KeepVolume {
                metadata,
                reclaim_policy,
            } => {
                let marked =
                    guard::build_volume_patch(metadata, reclaim_policy.as_deref(), &self.owner);
                self.patch(
                    &volumes,
                    metadata,
                    marked
                        .or_else(|| guard::build_retain_patch(metadata, reclaim_policy.as_deref())),
                )
                .await
            }
            Step::ScaleDown {
                kind,
                metadata,
                replicas,
            } => {
                self.patch_workload(*kind, metadata, build_scale_down(metadata, *replicas))
                    .await
            }
            Step::ScaleUp {
                kind,
                metadata,
                replicas,
            } => {
                self.patch_workload(*kind, metadata, build_scale_up(metadata, *replicas))
                    .await
            }
            Step::Remount {
                kind,
                metadata,
                index,
                volume,
                claim,
            } => {
                self.patch_workload(
                    *kind,
                    metadata,
                    build_remount(metadata, *index, volume, claim),
                )
                .await
            }
            Step::ConfirmClaim(metadata) => {
                let confirmation = match &self.restore {
                    Some(restore) => guard::build_confirmation_for(metadata, restore),
                    None => guard::build_confirmation(metadata),
                };
                self.patch(&claims, metadata, Some(confirmation)).await
            }
            Step::DeleteClaim(metadata) => {
                let preconditions = Preconditions {
                    uid: metadata.uid.clone(),
                    resource_version: None,
                };
                let parameters = DeleteParams {
                    preconditions: Some(preconditions),
                    ..DeleteParams::background()
                };
                claims.delete(name(metadata), &parameters).await.map(drop)
            }
            Step::LetClaimGo(metadata) => {
                self.patch(&claims, metadata, guard::build_letting_go_patch(metadata))
                    .await
            }
            Step::ReserveVolume {
                metadata,
                claim_uid,
                namespace,
                claim,
                for_uid,
            } => {
                let wanted = reference(namespace, claim, for_uid.as_deref());
                self.patch(
                    &volumes,
                    metadata,
                    Some(build_reservation(metadata, claim_uid.as_deref(), wanted)),
                )
                .await
            }
            Step::NudgeClaim {
                metadata,
                volume_version,
            } => {
                self.patch(
                    &claims,
                    metadata,
                    Some(build_nudge(metadata, volume_version)),
                )
                .await
            }
            Step::ConfirmVolume(metadata) => {
                self.patch(
                    &volumes,
                    metadata,
                    Some(guard::build_confirmation(metadata)),
                )
                .await
            }
            Step::RevokeVolume(metadata) => self.revoke(&volumes, name(metadata)).await,
            Step::CreateClaim(manifest) => self.create(&claims, manifest).await,
            Step::ConfirmDatabase(metadata) => {
                self.patch(
                    &databases,
                    metadata,
                    Some(guard::build_confirmation(metadata)),
                )
                .await
            }
            Step::LetDatabaseGo(metadata) => {
                self.patch(
                    &databases,
                    metadata,
                    guard::build_letting_go_patch(metadata),
                )
                .await
            }
            Step::CreateDatabase(manifest) => self.create(&databases, manifest).await,
            Step::Await(_) => Ok(()),
        }
    }

    /// Reads the claim and its volume again: what is to go must be the claim that was seen, and its
    /// volume must be on Retain.
    async fn require_kept(&self, step: &Step, metadata: &ObjectMeta) -> Result<(), StepError> {
        let not_kept = |why: String| StepError::NotKept {
            step: step.describe(),
            why,
        };
        let claims: Api<PersistentVolumeClaim> =
            Api::namespaced(self.client.clone(), &self.namespace);
        let claim = claims
            .get(name(metadata))
            .await
            .map_err(|source| refused(step, source))?;
        if claim.uid() != metadata.uid {
            return Err(not_kept(
                "another claim has taken its name meanwhile".to_owned(),
            ));
        }
        let Some(volume) = claim
            .spec
            .and_then(|spec| spec.volume_name)
            .filter(|volume| !volume.is_empty())
        else {
            return Ok(());
        };
        let Some(found) = self
            .all::<PersistentVolume>()
            .get_opt(&volume)
            .await
            .map_err(|source| refused(step, source))?
        else {
            return Ok(());
        };
        let policy = found
            .spec
            .and_then(|spec| spec.persistent_volume_reclaim_policy);
        if policy.as_deref() == Some(guard::RETAIN) {
            Ok(())
        } else {
            let policy = policy.unwrap_or_else(|| "unknown".to_owned());
            Err(not_kept(format!(
                "PersistentVolume {volume} has the reclaim policy {policy}, and its files would go \
                 with the claim"
            )))
        }
    }

    fn all<K>(&self) -> Api<K>
    where
        K: Resource,
        K::DynamicType: Default,
    {
        Api::all(self.client.clone())
    }

    async fn patch<K>(
        &self,
        api: &Api<K>,
        metadata: &ObjectMeta,
        patch: Option<json_patch::Patch>,
    ) -> Result<(), kube::Error>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        let Some(patch) = patch else { return Ok(()) };
        let parameters = PatchParams {
            field_manager: Some(self.manager.to_owned()),
            ..PatchParams::default()
        };
        api.patch_metadata(name(metadata), &parameters, &Patch::<()>::Json(patch))
            .await
            .map(drop)
    }

    async fn patch_workload(
        &self,
        kind: WorkloadKind,
        metadata: &ObjectMeta,
        patch: json_patch::Patch,
    ) -> Result<(), kube::Error> {
        let client = self.client.clone();
        match kind {
            WorkloadKind::StatefulSet => {
                self.patch(
                    &Api::<StatefulSet>::namespaced(client, &self.namespace),
                    metadata,
                    Some(patch),
                )
                .await
            }
            WorkloadKind::Deployment => {
                self.patch(
                    &Api::<Deployment>::namespaced(client, &self.namespace),
                    metadata,
                    Some(patch),
                )
                .await
            }
        }
    }

    /// One that is there already came from an earlier try, or from somebody quicker: it is read
    /// again.
    async fn create<K>(&self, api: &Api<K>, manifest: &Value) -> Result<(), kube::Error>
    where
        K: Clone + DeserializeOwned + Serialize + Debug,
    {
        let object: K =
            serde_json::from_value(manifest.clone()).map_err(kube::Error::SerdeError)?;
        let parameters = PostParams {
            field_manager: Some(self.manager.to_owned()),
            ..PostParams::default()
        };
        match api.create(&parameters, &object).await {
            Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => Ok(()),
            other => other.map(drop),
        }
    }

    /// Takes a confirmation off, as it is now.
    async fn revoke(&self, volumes: &Api<PersistentVolume>, name: &str) -> Result<(), kube::Error> {
        let Some(volume) = volumes.get_metadata_opt(name).await? else {
            return Ok(());
        };
        self.patch(
            volumes,
            &volume.metadata,
            guard::build_revocation(&volume.metadata),
        )
        .await
    }

    /// The way out of a namespace that is Terminating: its own finalizers are taken off, and what
    /// is held in it stays.
    async fn finalize(
        &self,
        namespaces: &Api<Namespace>,
        metadata: &ObjectMeta,
    ) -> Result<(), kube::Error> {
        let Some(mut namespace) = namespaces.get_opt(name(metadata)).await? else {
            return Ok(());
        };
        if namespace.metadata.uid != metadata.uid {
            return Ok(());
        }
        namespace.spec.get_or_insert_default().finalizers = Some(Vec::new());
        namespaces
            .replace_subresource(
                "finalize",
                name(metadata),
                &PostParams::default(),
                &namespace,
            )
            .await
            .map(drop)
    }
}

fn refused(step: &Step, source: kube::Error) -> StepError {
    StepError::Refused {
        step: step.describe(),
        source: Box::new(source),
    }
}

fn name(metadata: &ObjectMeta) -> &str {
    metadata.name.as_deref().unwrap_or_default()
}
