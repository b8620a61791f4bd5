//! The Debian packages the testbed uses: those missing are installed, with a word, or unpacked into
//! the cache where one program of them is enough.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use nix::unistd::Uid;

use crate::cache::Cache;
use crate::progress::say;
use crate::shell;
use crate::tools::Selection;

/// What the cluster, the building of its tools and the demo need from Debian.
const PACKAGES: [&str; 16] = [
    "binutils",
    "ca-certificates",
    "conntrack",
    "containernetworking-plugins",
    "curl",
    "debian-archive-keyring",
    "debootstrap",
    "gcc",
    "iproute2",
    "iptables",
    "libc6-dev",
    "libseccomp-dev",
    "nftables",
    "pkg-config",
    "python3",
    "util-linux",
];

/// What only the tests need: a Postgres on this machine for the tests of the agent, a browser with
/// a font for those of reports, what the pages of the documentation use.
const TEST_PACKAGES: [&str; 6] = [
    "age",
    "chromium",
    "fonts-dejavu-core",
    "jq",
    "postgresql",
    "zstd",
];

/// Installs the packages that are missing; fails where that needs rights that the process has not.
pub fn install_missing(selection: Selection) -> Result<()> {
    let output = shell::output_of(Command::new("dpkg-query").args([
        "--show",
        "--showformat",
        "${db:Status-Status} ${Package}\n",
    ]))
    .context("the testbed runs on Debian and its kin: no dpkg-query here")?;
    let missing = missing_packages(&String::from_utf8_lossy(&output.stdout), selection);
    if missing.is_empty() {
        return Ok(());
    }
    if !Uid::effective().is_root() {
        bail!(
            "these Debian packages are missing: {0}; install them with `sudo apt-get install {0}`",
            missing.join(" ")
        );
    }
    say(&format!(
        "installing Debian packages that are missing: {}",
        missing.join(" ")
    ));
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(&missing);
    if shell::run(&mut apt(&install)).is_err() {
        shell::run(&mut apt(&["update"]))?;
        shell::run(&mut apt(&install))?;
    }
    Ok(())
}

/// A program of a Debian package that is only unpacked, in the cache: installed, the package would
/// start a server on this machine.
pub fn program_of(package: &str, path: &str) -> Result<PathBuf> {
    let place = Cache::open()?.folder(&format!("debian-{package}"), |folder| {
        say(&format!(
            "unpacking the Debian package {package} into the cache"
        ));
        let mut download = apt(&["download", package]);
        download.current_dir(folder);
        if shell::run(&mut download).is_err() {
            shell::run(&mut apt(&["update"]))?;
            shell::run(&mut download)?;
        }
        let files: Vec<PathBuf> = fs::read_dir(folder)?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .collect();
        let [file] = files.as_slice() else {
            bail!("apt-get download {package} left {files:?} and not one file")
        };
        shell::run(
            Command::new("dpkg-deb")
                .arg("--extract")
                .args([file.as_path(), folder]),
        )?;
        fs::remove_file(file)?;
        Ok(())
    })?;
    let program = place.join(path);
    if !program.is_file() {
        bail!(
            "the Debian package {package} has no {path}; remove {} to have it unpacked again",
            place.display()
        );
    }
    Ok(program)
}

fn apt(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["-qq", "-o", "Dpkg::Use-Pty=0"])
        .args(arguments);
    command
}

/// The packages not among the installed ones that `dpkg-query` listed.
fn missing_packages(listed: &str, selection: Selection) -> Vec<&'static str> {
    let installed: BTreeSet<&str> = listed
        .lines()
        .filter_map(|line| line.strip_prefix("installed "))
        .collect();
    let tests: &[&str] = if selection == Selection::All {
        &TEST_PACKAGES
    } else {
        &[]
    };
    PACKAGES
        .iter()
        .chain(tests)
        .copied()
        .filter(|package| !installed.contains(package))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_package_counts_as_missing() {
        let listed: Vec<_> = PACKAGES
            .iter()
            .map(|package| {
                format!(
                    "{} {package}",
                    if *package == "nftables" {
                        "config-files"
                    } else {
                        "installed"
                    }
                )
            })
            .collect();
        assert_eq!(
            missing_packages(&listed.join("\n"), Selection::Demo),
            ["nftables"]
        );
    }
}
