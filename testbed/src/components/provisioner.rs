//! local-path-provisioner: makes the volumes of claims as folders, and really deletes them.

use super::ConfigurationFile;
use crate::images::POSTGRES_15_IMAGE;
use crate::layout::Layout;
use crate::process::Launch;

/// Its namespace, where its short-lived helper pods run.
const NAMESPACE: &str = "local-path-storage";

/// What it reads as a file: where on the node volumes go.
fn build_paths(layout: &Layout) -> String {
    format!(
        r#"{{"nodePathMap":[{{"node":"DEFAULT_PATH_FOR_NON_LISTED_NODES","paths":["{}"]}}]}}"#,
        layout.volumes().display()
    )
}

pub fn build_configuration(layout: &Layout) -> Vec<ConfigurationFile> {
    let folder = layout.configuration();
    let manifest = format!(
        r#"apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: local-path
  annotations:
    storageclass.kubernetes.io/is-default-class: "true"
provisioner: rancher.io/local-path
volumeBindingMode: WaitForFirstConsumer
reclaimPolicy: Delete
---
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: local-path
  namespace: {NAMESPACE}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: local-path
  namespace: {NAMESPACE}
data:
  config.json: '{paths}'
  setup: |
    #!/bin/sh
    set -eu
    mkdir -m 0777 -p "$VOL_DIR"
  teardown: |
    #!/bin/sh
    set -eu
    rm -rf "$VOL_DIR"
  helperPod.yaml: |
    apiVersion: v1
    kind: Pod
    metadata:
      name: helper-pod
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: helper-pod
        image: {POSTGRES_15_IMAGE}
        imagePullPolicy: IfNotPresent
"#,
        paths = build_paths(layout)
    );
    vec![
        (folder.join("local-path.json"), build_paths(layout)),
        (folder.join("local-path.yaml"), manifest),
    ]
}

pub fn build_launch(layout: &Layout) -> Launch {
    Launch {
        arguments: [
            "start",
            "--config",
            &layout
                .configuration()
                .join("local-path.json")
                .display()
                .to_string(),
            "--kubeconfig",
            &layout.kubeconfig("provisioner").display().to_string(),
            "--namespace",
            NAMESPACE,
            "--configmap-name",
            "local-path",
            "--service-account-name",
            "local-path",
            "--helper-image",
            POSTGRES_15_IMAGE,
        ]
        .map(str::to_owned)
        .to_vec(),
        ..Launch::default()
    }
}
