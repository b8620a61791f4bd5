//! One write to the API server: a time limit, a field manager, and what its failure means.

use std::fmt::Debug;
use std::time::Duration;

use json_patch::Patch as JsonPatch;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What the API server says to somebody without the permission, before any admission.
const NO_PERMISSION: &str = "is forbidden: User \"";

/// How long one write may take. The client itself would try for minutes.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// What admission policies and webhooks of others say where their own text begins.
const DENIED: [&str; 2] = ["denied request: ", "denied the request"];

/// A write that was not done, or of which that is not known.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The API server refused, or a precondition did not hold: the object is not the one that was
    /// read.
    #[error("could not {doing}: {source}")]
    Refused {
        /// What was to be done.
        doing: String,
        /// The API server's answer.
        source: Box<kube::Error>,
    },
    /// The volume of a claim that was to be deleted is not kept.
    #[error("did not {doing}: {why}")]
    NotKept {
        /// What was to be done.
        doing: String,
        /// What was read.
        why: String,
    },
    /// No answer in time. The write may have happened; the next pass reads what there is.
    #[error("could not {doing}: no answer from the API server in {} s", WRITE_TIMEOUT.as_secs())]
    TimedOut {
        /// What was to be done.
        doing: String,
    },
}

/// Whether the API server says that a precondition did not hold. An admission policy may answer with the
/// same code, and then says that it has denied the request.
#[must_use]
pub fn is_precondition(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else {
        return false;
    };
    let is_denied = || DENIED.iter().any(|denied| status.message.contains(denied));
    status.code == 409 || (status.code == 422 && !is_denied())
}

impl WriteError {
    /// Whether a precondition did not hold: somebody else wrote first, and reading again settles
    /// it.
    #[must_use]
    pub fn is_precondition(&self) -> bool {
        matches!(self, Self::Refused { source, .. } if is_precondition(source))
    }

    /// The same, or the object is gone.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self.code(), Some(404 | 409 | 422))
    }

    /// What the API server says to an object that it refuses for what it contains, or for what others ask
    /// of it: a quota, an admission policy, a webhook. That it could not decide is no refusal.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Self::Refused { source, .. } => match source.as_ref() {
                kube::Error::Api(status) if matches!(status.code, 400 | 403 | 413 | 422) => {
                    Some(&status.message)
                }
                _ => None,
            },
            Self::NotKept { .. } | Self::TimedOut { .. } => None,
        }
    }

    /// Whether the one who writes lacks the permission, in contrast to a policy, a webhook or a quota that
    /// refuses what is written.
    #[must_use]
    pub fn is_not_permitted(&self) -> bool {
        let Self::Refused { source, .. } = self else {
            return false;
        };
        matches!(source.as_ref(), kube::Error::Api(status)
            if status.code == 403 && status.message.contains(NO_PERMISSION))
    }

    fn code(&self) -> Option<u16> {
        match self {
            Self::Refused { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => Some(status.code),
                _ => None,
            },
            Self::NotKept { .. } | Self::TimedOut { .. } => None,
        }
    }
}

/// Waits for a write, but not for ever. `doing` says what it does, as an imperative.
///
/// # Errors
/// It was refused, or not answered in time.
pub async fn within_time<T>(
    doing: &str,
    write: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, WriteError> {
    match tokio::time::timeout(WRITE_TIMEOUT, Box::pin(write)).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(WriteError::Refused {
            doing: doing.to_owned(),
            source: Box::new(source),
        }),
        Err(_) => Err(WriteError::TimedOut {
            doing: doing.to_owned(),
        }),
    }
}

/// Writes with the permissions of a client, in the name of a field manager.
#[derive(Clone)]
pub struct Writer {
    pub client: Client,
    /// The field manager.
    pub manager: &'static str,
}

impl Writer {
    fn patch_parameters(&self) -> PatchParams {
        PatchParams {
            field_manager: Some(self.manager.to_owned()),
            ..PatchParams::default()
        }
    }

