//! The manifest of the set that is restored; of one that only the bucket knows, only if what is beside the
//! manifest says that the set counts.

use crate::api::{AgentFailure, RestoreRequest, reasons};
use crate::store::{Manifest, S3Store, Standing, fetch_set};
use crate::wording::quoted;

use super::restore_fetch::{changed, explain, fetch_manifest};

/// Fetches the manifest of the set, or refuses the set.
pub async fn fetch_counting_manifest(
    store: &S3Store,
    request: &RestoreRequest,
) -> Result<Manifest, AgentFailure> {
    let (path, sha256) = (&request.path, &request.manifest_sha256);
    let manifest = fetch_manifest(store, path, sha256).await?;
    if !request.confirmed_only {
        return Ok(manifest);
    }
    let set = fetch_set(store, path)
        .await
        .map_err(|error| explain(error, path))?;
    let record = set.facts.record();
    if record.is_none_or(|record| !record.manifest_sha256.eq_ignore_ascii_case(sha256)) {
        return Err(changed(&format!(
            "the manifest of `{path}` was replaced while it was read"
        )));
    }
    if record.is_some_and(|record| record.standing == Standing::Confirmed) {
        return Ok(manifest);
    }
    let why = set.verdicts.unread.first();
    let why = why.map_or_else(String::new, |why| format!(" ({})", quoted(why, 300)));
    Err(AgentFailure {
        reason: reasons::RESTORE_REFUSED.to_owned(),
        message: format!(
            "the set `{path}` is {} by what is beside its manifest in the bucket{why}, so it may hold only \
             what was left after a loss. Nothing was made in the server. To restore it anyway, ask for it \
             with spec.acceptSuspect: true: kubectl holdfast adopt --set {path} --accept-suspect",
            set.facts.contents.word()
        ),
    })
}
