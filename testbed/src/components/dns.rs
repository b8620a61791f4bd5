//! CoreDNS: names of Services and pods, and nothing of the world outside.

use super::ConfigurationFile;
use crate::layout::{Layout, NODE_ADDRESS};
use crate::process::Launch;

pub fn build_configuration(layout: &Layout) -> Vec<ConfigurationFile> {
    let text = format!(
        ".:53 {{
  bind {NODE_ADDRESS}
  errors
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {kubeconfig}
    ttl 5
  }}
}}
",
        kubeconfig = layout.kubeconfig("dns").display()
    );
    vec![(layout.configuration().join("Corefile"), text)]
}

pub fn build_launch(layout: &Layout) -> Launch {
    Launch {
        arguments: vec![format!(
            "-conf={}",
            layout.configuration().join("Corefile").display()
        )],
        ..Launch::default()
    }
}
