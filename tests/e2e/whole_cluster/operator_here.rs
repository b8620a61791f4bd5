//! The operator in the test's own process, with the rights of the one that is installed: it can be
//! killed, and what it reads and writes can be meddled with.

use std::future::pending;
use std::path::PathBuf;

use holdfast::engine::{Metrics, Settings};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::task::JoinHandle;

use crate::support::{OPERATOR_NAMESPACE, Scene};

/// A controller that runs until it is killed.
pub struct Operator(JoinHandle<()>);

impl Operator {
    /// Starts one that works in the scene's namespace.
    pub fn start(scene: &Scene, client: Client, agent_image: &str) -> Self {
        Self::run(scene, client, agent_image, None)
    }

    /// The same, with a webhook.
    pub fn start_telling(
        scene: &Scene,
        client: Client,
        agent_image: &str,
        webhook_url_file: PathBuf,
    ) -> Self {
        Self::run(scene, client, agent_image, Some(webhook_url_file))
    }

    fn run(
        scene: &Scene,
        client: Client,
        agent_image: &str,
        webhook_url_file: Option<PathBuf>,
    ) -> Self {
        let settings = Settings {
            agent_image: agent_image.to_owned(),
            concurrency: 4,
            namespace: Some(scene.namespace().to_owned()),
            operator_namespace: OPERATOR_NAMESPACE.to_owned(),
            webhook_url_file,
        };
        Self(tokio::spawn(holdfast::engine::run(
            client,
            settings,
            Metrics::default(),
            pending(),
        )))
    }

    /// Kills it and waits until it is dead.
    pub async fn kill(self) {
        self.0.abort();
        let death = self
            .0
            .await
            .expect_err("a controller runs until it is killed");
        assert!(death.is_cancelled(), "{death}");
    }
}

/// A configuration with the rights of the operator that is installed, and no more: the guard's
/// rules know it by name.
pub async fn operator_config(scene: &Scene) -> Config {
    let kubeconfig =
        Kubeconfig::read_from(scene.testbed.layout().kubeconfig("admin")).expect("the kubeconfig");
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .expect("a configuration");
    config.auth_info.impersonate = Some(format!(
        "system:serviceaccount:{OPERATOR_NAMESPACE}:holdfast"
    ));
    config
}

/// The image that the operator's Deployment gives to agents.
pub fn deployed_agent_image(scene: &Scene) -> String {
    let path = "jsonpath={.spec.template.spec.containers[0].env[?(@.name==\"HOLDFAST_AGENT_IMAGE\")].value}";
    let image = scene
        .testbed
        .kubectl(&[
            "-n",
            OPERATOR_NAMESPACE,
            "get",
            "deployment",
            "holdfast",
            "-o",
            path,
        ])
        .expect("the Deployment");
    assert!(
        !image.is_empty(),
        "the Deployment names no image for agents"
    );
    image
}
