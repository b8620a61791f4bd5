//! The operator in the test's own process, with the rights of the one that is installed: it can be
//! killed, and what it reads and writes can be meddled with.

use std::future::pending;
use std::path::PathBuf;
use std::time::Duration;

use holdfast::engine::{JobPace, Metrics, Settings};
use kube::core::Expression;
use kube::{Client, Config};
use tokio::task::JoinHandle;

use crate::support::{OPERATOR_NAMESPACE, SHARD_LABEL, Scene, operator_config};

/// How many volumes of deleted claims a namespace may keep where nothing else is said.
const KEPT_VOLUME_LIMIT: usize = 20;

/// A controller that runs until it is killed, at the latest when this is dropped.
pub struct Operator(Option<JoinHandle<()>>);

impl Operator {
    /// Starts one for the scene's shard.
    pub async fn start(scene: &Scene) -> Self {
        Installation::read(scene).await.operate(scene)
    }

    /// Kills it and waits until it is dead.
    pub async fn kill(mut self) {
        let running = self.0.take().expect("a controller");
        running.abort();
        let death = running
            .await
            .expect_err("a controller runs until it is killed");
        assert!(death.is_cancelled(), "{death}");
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        if let Some(running) = &self.0 {
            running.abort();
        }
    }
}

/// What an operator takes over from the one that is installed.
#[derive(Clone)]
pub struct Installation {
    /// The configuration of a client with its rights.
    pub config: Config,
    agent_image: String,
}

impl Installation {
    /// Reads it from the cluster.
    pub async fn read(scene: &Scene) -> Self {
        Self {
            config: operator_config(scene).await,
            agent_image: deployed_agent_image(scene),
        }
    }

    /// Starts an operator for the scene's shard.
    pub fn operate(&self, scene: &Scene) -> Operator {
        self.operate_through(scene, self.client())
    }

    /// The same, with a client that does not do all that it is asked to.
    pub fn operate_through(&self, scene: &Scene, client: Client) -> Operator {
        self.run(scene, client, None, (JobPace::default(), KEPT_VOLUME_LIMIT))
    }

    /// The same, with a webhook.
    pub fn operate_telling(&self, scene: &Scene, webhook_url_file: PathBuf) -> Operator {
        let pace = JobPace::default();
        self.run(
            scene,
            self.client(),
            Some(webhook_url_file),
            (pace, KEPT_VOLUME_LIMIT),
        )
    }

    /// The same, which waits for a Job that is stuck no longer than a test can.
    pub fn operate_impatiently(&self, scene: &Scene) -> Operator {
        let pace = JobPace {
            margin: Duration::from_secs(10),
            ..JobPace::default()
        };
        self.run(scene, self.client(), None, (pace, KEPT_VOLUME_LIMIT))
    }

    /// The same, which lets a namespace keep that many volumes of deleted claims.
    pub fn operate_keeping(&self, scene: &Scene, kept_volume_limit: usize) -> Operator {
        let pace = JobPace::default();
        self.run(scene, self.client(), None, (pace, kept_volume_limit))
    }

    fn client(&self) -> Client {
        Client::try_from(self.config.clone()).expect("a client")
    }

    fn run(
        &self,
        scene: &Scene,
        client: Client,
        webhook_url_file: Option<PathBuf>,
        (pace, kept_volume_limit): (JobPace, usize),
    ) -> Operator {
        let settings = Settings {
            agent_image: self.agent_image.clone(),
            agent_defaults: std::sync::Arc::default(),
            concurrency: 4,
            namespace: Some(scene.namespace().to_owned()),
            selector: Expression::Exists(SHARD_LABEL.to_owned()).into(),
            operator_namespace: OPERATOR_NAMESPACE.to_owned(),
            webhook_url_file,
            kept_volume_limit,
            backups_at_once: None,
            pace,
        };
        Operator(Some(tokio::spawn(holdfast::engine::run(
            client,
            settings,
            Metrics::default(),
            pending(),
        ))))
    }
}

/// The image that the operator's Deployment gives to agents.
fn deployed_agent_image(scene: &Scene) -> String {
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
