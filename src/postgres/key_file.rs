//! The file of a client's private key, as libpq takes it: one that others may read it refuses.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::login::ClientCertificate;

/// Permissions of everybody.
const OF_OTHERS: u32 = 0o007;

/// The mounted file, or a copy in memory that goes away with this value: a pod that mounts claims has no
/// group for its Secrets, so that everybody in it may read their files.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
    is_copy: bool,
}

impl KeyFile {
    /// Copies the key into a directory in memory where that is needed.
    pub fn prepare(directory: &Path, certificate: &ClientCertificate) -> io::Result<Self> {
        let mounted = &certificate.key_file;
        if fs::metadata(mounted)?.permissions().mode() & OF_OTHERS == 0 {
            return Ok(Self {
                path: mounted.clone(),
                is_copy: false,
            });
        }
        let path = directory.join("client.key");
        // Left over by an agent that was killed in this pod.
        fs::remove_file(&path).ok();
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        file.write_all(&certificate.key_pem)?;
        file.sync_all()?;
        Ok(Self {
            path,
            is_copy: true,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        if self.is_copy {
            // The directory is in memory and goes with the pod.
            fs::remove_file(&self.path).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test ends at the first thing that is not as it should be"
    )]

    use super::*;

    #[test]
    fn a_key_that_others_may_read_is_copied_for_libpq_and_the_copy_goes_again() {
        let (mounted, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let key_file = mounted.path().join("tls.key");
        fs::write(&key_file, "a key").unwrap();
        let certificate = ClientCertificate {
            certificate_file: mounted.path().join("tls.crt"),
            key_file: key_file.clone(),
            certificate_pem: Vec::new(),
            key_pem: b"a key".to_vec(),
        };
        let mode = |mode: u32| {
            fs::set_permissions(&key_file, fs::Permissions::from_mode(mode)).unwrap();
            KeyFile::prepare(work.path(), &certificate).unwrap()
        };
        assert_eq!(mode(0o440).path(), key_file);
        let copy = mode(0o444);
        let path = copy.path().to_owned();
        assert_eq!(path.parent(), Some(work.path()));
        assert_eq!(fs::read(&path).unwrap(), b"a key");
        let found = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(found & 0o777, 0o600);
        drop(copy);
        assert!(!path.exists() && key_file.exists());
    }
}