    fn post_parameters(&self) -> PostParams {
        PostParams {
            field_manager: Some(self.manager.to_owned()),
            ..PostParams::default()
        }
    }

    /// Sends a JSON patch, whose tests of UID and resource version are its preconditions. Nothing
    /// to patch is done already.
    pub(crate) async fn patch<K>(
        &self,
        api: &Api<K>,
        metadata: &ObjectMeta,
        body: Option<JsonPatch>,
    ) -> Result<(), kube::Error>
    where
        K: Clone + Debug + DeserializeOwned,
    {
        let Some(body) = body else { return Ok(()) };
        let name = metadata.name.as_deref().unwrap_or_default();
        let patch = Patch::Json::<()>(body);
        api.patch_metadata(name, &self.patch_parameters(), &patch)
            .await
            .map(drop)
    }

    /// Creates an object; where the name already exists nothing is changed: an earlier try created
    /// it, or somebody else did.
    pub(crate) async fn create<K>(&self, api: &Api<K>, object: &K) -> Result<(), kube::Error>
    where
        K: Clone + Debug + Serialize + DeserializeOwned,
    {
        match api.create(&self.post_parameters(), object).await {
            Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => Ok(()),
            other => other.map(drop),
        }
    }

    /// The same, from a manifest.
    pub(crate) async fn create_manifest<K>(
        &self,
        api: &Api<K>,
        manifest: &Value,
    ) -> Result<(), kube::Error>
    where
        K: Clone + Debug + Serialize + DeserializeOwned,
    {
        let object = serde_json::from_value(manifest.clone()).map_err(kube::Error::SerdeError)?;
        self.create(api, &object).await
    }

    /// Applies an object that is all ours.
    pub(crate) async fn apply<K>(&self, api: &Api<K>, object: &K) -> Result<(), kube::Error>
    where
        K: Resource + Clone + Debug + Serialize + DeserializeOwned,
    {
        let name = object.meta().name.clone().unwrap_or_default();
        let parameters = PatchParams::apply(self.manager).force();
        api.patch(&name, &parameters, &Patch::Apply(object))
            .await
            .map(drop)
    }

