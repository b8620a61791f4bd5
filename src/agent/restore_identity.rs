//! The private keys that an encrypted set is restored with. What stands against them is reported before
//! anything is made in the server.

use std::sync::Arc;

use crate::api::{IDENTITY_FILE, RestoreRequest, SecretKey};
use crate::store::{Identities, Manifest};
use crate::wording::{list, quoted, shell_word};

use super::MountedFiles;

/// The longest public key that is quoted.
const SHOWN: usize = 80;
/// The field that names the private keys.
const FIELD: &str = "spec.restore.identitySecret";

/// Reads the private keys for a set, none if it is not encrypted; or says why they can't read it.
pub fn read_identities(
    request: &RestoreRequest,
    files: &MountedFiles,
    manifest: &Manifest,
) -> Result<Option<Arc<Identities>>, String> {
    read_identities_for(request, files, manifest, is_encrypted(manifest))
}

/// The same where the caller knows whether what it reads of the set is encrypted.
pub fn read_identities_for(
    request: &RestoreRequest,
    files: &MountedFiles,
    manifest: &Manifest,
    is_encrypted: bool,
) -> Result<Option<Arc<Identities>>, String> {
    if !is_encrypted {
        return Ok(None);
    }
    let identities = choose(request, files, manifest)?;
    Ok(Some(Arc::new(identities)))
}

/// Whether the dump of a database is encrypted.
fn is_encrypted(manifest: &Manifest) -> bool {
    let is_dump = |name: &str| manifest.databases.iter().any(|one| one.object == name);
    let mut objects = manifest.objects.iter();
    objects.any(|object| object.encryption.is_some() && is_dump(&object.name))
}

fn choose(
    request: &RestoreRequest,
    files: &MountedFiles,
    manifest: &Manifest,
) -> Result<Identities, String> {
    let recipients = shown(&manifest.recipients);
    let set = format!("it is encrypted for {recipients}");
    let namespace = &request.namespace;
    let Some(secret) = &request.identity_secret else {
        return Err(format!(
            "{set}, and `{FIELD}` is not set. Put the private key of one of them into a Secret, and name it \
             there: `{}`, then `kubectl -n {namespace} patch protdb {} --type=merge -p \
             '{{\"spec\":{{\"restore\":{{\"identitySecret\":{{\"name\":\"NAME\",\"key\":\"{IDENTITY_FILE}\"}}}}}}}}'`",
            create_command(namespace, "NAME", IDENTITY_FILE),
            request.database,
        ));
    };
    let SecretKey { name, key } = secret;
    let create = create_command(namespace, name, key);
    let identities = Identities::read(&files.identity.join(IDENTITY_FILE)).map_err(|what| {
        format!(
            "{set}, and key `{key}` of Secret `{name}` in namespace `{namespace}` {what} (`{FIELD}`). Create \
             it: `{create}`"
        )
    })?;
    if identities.fits(&manifest.recipients) {
        return Ok(identities);
    }
    Err(format!(
        "{set}, and the private keys in key `{key}` of Secret `{name}` in namespace `{namespace}` \
         (`{FIELD}`) are of {}, which can't read it. Put the private key of one of those into the Secret: \
         `{create}`",
        shown(&identities.public_keys())
    ))
}

fn shown(keys: &[String]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| quoted(key, SHOWN)).collect();
    list(&keys)
}

/// The command that writes the Secret.
fn create_command(namespace: &str, name: &str, key: &str) -> String {
    format!(
        "kubectl create secret generic {} --namespace={namespace} --from-file={}=FILE --dry-run=client -o \
         yaml | kubectl apply -f -",
        shell_word(name),
        shell_word(key)
    )
}
