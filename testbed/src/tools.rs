//! The binaries of the cluster, built from pinned Go modules into the cache.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::cache::{self, Cache};
use crate::layout::Layout;
use crate::progress::{in_words, say};
use crate::shell;
use crate::versions;

/// What a command needs built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Selection {
    /// A cluster, its S3 server and Postgres 15: what the demo uses.
    Demo,
    /// Also Postgres 17, helm, a GitOps agent and `kstatus`: what the tests use.
    All,
}

/// One binary of `tools/go.mod`.
struct Tool {
    package: &'static str,
    /// The name it gets, where that is not the last word of the package.
    rename: Option<(&'static str, &'static str)>,
    needed_by: Selection,
    /// The source of a program of this checkout, so that a changed one is built again.
    source: Option<&'static str>,
}

const fn tool(package: &'static str) -> Tool {
    Tool {
        package,
        rename: None,
        needed_by: Selection::Demo,
        source: None,
    }
}

const TOOLS: [Tool; 14] = [
    tool("k8s.io/kubernetes/cmd/kube-apiserver"),
    tool("k8s.io/kubernetes/cmd/kube-controller-manager"),
    tool("k8s.io/kubernetes/cmd/kube-proxy"),
    tool("k8s.io/kubernetes/cmd/kube-scheduler"),
    tool("k8s.io/kubernetes/cmd/kubectl"),
    tool("k8s.io/kubernetes/cmd/kubelet"),
    Tool {
        rename: Some(("server", "etcd")),
        ..tool("go.etcd.io/etcd/server/v3")
    },
    tool("github.com/coredns/coredns"),
    tool("github.com/versity/versitygw/cmd/versitygw"),
    tool("github.com/opencontainers/runc"),
    Tool {
        source: Some(include_str!("../tools/local-path-provisioner/main.go")),
        ..tool("holdfast.dev/testbed-tools/local-path-provisioner")
    },
    Tool {
        needed_by: Selection::All,
        ..tool("helm.sh/helm/v4/cmd/helm")
    },
    Tool {
        rename: Some(("agent", "gitops-agent")),
        needed_by: Selection::All,
        ..tool("github.com/argoproj/argo-cd/gitops-engine/agent")
    },
    Tool {
        needed_by: Selection::All,
        source: Some(include_str!("../tools/kstatus/main.go")),
        ..tool("holdfast.dev/testbed-tools/kstatus")
    },
];

impl Tool {
    fn name(&self) -> &'static str {
        self.rename.map_or_else(
            || self.package.rsplit('/').next().unwrap_or(self.package),
            |(_, name)| name,
        )
    }

    /// The name of its file: the folder is named after pinned versions, which say nothing of a
    /// program of this checkout.
    fn file(&self) -> String {
        match self.source {
            Some(source) => format!("{}-{}", self.name(), cache::key(&[source])),
            None => self.name().to_owned(),
        }
    }
}

/// A program of the pinned modules, built if it is missing, for a test that needs no cluster.
pub fn program(name: &str) -> Result<PathBuf> {
    let tool = named(name).with_context(|| format!("{name} is not among the tools"))?;
    let bin = build(&Layout::discover()?, &Cache::open()?, tool.needed_by)?;
    Ok(bin.join(tool.file()))
}

/// The linker flags of the binaries of `tools/go.mod`.
fn linker_flags() -> String {
    format!(
        "-s -w -X k8s.io/component-base/version.gitVersion={}",
        versions::KUBERNETES
    )
}

/// containerd's programs: built on their own, because its CRI is newer than the module of the kubelet.
const CONTAINERD: [&str; 3] = ["containerd", "containerd-shim-runc-v2", "ctr"];

fn containerd_packages() -> [String; 3] {
    CONTAINERD.map(|name| {
        format!(
            "github.com/containerd/containerd/v2/cmd/{name}@{}",
            versions::CONTAINERD
        )
    })
}

/// The file of a tool in the folder of binaries.
pub fn file(name: &str) -> String {
    named(name).map_or_else(|| name.to_owned(), Tool::file)
}

fn named(name: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.name() == name)
}

/// The folder in the cache that holds the binaries of this checkout's pinned versions.
pub fn bin_folder(layout: &Layout, cache: &Cache) -> Result<PathBuf> {
    let tools = layout.root().join("testbed/tools");
    let read = |name: &str| {
        let path = tools.join(name);
        fs::read_to_string(&path).with_context(|| format!("{} can't be read", path.display()))
    };
    Ok(cache
        .place(&cache::key(&[
            &read("go.mod")?,
            &read("go.sum")?,
            &linker_flags(),
            &containerd_packages().join(" "),
        ]))
        .join("bin"))
}

