//! What a fresh cluster gets before anyone uses it: the default StorageClass and what its
//! provisioner needs.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::layout::Layout;
use crate::network;
use crate::shell;

/// Applies the manifests.
pub fn apply(layout: &Layout, bin: &Path) -> Result<()> {
    let mut kubectl = network::command(layout, bin.join("kubectl"));
    kubectl
        .arg("--kubeconfig")
        .arg(layout.kubeconfig("admin"))
        .args(["apply", "--server-side", "--validate=false", "-f"])
        .arg(layout.configuration().join("local-path.yaml"));
    shell::run(&mut kubectl)
        .map(drop)
        .context("the default StorageClass can't be made")
}
