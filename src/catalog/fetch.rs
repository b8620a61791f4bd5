//! Writes the files of a set into a new directory, each compared with the manifest's digest while it
//! is written. Nothing that exists is replaced, and names of the manifest lead nowhere else.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::store::{CatalogSet, MANIFEST_NAME, S3Store, is_object_name};

/// Writes every object of a set and its manifest. A file with other bytes than were stored is deleted
/// again, and is an error.
pub async fn fetch_files(
    store: &S3Store,
    set: &CatalogSet,
    to: &Path,
) -> anyhow::Result<Vec<PathBuf>> {
    let path = &set.facts.path;
    let Some((manifest, sha256)) = &set.manifest else {
        anyhow::bail!("`{path}` has no manifest that can be read, so it is no backup");
    };
    fs::create_dir(to).with_context(|| {
        format!(
            "could not create {}; it must not exist, so that nothing is replaced",
            to.display()
        )
    })?;
    let mut written = Vec::new();
    for object in &manifest.objects {
        if !is_object_name(&object.name) {
            anyhow::bail!(
                "the manifest of `{path}` names the object `{}`, which is no plain file name; the \
                 rest is not written",
                object.name
            );
        }
        let file = to.join(&object.name);
        fetch_file(
            store,
            &format!("{path}/{}", object.name),
            &file,
            &object.sha256,
        )
        .await?;
        written.push(file);
    }
    // Last, as in the bucket: without it the directory is no backup.
    let file = to.join(MANIFEST_NAME);
    fetch_file(store, &format!("{path}/{MANIFEST_NAME}"), &file, sha256).await?;
    written.push(file);
    Ok(written)
}

async fn fetch_file(store: &S3Store, key: &str, to: &Path, sha256: &str) -> anyhow::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(to)
        .with_context(|| format!("could not create {}", to.display()))?;
    let read = store.read_object(key, |piece| file.write_all(piece)).await;
    let outcome = match read {
        Ok((_, found)) if found == sha256 => file.sync_all().context("the file could not be kept"),
        Ok(_) => Err(anyhow::anyhow!("`{key}` has other bytes than were stored")),
        Err(error) => Err(error.into()),
    };
    if outcome.is_err() {
        // It may not be mistaken for what was stored.
        fs::remove_file(to).ok();
    }
    outcome
}