/// Builds what is missing of a selection and returns the folder of binaries.
pub fn build(layout: &Layout, cache: &Cache, selection: Selection) -> Result<PathBuf> {
    let bin = bin_folder(layout, cache)?;
    if is_complete(&bin, selection) {
        return Ok(bin);
    }
    let _lock = cache.lock("tools")?;
    if is_complete(&bin, selection) {
        return Ok(bin);
    }
    let half = bin.with_file_name("bin.half");
    fs::create_dir_all(&bin)?;
    let missing: Vec<&Tool> = missing_tools(&bin, selection);
    if !missing.is_empty() {
        say(&format!(
            "building {} from source: {}. The first time this takes about 7 minutes on 2 cores, \
             because Kubernetes is compiled from its pinned Go modules; the result is kept in {}",
            if missing.len() == 1 {
                "a tool".to_owned()
            } else {
                format!("{} tools", missing.len())
            },
            missing
                .iter()
                .map(|tool| tool.name())
                .collect::<Vec<_>>()
                .join(" "),
            bin.display()
        ));
        cache::begin_folder(&half)?;
        let mut command = go();
        command
            .current_dir(layout.root().join("testbed/tools"))
            .args([
                "build",
                "-v",
                "-tags",
                "seccomp",
                "-ldflags",
                &linker_flags(),
                "-o",
            ])
            .arg(format!("{}/", half.display()))
            .args(missing.iter().map(|tool| tool.package));
        run_with_progress("tools", &mut command)?;
        for tool in missing {
            let built = tool.rename.map_or_else(|| tool.name(), |(built, _)| built);
            fs::rename(half.join(built), bin.join(tool.file()))?;
        }
    }
    if CONTAINERD.iter().any(|name| !bin.join(name).is_file()) {
        say("building containerd: about a minute the first time");
        cache::begin_folder(&half)?;
        let mut command = go();
        command
            .env("GOBIN", &half)
            .args(["install", "-v", "-trimpath", "-ldflags", "-s -w"])
            .args(containerd_packages());
        run_with_progress("containerd", &mut command)?;
        for name in CONTAINERD {
            fs::rename(half.join(name), bin.join(name))?;
        }
    }
    cache::remove_folder(&half)?;
    Ok(bin)
}

fn is_complete(bin: &Path, selection: Selection) -> bool {
    missing_tools(bin, selection).is_empty()
        && CONTAINERD.iter().all(|name| bin.join(name).is_file())
}

fn missing_tools(bin: &Path, selection: Selection) -> Vec<&'static Tool> {
    TOOLS
        .iter()
        .filter(|tool| tool.needed_by <= selection && !bin.join(tool.file()).is_file())
        .collect()
}

/// The Go tool, with nothing of the person's own settings that could change what is built.
fn go() -> Command {
    let mut command = Command::new("go");
    command
        .env("GOFLAGS", "-buildvcs=false")
        .env("GOWORK", "off");
    command
}

/// Runs a `go … -v` command, telling every 20 seconds how many packages it has compiled.
fn run_with_progress(name: &str, command: &mut Command) -> Result<()> {
    let begun = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("go can't be run: install Go 1.26 or newer and try again")?;
    let stderr = child.stderr.take().context("go has no standard error")?;
    let compiled = AtomicUsize::new(0);
    let (finished, wait) = mpsc::channel::<()>();
    let lines = std::thread::scope(|scope| {
        let compiled = &compiled;
        scope.spawn(move || {
            while wait.recv_timeout(Duration::from_secs(20)) == Err(mpsc::RecvTimeoutError::Timeout)
            {
                let compiled = compiled.load(Ordering::Relaxed);
                say(&format!(
                    "{name}: {compiled} packages compiled, {}",
                    in_words(begun.elapsed())
                ));
            }
        });
        let mut lines = Vec::new();
        for line in BufReader::new(stderr).lines() {
            lines.push(line.context("go's output can't be read")?);
            compiled.fetch_add(1, Ordering::Relaxed);
        }
        drop(finished);
        anyhow::Ok(lines)
    })?;
    let status = child.wait()?;
    if !status.success() {
        bail!(
            "{} failed ({status}):\n{}",
            shell::name_of(command),
            shell::last_lines(&lines.join("\n"), 20)
        );
    }
    say(&format!("{name}: built in {}", in_words(begun.elapsed())));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_have_the_names_the_cluster_uses() {
        let names: Vec<_> = TOOLS.iter().map(Tool::name).collect();
        assert!(
            names.contains(&"etcd")
                && names.contains(&"gitops-agent")
                && names.contains(&"kubelet"),
            "{names:?}"
        );
    }

    #[test]
    fn a_program_of_this_checkout_has_the_digest_of_its_source_in_its_name() {
        let files: Vec<_> = TOOLS.iter().map(Tool::file).collect();
        let of_kstatus = files.iter().find(|file| file.starts_with("kstatus-"));
        assert!(
            of_kstatus.is_some() && files.contains(&"etcd".to_owned()),
            "{files:?}"
        );
    }

    #[test]
    fn the_demo_builds_neither_helm_nor_the_gitops_agent() {
        let empty = Path::new("/nonexistent");
        let demo: Vec<_> = missing_tools(empty, Selection::Demo)
            .iter()
            .map(|tool| tool.name())
            .collect();
        assert!(
            !demo.contains(&"helm") && !demo.contains(&"gitops-agent"),
            "{demo:?}"
        );
        assert_eq!(missing_tools(empty, Selection::All).len(), TOOLS.len());
    }
}
