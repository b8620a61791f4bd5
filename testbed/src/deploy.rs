//! Bringing the operator of this checkout into the cluster: build, image, manifests, wait until it
//! is available.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::images::{self, OperatorImage};
use crate::progress::{say, step};
use crate::shell;
use crate::testbed::Testbed;

/// Where the operator runs.
const NAMESPACE: &str = "holdfast-system";

impl Testbed {
    /// Builds the operator, packs it as an image and imports that; returns the image's name, which
    /// changes with the binary.
    pub fn load_operator(&self) -> Result<String> {
        build(self)?;
        load_operator(self)
    }

    /// Packs the operator's binary as it is, without building it, and imports the image.
    pub fn load_built_operator(&self) -> Result<String> {
        load_operator(self)
    }

    /// Builds the operator, installs it or brings it up to date, and waits until it is available.
    pub fn deploy(&self) -> Result<()> {
        self.deploy_for("")
    }

    /// The same, for the databases that a label selector matches.
    pub fn deploy_for(&self, selector: &str) -> Result<()> {
        let image = self.load_operator()?;
        install(self, &image, selector)
    }

    /// Whether the operator that was installed last is the binary that is there now, for the
    /// databases that the selector matches.
    #[must_use]
    pub fn is_deployed_for(&self, selector: &str) -> bool {
        is_current(self, selector)
    }
}

/// Builds the operator's binary.
fn build(testbed: &Testbed) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--workspace"])
        .current_dir(testbed.layout().root())
        .stdin(Stdio::null());
    let status = command.status().context("cargo can't be run")?;
    if !status.success() {
        bail!("the operator can't be built ({status}): see what cargo says above");
    }
    Ok(())
}

/// Packs the built binary as an image and imports it, unless the cluster has it; returns the
/// image's name.
fn load_operator(testbed: &Testbed) -> Result<String> {
    let binary = testbed.layout().operator_binary();
    let image = OperatorImage::of(&binary)?;
    let bin = testbed.bin()?;
    if images::fetch_image_names(testbed.layout(), &bin)
        .context("the testbed is not up; run `cargo run -p testbed -- up`")?
        .contains(&image.name)
    {
        say(&format!("{} is in the cluster already", image.name));
        return Ok(image.name);
    }
    step(&format!("importing {}", image.name), || {
        let work = tempfile::tempdir_in(testbed.layout().state())?;
        let tar = work.path().join("holdfast.tar");
        images::build_operator_image(&binary, &image, &tar, work.path())?;
        images::import(testbed.layout(), &bin, &tar)
    })?;
    Ok(image.name)
}

/// Installs the operator with an image, or brings the installed one up to date, and waits until it
/// is available.
fn install(testbed: &Testbed, image: &str, selector: &str) -> Result<()> {
    let mut printer = Command::new(testbed.layout().operator_binary());
    let manifest = shell::run(printer.args([
        "install-manifest",
        "--image",
        image,
        "--namespace",
        NAMESPACE,
        "--selector",
        selector,
    ]))?;
    let path = testbed.layout().state().join("install.yaml");
    fs::File::create(&path)?.write_all(manifest.as_bytes())?;
    let path = path.to_string_lossy().into_owned();
    step("applying CRDs and install.yaml", || {
        testbed
            .kubectl(&["apply", "--server-side", "--force-conflicts", "-f", &path])
            .map(drop)
    })?;
    let rolled_out = step("waiting for the operator", || {
        testbed.kubectl(&[
            "-n",
            NAMESPACE,
            "rollout",
            "status",
            "deployment/holdfast",
            "--timeout=90s",
        ])?;
        testbed.kubectl(&[
            "-n",
            NAMESPACE,
            "wait",
            "--for=condition=Available",
            "deployment/holdfast",
            "--timeout=30s",
        ])
    });
    rolled_out.with_context(|| {
        format!(
            "the operator does not become available\n{}",
            describe(testbed)
        )
    })?;
    Ok(fs::write(
        record_path(testbed),
        fingerprint(testbed, selector)?,
    )?)
}

/// Whether the operator that was installed last is the binary that is there now, for the databases
/// that the selector matches.
fn is_current(testbed: &Testbed, selector: &str) -> bool {
    let recorded = fs::read_to_string(record_path(testbed)).ok();
    recorded.is_some() && recorded == fingerprint(testbed, selector).ok()
}

fn record_path(testbed: &Testbed) -> PathBuf {
    testbed.layout().state().join("deployed")
}

/// What tells one installation from the next, without reading all of the binary.
fn fingerprint(testbed: &Testbed, selector: &str) -> Result<String> {
    let binary = testbed.layout().operator_binary().metadata()?;
    Ok(format!(
        "{selector} {} {}.{}",
        binary.len(),
        binary.mtime(),
        binary.mtime_nsec()
    ))
}

/// What can be seen of an operator that does not come up.
fn describe(testbed: &Testbed) -> String {
    let looks: [&[&str]; 4] = [
        &[
            "-n",
            NAMESPACE,
            "get",
            "deployment,replicaset,pod",
            "-o",
            "wide",
        ],
        &["-n", NAMESPACE, "get", "events", "--sort-by=.lastTimestamp"],
        &["-n", NAMESPACE, "logs", "deployment/holdfast", "--tail=30"],
        &[
            "-n",
            NAMESPACE,
            "logs",
            "deployment/holdfast",
            "--previous",
            "--tail=30",
        ],
    ];
    looks
        .iter()
        .map(|look| {
            let seen = testbed
                .kubectl(look)
                .unwrap_or_else(|error| format!("{error:#}"));
            format!(
                "$ kubectl {}\n{}",
                look.join(" "),
                shell::last_lines(&seen, 30)
            )
        })
        .collect::<Vec<_>>()
        .join("\n")
}