    /// Applies a status, or that part of one which this manager owns. The UID, where there is one,
    /// pins the object: one recreated under the name never gets the status of the one before.
    pub(crate) async fn apply_status<K>(
        &self,
        api: &Api<K>,
        (name, uid): (&str, Option<&str>),
        status: &impl Serialize,
    ) -> Result<(), kube::Error>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let mut body = serde_json::json!({
            "apiVersion": K::api_version(&()), "kind": K::kind(&()),
            "metadata": {"name": name}, "status": status,
        });
        if let Some(uid) = uid {
            body["metadata"]["uid"] = uid.into();
        }
        let parameters = PatchParams::apply(self.manager).force();
        api.patch_status(name, &parameters, &Patch::Apply(body))
            .await
            .map(drop)
    }

    /// Merges into an object of ours.
    pub(crate) async fn merge<K>(
        &self,
        api: &Api<K>,
        name: &str,
        body: Value,
    ) -> Result<(), kube::Error>
    where
        K: Clone + Debug + DeserializeOwned,
    {
        api.patch(name, &self.patch_parameters(), &Patch::Merge(body))
            .await
            .map(drop)
    }

    /// Patches the status of an object.
    pub(crate) async fn patch_status<K>(
        &self,
        api: &Api<K>,
        name: &str,
        patch: &Patch<Value>,
    ) -> Result<(), kube::Error>
    where
        K: Clone + Debug + DeserializeOwned,
    {
        api.patch_status(name, &self.patch_parameters(), patch)
            .await
            .map(drop)
    }

    /// Replaces the object that was read, or creates it if there was none. Replaced and not
    /// applied: what somebody added must be removed too.
    pub(crate) async fn replace<K>(
        &self,
        api: &Api<K>,
        present: Option<&K>,
        wanted: &K,
    ) -> Result<(), kube::Error>
    where
        K: Resource + Clone + Debug + Serialize + DeserializeOwned,
    {
        let Some(present) = present else {
            return api.create(&self.post_parameters(), wanted).await.map(drop);
        };
        let name = present.meta().name.as_deref().unwrap_or_default();
        api.replace(name, &self.post_parameters(), wanted)
            .await
            .map(drop)
    }

    /// Deletes exactly the object that was read; one that no longer exists counts as deleted.
    pub(crate) async fn delete<K>(
        &self,
        api: &Api<K>,
        metadata: &ObjectMeta,
    ) -> Result<(), kube::Error>
    where
        K: Clone + Debug + DeserializeOwned,
    {
        let preconditions = Preconditions {
            uid: metadata.uid.clone(),
            resource_version: metadata.resource_version.clone(),
        };
        let parameters = DeleteParams {
            preconditions: Some(preconditions),
            ..DeleteParams::background()
        };
        delete_with(api, metadata, &parameters).await
    }

    /// Deletes the object that was read, whatever of it has changed since, and leaves what it owns: that has no
    /// owner from then on.
    pub(crate) async fn delete_alone<K>(
        &self,
        api: &Api<K>,
        metadata: &ObjectMeta,
    ) -> Result<(), kube::Error>
    where
        K: Clone + Debug + DeserializeOwned,
    {
        let preconditions = Preconditions {
            uid: metadata.uid.clone(),
            resource_version: None,
        };
        let parameters = DeleteParams {
            preconditions: Some(preconditions),
            ..DeleteParams::orphan()
        };
        delete_with(api, metadata, &parameters).await
    }

    /// Deletes the object that was read, whatever of it has changed since.
    pub(crate) async fn delete_by_uid<K>(
        &self,
        api: &Api<K>,
        metadata: &ObjectMeta,
    ) -> Result<(), kube::Error>
    where
        K: Clone + Debug + DeserializeOwned,
    {
        let any_version = ObjectMeta {
            resource_version: None,
            ..metadata.clone()
        };
        self.delete(api, &any_version).await
    }
}

/// Deletes an object; one that no longer exists counts as deleted.
async fn delete_with<K>(
    api: &Api<K>,
    metadata: &ObjectMeta,
    parameters: &DeleteParams,
) -> Result<(), kube::Error>
where
    K: Clone + Debug + DeserializeOwned,
{
    let name = metadata.name.as_deref().unwrap_or_default();
    match api.delete(name, parameters).await {
        Err(kube::Error::Api(status)) if status.reason == "NotFound" => Ok(()),
        other => other.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16, message: &str) -> WriteError {
        let answer = kube::core::Status {
            code,
            message: message.to_owned(),
            ..kube::core::Status::default()
        };
        WriteError::Refused {
            doing: "restore it".to_owned(),
            source: Box::new(kube::Error::Api(Box::new(answer))),
        }
    }

    #[test]
    fn a_missing_permission_is_told_from_what_others_refuse() {
        for (code, message, is_permission) in [
            (
                403,
                "validatingadmissionpolicies.admissionregistration.k8s.io \"holdfast-marks-guard\" is \
                 forbidden: User \"system:serviceaccount:holdfast-system:holdfast\" cannot update resource \
                 \"validatingadmissionpolicies\" in API group \"admissionregistration.k8s.io\" at the \
                 cluster scope",
                true,
            ),
            (403, "pods \"a\" is forbidden: exceeded quota: small", false),
            (
                422,
                "ValidatingAdmissionPolicy 'x' with binding 'x' denied request: no",
                false,
            ),
            (409, "the object has been modified", false),
        ] {
            assert_eq!(
                refused(code, message).is_not_permitted(),
                is_permission,
                "{message}"
            );
        }
    }
}
