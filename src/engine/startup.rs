//! What must hold before the operator starts: its own kinds are installed.

use kube::{Api, Client};

use crate::api::{DatabaseBackup, DatabaseCheck, DatabaseRestore, ProtectedDatabase};

/// Why the operator can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartupError {
    /// A kind can't be listed.
    #[error(
        "can't list {kind} ({source}); install the custom resource definitions and the operator's \
         role first: holdfast install-manifest --image IMAGE | kubectl apply --server-side -f -"
    )]
    Kind {
        kind: &'static str,
        /// The API server's answer.
        source: Box<kube::Error>,
    },
}

/// Checks that the kinds the operator works with are served to it.
///
/// # Errors
/// One of them is not.
pub async fn require_kinds(client: &Client) -> Result<(), StartupError> {
    let one = kube::api::ListParams::default().limit(1);
    let refused = |kind| {
        move |source| StartupError::Kind {
            kind,
            source: Box::new(source),
        }
    };
    Api::<ProtectedDatabase>::all(client.clone())
        .list_metadata(&one)
        .await
        .map_err(refused("ProtectedDatabases"))?;
    Api::<DatabaseCheck>::all(client.clone())
        .list_metadata(&one)
        .await
        .map_err(refused("DatabaseChecks"))?;
    Api::<DatabaseBackup>::all(client.clone())
        .list_metadata(&one)
        .await
        .map_err(refused("DatabaseBackups"))?;
    Api::<DatabaseRestore>::all(client.clone())
        .list_metadata(&one)
        .await
        .map_err(refused("DatabaseRestores"))?;
    Ok(())
}
