//! Whether a cluster fits before anything is installed: its version, its nodes, its storage. Pure.

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::storage::v1::StorageClass;

/// The oldest minor version of Kubernetes 1 that has all that the guard needs.
const OLDEST_MINOR: u32 = 32;
/// The processors that the image is built for.
const PROCESSORS: &[&str] = &["amd64", "arm64"];
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

/// Whether the API server is new enough.
pub fn judge_version(major: &str, minor: &str) -> Result<String, String> {
    let number = |text: &str| {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().unwrap_or(0)
    };
    let (major, minor) = (number(major), number(minor));
    if (major, minor) >= (1, OLDEST_MINOR) {
        Ok(format!("Kubernetes is {major}.{minor}"))
    } else {
        Err(format!(
            "Kubernetes is {major}.{minor}, and Holdfast needs 1.{OLDEST_MINOR} or later; see \
             `kubectl version`"
        ))
    }
}

/// Whether the kind of admission policies that the guard consists of is served.
pub fn judge_policies(is_served: bool) -> Result<String, String> {
    if is_served {
        Ok("ValidatingAdmissionPolicy v1 is served".to_owned())
    } else {
        Err("ValidatingAdmissionPolicy v1 is not served, so nothing could be refused; see `kubectl \
             api-resources --api-group=admissionregistration.k8s.io`"
            .to_owned())
    }
}

/// Whether there is a node that agents can run on.
pub fn judge_nodes(nodes: &[Node]) -> Result<String, String> {
    let fits = |node: &&Node| {
        let info = node
            .status
            .as_ref()
            .and_then(|status| status.node_info.as_ref());
        info.is_some_and(|info| {
            info.operating_system == "linux" && PROCESSORS.contains(&info.architecture.as_str())
        })
    };
    let (all, fitting) = (nodes.len(), nodes.iter().filter(fits).count());
    let wanted = format!("Linux on {}", PROCESSORS.join(" or "));
    if fitting > 0 {
        Ok(format!("{fitting} of {all} nodes run {wanted}"))
    } else {
        Err(format!(
            "none of {all} nodes runs {wanted}, which the image is built for; see `kubectl get nodes \
             -o wide`"
        ))
    }
}

/// What the default StorageClass does with the volumes of deleted claims. Holdfast keeps those that it
/// guards in any case.
pub fn describe_storage(classes: &[StorageClass]) -> String {
    let is_default = |class: &&StorageClass| {
        let annotations = class.metadata.annotations.as_ref();
        annotations
            .and_then(|all| all.get(DEFAULT_CLASS))
            .is_some_and(|value| value == "true")
    };
    match classes.iter().find(is_default) {
        None => "there is no default StorageClass".to_owned(),
        Some(class) => format!(
            "the default StorageClass {} has reclaim policy {}; Holdfast sets each volume that it \
             guards to Retain",
            class.metadata.name.as_deref().unwrap_or_default(),
            class.reclaim_policy.as_deref().unwrap_or("Delete")
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use serde_json::json;

    use super::*;

    #[test]
    fn old_clusters_do_not_fit() {
        assert!(judge_version("1", "32").is_ok());
        assert!(judge_version("1", "36+").is_ok());
        assert!(judge_version("1", "31").is_err());
        assert!(judge_version("", "").is_err());
        assert!(judge_policies(true).is_ok() && judge_policies(false).is_err());
    }

    #[test]
    fn a_cluster_without_a_fitting_node_does_not_fit() {
        let node = |system: &str, processor: &str| -> Node {
            let info = json!({
                "architecture": processor, "operatingSystem": system, "bootID": "",
                "containerRuntimeVersion": "", "kernelVersion": "", "kubeProxyVersion": "",
                "kubeletVersion": "", "machineID": "", "osImage": "", "systemUUID": "",
            });
            serde_json::from_value(json!({"metadata": {}, "status": {"nodeInfo": info}})).unwrap()
        };
        let windows = node("windows", "amd64");
        let mainframe = node("linux", "s390x");
        let misfit = judge_nodes(&[windows.clone(), mainframe]).unwrap_err();
        assert!(misfit.contains("none of 2 nodes"), "{misfit}");
        let one = judge_nodes(&[windows, node("linux", "arm64")]).unwrap();
        assert!(one.contains("1 of 2 nodes"), "{one}");
    }

    #[test]
    fn the_default_storage_class_is_said() {
        let class = |name: &str, is_default: &str| -> StorageClass {
            serde_json::from_value(json!({
                "metadata": {"name": name, "annotations": {DEFAULT_CLASS: is_default}},
                "provisioner": "any", "reclaimPolicy": "Delete",
            }))
            .unwrap()
        };
        let said = describe_storage(&[class("slow", "false"), class("fast", "true")]);
        assert!(
            said.contains("StorageClass fast has reclaim policy Delete"),
            "{said}"
        );
        assert!(describe_storage(&[]).contains("no default"));
    }
}
