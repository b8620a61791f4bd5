//! Stores beside the manifests of earlier sets what the operator says about them, so that a restore
//! sees it without a cluster. A backup that begins does it: it has the key of the bucket, which the
//! operator never reads.

use std::time::Duration;

use kube::api::ListParams;
use kube::{Api, Client};

use super::{MountedFiles, kubernetes};
use crate::api::{BackupRequest, BackupVerdict, DatabaseBackup};
use crate::store::{StoreLimits, StoredVerdict, database_folder, store_verdict};

/// How long a storage is waited for that is unavailable.
const LIMIT: Duration = Duration::from_secs(30);
/// How many backups are read, the newest first.
const BACKUPS: usize = 100;

/// Stores every verdict that the bucket does not have. What fails is tried by the next backup: this
/// one does not need it.
pub async fn record_verdicts(client: &Client, request: &BackupRequest, files: &MountedFiles) {
    let limits = StoreLimits {
        budget: LIMIT,
        ..StoreLimits::default()
    };
    let store = match files.open_store(&request.storage, &request.namespace, limits) {
        Ok(store) => store,
        Err(error) => {
            tracing::warn!("verdicts on earlier backups were not stored: {error}");
            return;
        }
    };
    let backups: Api<DatabaseBackup> = Api::namespaced(client.clone(), &request.namespace);
    let asked = ListParams::default().fields(&format!("spec.database={}", request.database));
    let listed = kubernetes::persist("list the DatabaseBackups", || backups.list(&asked)).await;
    let mut listed = match listed {
        Ok(listed) => listed.items,
        Err(error) => {
            tracing::warn!("verdicts on earlier backups were not stored: {error:#}");
            return;
        }
    };
    listed.sort_by_key(|backup| {
        std::cmp::Reverse(
            backup
                .metadata
                .creation_timestamp
                .as_ref()
                .map(|time| time.0),
        )
    });
    let directory = database_folder(
        &request.storage.prefix,
        &request.namespace,
        &request.database,
    );
    for backup in listed.iter().take(BACKUPS) {
        let Some((path, verdict)) = verdict_of(backup, &directory) else {
            continue;
        };
        if let Err(error) = store_verdict(&store, path, &verdict).await {
            tracing::warn!(path, "the verdict on this backup was not stored: {error}");
        }
    }
}

/// Where a backup is, and what the operator says about it. A path outside of the database's own
/// directory is none.
fn verdict_of<'a>(backup: &'a DatabaseBackup, directory: &str) -> Option<(&'a str, StoredVerdict)> {
    let status = backup.status.as_ref()?;
    let verdict = match (&status.demoted, &status.confirmed) {
        (Some(by), _) => BackupVerdict::Demoted(by.clone()),
        (None, Some(by)) => BackupVerdict::Confirmed(by.clone()),
        (None, None) => return None,
    };
    let path = status.path.as_deref()?;
    let set = path.strip_prefix(directory)?;
    let is_set = !set.is_empty() && !set.contains('/') && !set.starts_with('.');
    let sha256 = status.manifest_sha256.as_deref()?;
    is_set.then(|| (path, StoredVerdict::new(&verdict, sha256)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;
    use crate::store::VerdictKind;

    fn backup(status: &serde_json::Value) -> DatabaseBackup {
        serde_json::from_value(serde_json::json!({
            "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseBackup",
            "metadata": {"name": "b"}, "spec": {"database": "knowledge"}, "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn only_a_judged_set_of_the_own_directory_gets_a_verdict() {
        let by = serde_json::json!({"check": "c", "time": "2026-02-01T09:20:00Z"});
        let of = |path: &str| {
            backup(&serde_json::json!({"path": path, "manifestSha256": "aa", "confirmed": by}))
        };
        let good = of("prod/atra/knowledge/20260201T091000Z-00000001");
        let (path, verdict) = verdict_of(&good, "prod/atra/knowledge/").unwrap();
        assert_eq!(path, "prod/atra/knowledge/20260201T091000Z-00000001");
        assert_eq!(verdict.verdict, VerdictKind::Confirmed);
        for elsewhere in [
            "prod/atra/other/20260201T091000Z-00000001",
            "prod/atra/knowledge/",
            "prod/atra/knowledge/../other/x",
            "prod/atra/knowledge/a/b",
        ] {
            assert_eq!(
                verdict_of(&of(elsewhere), "prod/atra/knowledge/"),
                None,
                "{elsewhere}"
            );
        }
        let unjudged = backup(&serde_json::json!({"path": path, "manifestSha256": "aa"}));
        assert_eq!(verdict_of(&unjudged, "prod/atra/knowledge/"), None);
    }
}
