//! Faults on purpose: stopping, killing and freezing one component, and restarting the whole node.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::cleanup;
use crate::components::Component;
use crate::layout::Layout;
use crate::process::{self, Process, State};
use crate::readiness::{self, inside};

/// How long a component may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts a component unless it runs, and waits until it answers.
pub fn start(layout: &Layout, bin: &Path, component: Component) -> Result<()> {
    let state = process::find(layout, component.name()).map_or(State::Dead, Process::state);
    if state == State::Dead {
        process::spawn(
            layout,
            component.name(),
            &component.build_launch(layout, bin),
        )?;
    }
    inside(layout, || {
        readiness::wait_until_answering(layout, component)?;
        match component {
            Component::ApiServer => readiness::wait_until_api_ready(layout),
            _ => Ok(()),
        }
    })
}

/// Asks a component to end, and waits until it has.
pub fn stop(layout: &Layout, component: Component) -> Result<()> {
    with_process(layout, component, |process| process.stop(PATIENCE))
}

/// Kills a component.
pub fn kill(layout: &Layout, component: Component) -> Result<()> {
    with_process(layout, component, Process::kill)
}

/// Freezes a component: it neither works nor answers, but its connections stay open.
pub fn freeze(layout: &Layout, component: Component) -> Result<()> {
    with_process(layout, component, Process::freeze)
}

/// Lets a frozen component go on.
pub fn thaw(layout: &Layout, component: Component) -> Result<()> {
    with_process(layout, component, Process::thaw)
}

/// Does to the node what a power loss and a new start do: kubelet, containerd and all containers
/// die at once, mounts and runtime state are gone, what is on disk stays; then containerd and
/// kubelet start again.
pub fn restart_node(layout: &Layout, bin: &Path) -> Result<()> {
    kill(layout, Component::Kubelet)?;
    kill(layout, Component::Containerd)?;
    cleanup::remove_containers(layout)?;
    fs::create_dir_all(layout.runtime())?;
    start(layout, bin, Component::Containerd)?;
    start(layout, bin, Component::Kubelet)?;
    inside(layout, || readiness::wait_until_node_ready(layout))
}

fn with_process(
    layout: &Layout,
    component: Component,
    act: impl FnOnce(Process) -> Result<()>,
) -> Result<()> {
    match process::find(layout, component.name()) {
        Some(process) => act(process).with_context(|| component.name()),
        None => Ok(()),
    }
}
