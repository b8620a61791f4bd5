//! local-path-provisioner: makes the volumes of claims as folders, and really deletes them.

use std::path::Path;

use super::ConfigurationFile;
use crate::layout::Layout;
use crate::process::Launch;
use crate::tools;

/// The name of the program among the tools, and of the component.
pub const NAME: &str = "local-path-provisioner";

const STORAGE_CLASS: &str = r#"apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: local-path
  annotations:
    storageclass.kubernetes.io/is-default-class: "true"
provisioner: rancher.io/local-path
volumeBindingMode: WaitForFirstConsumer
reclaimPolicy: Delete
"#;

pub fn build_configuration(layout: &Layout) -> Vec<ConfigurationFile> {
    let path = layout.configuration().join("local-path.yaml");
    vec![(path, STORAGE_CLASS.to_owned())]
}

pub fn build_launch(layout: &Layout, bin: &Path) -> Launch {
    let kubeconfig = layout.kubeconfig("provisioner");
    Launch {
        program: bin.join(tools::file(NAME)),
        arguments: vec![
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--folder={}", layout.volumes().display()),
        ],
        ..Launch::default()
    }
}
