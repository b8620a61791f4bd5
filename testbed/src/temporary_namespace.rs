//! A namespace for one test, removed at its end with everything Holdfast would otherwise keep.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::{Namespace, PersistentVolume};
use k8s_openapi::jiff::Timestamp;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, ObjectMeta, Patch,
    PatchParams, PostParams,
};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use crate::progress::say;
use crate::testbed::Testbed;

/// How often a namespace is tried to be removed, and how long is waited in between.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_secs(1);
/// The finalizer that keeps guarded objects.
const FINALIZER: &str = "holdfast.dev/keep";
/// The annotations that confirm a deletion and a change, by the object's UID and the time.
const CONFIRMATIONS: [&str; 2] = [
    "holdfast.dev/confirm-deletion",
    "holdfast.dev/confirm-change",
];
/// What all marks of Holdfast begin with.
const MARKS: &str = "holdfast.dev/";

/// The kinds that may carry marks, in the order they are released: what would mark the others again
/// comes first.
const GUARDED_KINDS: [(&str, &str, &str); 9] = [
    ("holdfast.dev", "v1alpha1", "ProtectedDatabase"),
    ("holdfast.dev", "v1alpha1", "DatabaseCheck"),
    ("holdfast.dev", "v1alpha1", "DatabaseBackup"),
    ("holdfast.dev", "v1alpha1", "DatabaseRestore"),
    ("batch", "v1", "CronJob"),
    ("batch", "v1", "Job"),
    ("apps", "v1", "StatefulSet"),
    ("apps", "v1", "Deployment"),
    ("", "v1", "PersistentVolumeClaim"),
];

/// A namespace that is deleted, in the background, when this is dropped; with `HOLDFAST_KEEP=1` a
/// failed test's namespace stays.
#[derive(Debug)]
pub struct TemporaryNamespace<'a> {
    testbed: &'a Testbed,
    name: String,
}

impl<'a> TemporaryNamespace<'a> {
    /// Makes a namespace with a name of its own that begins with `prefix`.
    pub fn create(testbed: &'a Testbed, prefix: &str) -> Result<Self> {
        Self::create_with_labels(testbed, prefix, &[])
    }

    /// Makes a namespace with labels, for example those of Pod Security.
    pub fn create_with_labels(
        testbed: &'a Testbed,
        prefix: &str,
        labels: &[(&str, &str)],
    ) -> Result<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        // The time, because the namespace of an earlier run may still be on its way out.
        let seconds = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs() % 1_000_000);
        let name = format!(
            "{prefix}-{seconds}-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let labels = labels
            .iter()
            .map(|(label, value)| ((*label).to_owned(), (*value).to_owned()))
            .collect();
        testbed.run_in_network(async || {
            let namespace = Namespace {
                metadata: ObjectMeta {
                    name: Some(name.clone()),
                    labels: Some(labels),
                    ..ObjectMeta::default()
                },
                ..Namespace::default()
            };
            Api::all(testbed.client().await?)
                .create(&PostParams::default(), &namespace)
                .await?;
            Ok(())
        })?;
        Ok(Self { testbed, name })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Removes it. An operator at work may put marks back between two writes, and then one is refused.
    async fn remove(&self) -> Result<()> {
        let client = self.testbed.client().await?;
        let mut attempt = 1;
        loop {
            let removed = remove_namespace(client.clone(), &self.name).await;
            if removed.is_ok() || attempt == ATTEMPTS {
                return removed;
            }
            attempt += 1;
            sleep(PAUSE).await;
        }
    }
}

impl Drop for TemporaryNamespace<'_> {
    fn drop(&mut self) {
        if thread::panicking()
            && std::env::var_os("HOLDFAST_KEEP").is_some_and(|value| value == "1")
        {
            say(&format!(
                "the namespace {0} is kept: look with `cargo run -p testbed -- exec -- kubectl get \
                 all -n {0}`",
                self.name
            ));
            return;
        }
        let removed = self.testbed.run_in_network(async || {
            // What is left over slows every later test.
            let patience = Duration::from_mins(3);
            tokio::time::timeout(patience, self.remove()).await?
        });
        if let Err(error) = removed {
            say(&format!(
                "the namespace {} is not removed: {error:#}",
                self.name
            ));
        }
    }
}

/// Takes Holdfast's marks off everything in a namespace and off its volumes, and asks for its
/// deletion without waiting for it.
pub async fn remove_namespace(client: Client, namespace: &str) -> Result<()> {
    release_contents(&client, namespace).await?;
    let namespaces =
        Api::<DynamicObject>::all_with(client.clone(), &ApiResource::erase::<Namespace>(&()));
    if let Some(object) = namespaces.get_opt(namespace).await? {
        release(&namespaces, &object).await?;
        ignore_absence(
            namespaces
                .delete(namespace, &DeleteParams::background())
                .await
                .map(drop),
        )?;
    }
    // A pass of the operator that had begun before may have put marks back.
    sleep(Duration::from_millis(300)).await;
    release_contents(&client, namespace).await
}

async fn release_contents(client: &Client, namespace: &str) -> Result<()> {
    for (group, version, kind) in GUARDED_KINDS {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource);
        release_all(&api, group == "holdfast.dev")
            .await
            .with_context(|| format!("{kind}s can't be released"))?;
    }
    remove_ledgers(client, namespace).await?;
    release_volumes(client, namespace).await
}

