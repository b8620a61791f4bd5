//! Reads the encrypted objects of a set with private keys: into files, or only to see that it is possible.
//! What is read was compared with its digest before.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::mpsc;

use crate::store::{
    CatalogSet, ENCRYPTED_SUFFIX, Identities, Manifest, ManifestObject, PieceReader, S3Store,
    open_stored,
};

/// Pieces that wait between storage and reader.
const WAITING: usize = 4;

/// Reads the private keys for a set; none if it is not encrypted.
pub fn read_identities(
    file: Option<&Path>,
    set: &CatalogSet,
) -> anyhow::Result<Option<Arc<Identities>>> {
    let (Some(file), Some((manifest, _))) = (file, &set.manifest) else {
        return Ok(None);
    };
    if encrypted(manifest).next().is_none() {
        return Ok(None);
    }
    let identities = Identities::read(file)
        .map_err(|what| anyhow::anyhow!("--identity: {} {what}", file.display()))?;
    if !identities.fits(&manifest.recipients) {
        anyhow::bail!(
            "--identity: the private keys in {} are of {}, and the set is encrypted for {}",
            file.display(),
            identities.public_keys().join(", "),
            manifest.recipients.join(", ").escape_debug()
        );
    }
    Ok(Some(Arc::new(identities)))
}

fn encrypted(manifest: &Manifest) -> impl Iterator<Item = &ManifestObject> {
    let objects = manifest.objects.iter();
    objects.filter(|object| object.encryption.is_some())
}

/// Decrypts the files of a set that were written. Each takes the place of the encrypted one. Returns
/// what there is then.
pub fn decrypt_files(
    set: &CatalogSet,
    written: Vec<PathBuf>,
    identities: &Identities,
) -> anyhow::Result<Vec<PathBuf>> {
    let Some((manifest, _)) = &set.manifest else {
        return Ok(written);
    };
    let mut files = Vec::new();
    for from in written {
        let mut objects = encrypted(manifest);
        let object = objects.find(|object| from.file_name() == Some(object.name.as_ref()));
        let Some(object) = object else {
            files.push(from);
            continue;
        };
        let name = object.name.strip_suffix(ENCRYPTED_SUFFIX);
        let name = name.with_context(|| {
            format!(
                "`{}` is encrypted, and its name does not end with {ENCRYPTED_SUFFIX}",
                object.name.escape_debug()
            )
        })?;
        let to = from.with_file_name(name);
        decrypt_file(&from, &to, object, identities)?;
        files.push(to);
    }
    Ok(files)
}

fn decrypt_file(
    from: &Path,
    to: &Path,
    object: &ManifestObject,
    identities: &Identities,
) -> anyhow::Result<()> {
    let stored = File::open(from).with_context(|| format!("could not read {}", from.display()))?;
    let mut plain = open_stored(BufReader::new(stored), object.encryption, Some(identities))
        .map_err(|why| anyhow::anyhow!("{} can't be decrypted: {why}", from.display()))?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .with_context(|| format!("could not create {}", to.display()))?;
    let copied = io::copy(&mut plain, &mut file).and_then(|_| file.sync_all());
    if let Err(error) = copied {
        // A part of it may not be mistaken for all of it.
        fs::remove_file(to).ok();
        return Err(error).with_context(|| format!("{} could not be decrypted", from.display()));
    }
    fs::remove_file(from).with_context(|| format!("could not remove {}", from.display()))
}

/// Reads every encrypted object of a set completely. Returns what is wrong.
pub async fn check_readable(
    store: &S3Store,
    set: &CatalogSet,
    identities: &Arc<Identities>,
) -> anyhow::Result<Vec<String>> {
    let mut faults = Vec::new();
    let objects = set
        .manifest
        .iter()
        .flat_map(|(manifest, _)| encrypted(manifest));
    for object in objects {
        let key = format!("{}/{}", set.facts.path, object.name);
        let (sender, receiver) = mpsc::channel(WAITING);
        let (encryption, identities) = (object.encryption, identities.clone());
        let reading = tokio::task::spawn_blocking(move || -> Result<u64, String> {
            let stored = PieceReader::new(receiver);
            let plain = open_stored(stored, encryption, Some(identities.as_ref()))
                .map_err(|why| why.to_string())?;
            let mut raw = zstd::stream::read::Decoder::new(plain).map_err(|why| why.to_string())?;
            io::copy(&mut raw, &mut io::sink()).map_err(|why| why.to_string())
        });
        let sending = async {
            let outcome = store.send_object(&key, object.size, &sender).await;
            drop(sender);
            outcome
        };
        let (outcome, read) = tokio::join!(sending, reading);
        outcome?;
        match read.context("an object could not be read")? {
            Ok(size) if size == object.raw_size => {}
            Ok(size) => faults.push(format!(
                "`{}` has {size} bytes decrypted and decompressed instead of {}",
                object.name, object.raw_size
            )),
            Err(why) => faults.push(format!("`{}` can't be decrypted: {why}", object.name)),
        }
    }
    Ok(faults)
}
