//! The Postgres images: Debian's packages in a minimal Debian, with an entrypoint that honours the
//! well-known image's contract.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::oci::{self, Image, Layer};
use crate::shell;
use crate::versions::PostgresRelease;

/// Postgres 15.
pub const POSTGRES_15_IMAGE: &str = "localhost/postgres:15";
/// Postgres 17.
pub const POSTGRES_17_IMAGE: &str = "localhost/postgres:17";

const ENTRYPOINT: &str = include_str!("postgres-entrypoint.sh");

/// Debian packages besides Postgres: to unpack initial files with, and to look around with.
const PACKAGES: &str = "xz-utils,zstd,procps";

/// What the image depends on.
pub fn recipe(release: PostgresRelease) -> String {
    format!(
        "{release:?} {PACKAGES} {ENTRYPOINT} {}",
        build_scripts(release).concat()
    )
}

/// What is run in the root file system once the packages are in it.
fn build_scripts(release: PostgresRelease) -> [String; 5] {
    let major = release.major;
    // The users of the well-known image: claims made with it can be mounted here and the other way
    // round.
    let renumber = "groupmod --gid 999 postgres && usermod --uid 999 --gid 999 --home \
        /var/lib/postgresql postgres"
        .to_owned();
    // What a running Postgres never reads: less to import.
    let shrink = "rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* /dev/* /usr/share/doc \
                  /usr/share/man /usr/share/info /usr/share/locale /usr/share/lintian \
                  /usr/share/bash-completion && mkdir -p /var/cache/apt/archives/partial \
                  /var/log/postgresql"
        .to_owned();
    // Just-in-time compilation drags in 100 MB of compiler; Debian itself made it optional later,
    // and Postgres runs without it.
    let without_compiler = format!(
        "rm -rf /usr/lib/postgresql/{major}/lib/llvmjit* /usr/lib/postgresql/{major}/lib/bitcode \
         /usr/lib/*/libLLVM* /usr/lib/llvm-*"
    );
    let prepare = "install -d -o postgres -g postgres -m 1777 /var/lib/postgresql/data && install \
                   -d -o postgres -g postgres -m 3777 /var/run/postgresql && install -d -m 0755 \
                   /docker-entrypoint-initdb.d && chown -R postgres:postgres /var/lib/postgresql \
                   /var/log/postgresql /etc/postgresql && sed -i \
                   \"s/^#\\?listen_addresses.*/listen_addresses = '*'/\" \
                   /usr/share/postgresql/*/postgresql.conf.sample"
        .to_owned();
    // Debian's own are a Perl program that looks for the server's version: there is one.
    let direct = format!(
        "for program in /usr/lib/postgresql/{major}/bin/*; do if [ -e /usr/bin/${{program##*/}} ]; then ln -sf \
         $program /usr/bin/; fi; done"
    );
    [renumber, shrink, without_compiler, prepare, direct]
}

/// Makes the root file system and writes the image.
pub fn build(release: PostgresRelease, target: &Path, work: &Path) -> Result<()> {
    let root = work.join("root");
    let major = release.major;
    let packages = format!("postgresql-{major},{PACKAGES}");
    let mut debootstrap = Command::new("debootstrap");
    debootstrap
        .args([
            "--variant=minbase",
            &format!("--include={packages}"),
            release.debian,
        ])
        .arg(&root)
        .args(fetch_mirror());
    shell::run(&mut debootstrap).with_context(|| {
        format!(
            "the root file system of Postgres {major} can't be made: debootstrap needs Debian's \
            mirror, over the proxy in http_proxy where there is one"
        )
    })?;
    for script in build_scripts(release) {
        shell::run(
            Command::new("chroot")
                .arg(&root)
                .args(["/bin/sh", "-ec", &script]),
        )?;
    }
    let entrypoint = root.join("usr/local/bin/docker-entrypoint.sh");
    fs::write(&entrypoint, ENTRYPOINT)?;
    fs::set_permissions(&entrypoint, fs::Permissions::from_mode(0o755))?;
    // What debootstrap copied from this machine: a container gets its own.
    for file in ["etc/resolv.conf", "etc/hostname"] {
        fs::write(root.join(file), "")?;
    }

    let mut layer = Layer::begin(work)?;
    layer.add_tree(&root, &[])?;
    let image = Image {
        names: vec![format!("localhost/postgres:{major}")],
        entrypoint: vec!["docker-entrypoint.sh".to_owned()],
        arguments: vec!["postgres".to_owned()],
        environment: vec![
            format!(
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/{major}/bin"
            ),
            "LANG=C.UTF-8".to_owned(),
            format!("PG_MAJOR={major}"),
            "PGDATA=/var/lib/postgresql/data".to_owned(),
        ],
        user: String::new(),
        stop_signal: Some("SIGINT".to_owned()),
        volumes: vec!["/var/lib/postgresql/data".to_owned()],
        ports: vec!["5432/tcp".to_owned()],
    };
    oci::write(&image, layer.finish()?, target)
}

/// The mirror this machine's apt uses for Debian itself; without one debootstrap takes its own
/// default.
fn fetch_mirror() -> Option<String> {
    let output = shell::output_of(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(ORIGIN) $(LABEL) $(REPO_URI)",
        "Created-By: Packages",
    ]))
    .ok()?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("Debian Debian ").map(str::to_owned))
}
