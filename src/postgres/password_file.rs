//! The password file that hands the password to libpq's programs without argument or environment.

use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Login;

/// The line of a password file (<https://www.postgresql.org/docs/current/libpq-pgpass.html>): any
/// database and address, this role.
#[must_use]
pub fn build_password_file(login: &Login) -> String {
    if login.password.is_empty() {
        return String::new();
    }
    format!(
        "*:*:*:{}:{}\n",
        escape(&login.username),
        escape(&login.password)
    )
}

fn escape(field: &str) -> String {
    field.replace('\\', "\\\\").replace(':', "\\:")
}

/// A password file that goes away with this value.
#[derive(Debug)]
pub struct PasswordFile {
    path: PathBuf,
}

impl PasswordFile {
    /// Writes the file, readable by this user only, which libpq insists on.
    pub fn write(directory: &Path, login: &Login) -> io::Result<Self> {
        // Nothing that was read from a Secret has one; a line more would be for another server.
        if login.password.contains(['\n', '\r']) || login.username.contains(['\n', '\r']) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "user name or password contains a line end, which libpq's password file can't hold",
            ));
        }
        let path = directory.join("pgpass");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(build_password_file(login).as_bytes())?;
        file.sync_all()?;
        Ok(Self { path })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PasswordFile {
    fn drop(&mut self) {
        // The directory is in memory and goes with the pod; there is nothing to tell anyone when
        // this fails.
        let _gone = std::fs::remove_file(&self.path);
    }
}
