//! `holdfast agent files`: looks for the files that the rows of one rule name, and writes what it
//! saw to the status of its `DatabaseCheck`.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use crate::api::{DatabaseCheck, FILES_DIRECTORY, FilesRequest, names};

use super::{
    Interrupt, MountedFiles, build_presence, kubernetes, look_for_files_from, nothing_found,
};

/// What is allowed beyond the timeout of the rule before the agent stops.
const GRACE: Duration = Duration::from_secs(10);

/// Looks for the files and reports them.
pub async fn run_files(request: FilesRequest) -> anyhow::Result<()> {
    let client = kubernetes::connect().await?;
    let start_time = Some(Time(Timestamp::now()));
    let interrupt = Interrupt::listen(
        Duration::from_secs(request.timeout_seconds) + GRACE,
        "spec.verification.files[].timeout",
    )?;
    let files = MountedFiles::default();
    let presence = build_presence(&client, &request.namespace, &request.server);
    let mut checked = tokio::select! {
        checked = look_for_files_from(&request, Path::new(FILES_DIRECTORY), &files, presence) => checked,
        failure = interrupt.wait() => {
            let mut checked = nothing_found(&request);
            checked.failure = Some(failure);
            checked
        }
    };
    if let Some(failure) = &checked.failure {
        tracing::warn!(reason = failure.reason, "{}", failure.message);
    }
    tracing::info!(
        paths = checked.paths,
        found = checked.found,
        missing = checked.missing,
        files = checked.files,
        unreferenced = checked.unreferenced,
        "looked for the files"
    );
    checked.start_time = start_time;
    checked.completion_time = Some(Time(Timestamp::now()));
    let manager = names::files_manager(request.place);
    let status = json!({ "files": [checked] });
    kubernetes::apply_status_as::<DatabaseCheck>(
        &client,
        &manager,
        &request.namespace,
        &request.check,
        &status,
    )
    .await
}
