//! Who asks the API server: the administrator, or the operator with no more than its own permissions.

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};

use super::Scene;

/// The operator's user, by which the guard's rules know it.
pub const OPERATOR_USER: &str = "system:serviceaccount:holdfast-system:holdfast";

/// A configuration with every permission.
pub async fn admin_config(scene: &Scene) -> Config {
    let kubeconfig =
        Kubeconfig::read_from(scene.testbed.layout().kubeconfig("admin")).expect("the kubeconfig");
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .expect("a configuration")
}

/// A configuration with the permissions of the operator that is installed, and no more.
pub async fn operator_config(scene: &Scene) -> Config {
    let mut config = admin_config(scene).await;
    config.auth_info.impersonate = Some(OPERATOR_USER.to_owned());
    config
}
