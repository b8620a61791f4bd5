//! Starting the whole cluster, bringing it back when parts of it are gone, and stopping it.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::components::Component;
use crate::images::{self, ImageFile};
use crate::layout::Layout;
use crate::process::{self, State};
use crate::progress::{say, step};
use crate::readiness::{self, inside};
use crate::{cgroups, cleanup, kubeconfig, mounts, network, object_store, pki, provision};

/// What a cluster was started with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    bin: PathBuf,
    /// The files, whose names change with what is in them.
    images: Vec<PathBuf>,
}

/// What a cluster is made from.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The folder of binaries.
    pub bin: PathBuf,
    /// The image store to start from.
    pub store: PathBuf,
    /// The images that shall be in it.
    pub images: Vec<ImageFile>,
}

/// Makes sure that the cluster is up.
pub fn up(layout: &Layout, parts: &Parts) -> Result<()> {
    if let Some(mut record) = read_record(layout) {
        if record.bin == parts.bin && bring_back(layout, parts)? {
            return add_images(layout, parts, &mut record);
        }
        if record.bin != parts.bin {
            say("the pinned versions have changed: starting anew");
        }
    }
    if !cleanup::leftovers(layout).is_empty() {
        step("removing what an earlier cluster left", || {
            cleanup::remove_everything(layout)
        })?;
    }
    start(layout, parts).or_else(|error| {
        cleanup::remove_everything(layout)
            .context("what the failed start left can't be removed")?;
        Err(error.context("the cluster could not be started"))
    })
}

/// Stops everything and removes all but the logs.
pub fn down(layout: &Layout) -> Result<()> {
    cleanup::remove_everything(layout)
}

/// Brings a cluster whose processes are partly gone or frozen back; false when it has to be started
/// anew.
fn bring_back(layout: &Layout, parts: &Parts) -> Result<bool> {
    let states: Vec<_> = Component::ALL
        .into_iter()
        .map(|component| (component, state_of(layout, component)))
        .collect();
    let dead: Vec<_> = states
        .iter()
        .filter(|(_, state)| *state == State::Dead)
        .map(|(component, _)| *component)
        .collect();
    if !layout.network_namespace().exists() || dead.len() > 3 {
        return Ok(false);
    }
    let frozen: Vec<_> = states
        .iter()
        .filter(|(_, state)| *state == State::Frozen)
        .map(|(component, _)| *component)
        .collect();
    for component in &frozen {
        say(&format!("{component} is frozen: thawing it"));
        crate::control::thaw(layout, *component)?;
    }
    for component in &dead {
        say(&format!("{component} is not running: starting it"));
        crate::control::start(layout, &parts.bin, *component)?;
    }
    if dead.is_empty() && frozen.is_empty() {
        return inside(layout, || {
            Ok(readiness::is_api_ready(layout) && readiness::is_node_ready(layout))
        });
    }
    inside(layout, || {
        readiness::wait_until_api_ready(layout)?;
        readiness::wait_until_node_ready(layout)
    })?;
    Ok(true)
}

fn add_images(layout: &Layout, parts: &Parts, record: &mut Record) -> Result<()> {
    for image in &parts.images {
        if !record.images.contains(&image.path) {
            step(&format!("importing {}", image.name), || {
                images::import(layout, &parts.bin, &image.path)
            })?;
            record.images.push(image.path.clone());
        }
    }
    write_record(layout, record)
}

fn start(layout: &Layout, parts: &Parts) -> Result<()> {
    let (bin, store) = (parts.bin.as_path(), parts.store.as_path());
    step("network, certificates and configuration", || {
        prepare(layout, bin)
    })?;
    let spawn = |component: Component| {
        process::spawn(
            layout,
            component.name(),
            &component.build_launch(layout, bin),
        )
        .map(drop)
    };
    step("control plane", || {
        for component in [Component::Etcd, Component::ObjectStore] {
            spawn(component)?;
        }
        inside(layout, || {
            readiness::wait_until_answering(layout, Component::Etcd)
        })?;
        spawn(Component::ApiServer)?;
        images::copy_store(store, &layout.state().join("containerd"))?;
        spawn(Component::Containerd)?;
        inside(layout, || {
            object_store::create_bucket(layout)?;
            readiness::wait_until_answering(layout, Component::Containerd)?;
            readiness::wait_until_api_ready(layout)
        })
    })?;
    step("node", || {
        for component in [
            Component::Kubelet,
            Component::ControllerManager,
            Component::Scheduler,
            Component::Proxy,
            Component::Dns,
        ] {
            spawn(component)?;
        }
        thread::scope(|scope| {
            // The provisioner ends when its settings are not there yet.
            let provisioned = scope.spawn(|| {
                provision::apply(layout, bin).and_then(|()| spawn(Component::Provisioner))
            });
            inside(layout, || {
                readiness::wait_until_answering(layout, Component::Dns)?;
                readiness::wait_until_node_ready(layout)
            })?;
            provisioned
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })?;
        readiness::check_alive(layout, &Component::ALL)
    })?;
    let images = parts
        .images
        .iter()
        .map(|image| image.path.clone())
        .collect();
    write_record(
        layout,
        &Record {
            bin: bin.to_owned(),
            images,
        },
    )
}

/// Everything a start needs before the first process.
fn prepare(layout: &Layout, bin: &Path) -> Result<()> {
    let state = layout.state();
    for folder in [
        layout.configuration(),
        layout.logs(),
        layout.object_store(),
        layout.volumes(),
        layout.runtime(),
    ] {
        fs::create_dir_all(&folder)
            .with_context(|| format!("{} can't be made", folder.display()))?;
    }
    for folder in ["etcd", "cni", "kubelet", "s3-versions", "pod-logs"] {
        fs::create_dir_all(state.join(folder))?;
    }
    // Volumes of a cluster for tests need no disk: they are gone soon, and a disk feels it. Not so the pods'
    // own folders, whose memory would count as that of their containers.
    if layout.is_named() {
        mounts::mount_memory(&layout.volumes())?;
    }
    for log in fs::read_dir(layout.logs())?.flatten() {
        fs::remove_file(log.path())?;
    }
    network::create(layout)?;
    cgroups::create(layout)?;
    pki::write(&layout.pki())?;
    for (user, ..) in pki::USERS {
        fs::write(
            layout.kubeconfig(user),
            kubeconfig::build(&layout.pki(), user),
        )?;
    }
    for component in Component::ALL {
        for (path, text) in component.build_configuration(layout, bin) {
            fs::write(&path, text)
                .with_context(|| format!("{} can't be written", path.display()))?;
        }
    }
    Ok(())
}

/// What a component's process is doing.
#[must_use]
pub fn state_of(layout: &Layout, component: Component) -> State {
    process::find(layout, component.name()).map_or(State::Dead, process::Process::state)
}

/// The folder of binaries the running cluster was started with.
#[must_use]
pub fn recorded_bin(layout: &Layout) -> Option<PathBuf> {
    read_record(layout).map(|record| record.bin)
}

fn record_path(layout: &Layout) -> PathBuf {
    layout.state().join("cluster.json")
}

fn read_record(layout: &Layout) -> Option<Record> {
    serde_json::from_str(&fs::read_to_string(record_path(layout)).ok()?).ok()
}

fn write_record(layout: &Layout, record: &Record) -> Result<()> {
    Ok(fs::write(
        record_path(layout),
        serde_json::to_string_pretty(record)?,
    )?)
}