/// Takes away what is remembered of the namespace's databases: it is in no namespace.
async fn remove_ledgers(client: &Client, namespace: &str) -> Result<()> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(
        "holdfast.dev",
        "v1alpha1",
        "DatabaseLedger",
    ));
    let ledgers = Api::<DynamicObject>::all_with(client.clone(), &resource);
    let all = match ledgers.list(&ListParams::default()).await {
        Ok(all) => all,
        // The kind is not installed: nothing of it is here.
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for ledger in all
        .items
        .iter()
        .filter(|ledger| ledger.data["spec"]["namespace"] == namespace)
    {
        release(&ledgers, ledger).await?;
        ignore_absence(
            ledgers
                .delete(&ledger.name_any(), &DeleteParams::background())
                .await
                .map(drop),
        )?;
    }
    Ok(())
}

async fn release_all(api: &Api<DynamicObject>, delete: bool) -> Result<()> {
    let objects = match api.list(&ListParams::default()).await {
        Ok(objects) => objects,
        // The kind is not installed: nothing of it is here.
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for object in &objects {
        release(api, object).await?;
        if delete {
            ignore_absence(
                api.delete(&object.name_any(), &DeleteParams::background())
                    .await
                    .map(drop),
            )?;
        }
    }
    Ok(())
}

async fn release_volumes(client: &Client, namespace: &str) -> Result<()> {
    let volumes = Api::<DynamicObject>::all_with(
        client.clone(),
        &ApiResource::erase::<PersistentVolume>(&()),
    );
    let protected_by = format!("{namespace}/");
    for volume in &volumes.list(&ListParams::default()).await? {
        let claimed = volume.data["spec"]["claimRef"]["namespace"] == namespace;
        let marked = volume
            .annotations()
            .get("holdfast.dev/protected-by")
            .is_some_and(|value| value.starts_with(&protected_by));
        if claimed || marked {
            release(&volumes, volume).await?;
            // So that the provisioner really deletes the folder once the claim is gone.
            let patch = Patch::Merge(json!({"spec": {"persistentVolumeReclaimPolicy": "Delete"}}));
            ignore_absence(
                volumes
                    .patch(&volume.name_any(), &PatchParams::default(), &patch)
                    .await
                    .map(drop),
            )?;
        }
    }
    Ok(())
}

async fn release(api: &Api<DynamicObject>, object: &DynamicObject) -> Result<()> {
    let Some(patch) = build_release(&object.metadata) else {
        return Ok(());
    };
    // Confirmed first: the guard refuses to lose its marks otherwise, also to an administrator.
    let uid = object.metadata.uid.clone().unwrap_or_default();
    for patch in [build_confirmation(&uid), patch] {
        ignore_absence(
            api.patch(
                &object.name_any(),
                &PatchParams::default(),
                &Patch::Merge(patch),
            )
            .await
            .map(drop),
        )?;
    }
    Ok(())
}

fn ignore_absence(outcome: kube::Result<()>) -> Result<()> {
    match outcome {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        outcome => Ok(outcome?),
    }
}

/// The patch that confirms everything from now on.
fn build_confirmation(uid: &str) -> Value {
    let confirmed = format!("{uid}/{:.0}", Timestamp::now());
    let confirmed = CONFIRMATIONS.map(|key| (key.to_owned(), json!(confirmed)));
    json!({"metadata": {"annotations": Map::from_iter(confirmed)}})
}

/// The patch that takes the marks off, with what was confirmed; nothing for an object without marks.
fn build_release(metadata: &ObjectMeta) -> Option<Value> {
    let marked = |name: &&String| name.starts_with(MARKS);
    let labels: Vec<_> = metadata
        .labels
        .iter()
        .flat_map(std::collections::BTreeMap::keys)
        .filter(marked)
        .collect();
    let annotations: Vec<_> = metadata
        .annotations
        .iter()
        .flat_map(std::collections::BTreeMap::keys)
        .filter(marked)
        .collect();
    let finalizers = metadata.finalizers.clone().unwrap_or_default();
    if labels.is_empty()
        && annotations.is_empty()
        && !finalizers.iter().any(|name| name == FINALIZER)
    {
        return None;
    }
    let mut changes = json!({"labels": {}, "annotations": {}});
    for name in labels {
        changes["labels"][name] = Value::Null;
    }
    for name in annotations {
        changes["annotations"][name] = Value::Null;
    }
    for confirmation in CONFIRMATIONS {
        changes["annotations"][confirmation] = Value::Null;
    }
    changes["finalizers"] = json!(
        finalizers
            .iter()
            .filter(|name| *name != FINALIZER)
            .collect::<Vec<_>>()
    );
    Some(json!({"metadata": changes}))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn only_the_marks_are_taken_off() {
        let metadata: ObjectMeta = serde_json::from_value(json!({
            "uid": "1-2-3",
            "labels": {"app": "pg", "holdfast.dev/protected": "true"},
            "annotations": {"holdfast.dev/protected-by": "a/b", "other": "stays"},
            "finalizers": ["kubernetes.io/pvc-protection", "holdfast.dev/keep"],
        }))
        .unwrap();
        assert_eq!(
            build_release(&metadata).unwrap(),
            json!({"metadata": {
                "labels": {"holdfast.dev/protected": null},
                "annotations": {
                    "holdfast.dev/protected-by": null, "holdfast.dev/confirm-deletion": null,
                    "holdfast.dev/confirm-change": null,
                },
                "finalizers": ["kubernetes.io/pvc-protection"],
            }})
        );
    }

    #[test]
    fn an_object_without_marks_is_left_alone() {
        let metadata = ObjectMeta {
            finalizers: Some(vec!["kubernetes.io/pvc-protection".into()]),
            ..ObjectMeta::default()
        };
        assert_eq!(build_release(&metadata), None);
    }
}
