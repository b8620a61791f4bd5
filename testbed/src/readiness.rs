//! Waiting for components to answer, while watching that none has died.

use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use k8s_openapi::api::core::v1::Node;
use kube::{Api, Client};

use crate::client;
use crate::components::Component;
use crate::layout::{Layout, NODE_NAME};
use crate::network;
use crate::process::{self, State};

/// How long a component may take to answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// How many lines of a log are shown when a component fails.
const LOG_LINES: usize = 15;

/// Waits until a component answers. Must run inside the testbed's network.
pub fn wait_until_answering(layout: &Layout, component: Component) -> Result<()> {
    let socket = layout.containerd_socket();
    match (component, component.port()) {
        (Component::Containerd, _) => wait(layout, &[component], "answer on its socket", || {
            UnixStream::connect(&socket).is_ok()
        }),
        (_, Some((address, port))) => {
            let address = SocketAddr::new(address.parse()?, port);
            wait(
                layout,
                &[component],
                &format!("listen on {address}"),
                || TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok(),
            )
        }
        (_, None) => Ok(()),
    }
}

/// Waits until the API server says that it is ready. Must run inside the testbed's network.
pub fn wait_until_api_ready(layout: &Layout) -> Result<()> {
    wait(
        layout,
        &[Component::Etcd, Component::ApiServer],
        "be ready (`kubectl get --raw /readyz?verbose` shows why not)",
        || is_api_ready(layout),
    )
}

/// Whether the API server says that it is ready. Must run inside the testbed's network.
pub fn is_api_ready(layout: &Layout) -> bool {
    ask(layout, async |client| {
        let request = http::Request::get("/readyz").body(Vec::new())?;
        Ok(client.request_text(request).await?)
    })
    .is_ok()
}

/// Waits until the node is ready for pods. Must run inside the testbed's network.
pub fn wait_until_node_ready(layout: &Layout) -> Result<()> {
    let needed = [
        Component::Kubelet,
        Component::Containerd,
        Component::ApiServer,
    ];
    wait(
        layout,
        &needed,
        "make the node Ready (`kubectl describe node` shows why not)",
        || is_node_ready(layout),
    )
}

/// Whether the node is ready for pods. Must run inside the testbed's network.
pub fn is_node_ready(layout: &Layout) -> bool {
    let ready = ask(layout, async |client| {
        let node = Api::<Node>::all(client).get(NODE_NAME).await?;
        let conditions = node
            .status
            .and_then(|status| status.conditions)
            .unwrap_or_default();
        Ok(conditions
            .iter()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True"))
    });
    ready.unwrap_or(false)
}

/// An error when one of the components is not running: says which and shows its last lines.
pub fn check_alive(layout: &Layout, components: &[Component]) -> Result<()> {
    for component in components {
        let state =
            process::find(layout, component.name()).map_or(State::Dead, process::Process::state);
        if state == State::Dead {
            bail!(
                "{component} has died; {}",
                process::log_tail(layout, component.name(), LOG_LINES)
            );
        }
    }
    Ok(())
}

fn ask<T>(layout: &Layout, question: impl AsyncFnOnce(Client) -> Result<T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let patience = Duration::from_secs(5);
        tokio::time::timeout(patience, async {
            question(client::fetch(layout).await?).await
        })
        .await?
    })
}

fn wait(
    layout: &Layout,
    components: &[Component],
    what: &str,
    mut answers: impl FnMut() -> bool,
) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    while !answers() {
        check_alive(layout, components)?;
        if Instant::now() > until {
            bail!(
                "{} did not {what} within {} s; {}",
                components[0],
                PATIENCE.as_secs(),
                process::log_tail(layout, components[0].name(), LOG_LINES)
            );
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Does something inside the testbed's network.
pub fn inside<T: Send>(layout: &Layout, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    network::inside(layout, work)?
}
