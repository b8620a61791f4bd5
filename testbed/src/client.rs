//! A client of the API server, from inside the testbed's network.

use std::path::Path;

use anyhow::{Context as _, Result};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::layout::Layout;

/// A client with all rights, for the thread that is inside the testbed's network.
pub async fn fetch(layout: &Layout) -> Result<Client> {
    let path: &Path = &layout.kubeconfig("admin");
    let kubeconfig = Kubeconfig::read_from(path).with_context(|| {
        format!(
            "{} can't be read: the testbed is not up; run `cargo run -p testbed -- up`",
            path.display()
        )
    })?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}
