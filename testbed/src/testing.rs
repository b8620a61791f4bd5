//! What tests do all the time: apply text, ask the database, look at the objects in the bucket.

use std::io::Write as _;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::AttachParams;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::network;
use crate::object_store;
use crate::shell;
use crate::testbed::Testbed;

impl Testbed {
    /// Applies manifests given as text.
    pub fn apply(&self, manifests: &str) -> Result<String> {
        let mut command = self.command("kubectl")?;
        // The server validates; kubectl would fetch the schema of every kind to do so as well.
        command.args([
            "apply",
            "--server-side",
            "--force-conflicts",
            "--validate=false",
            "-f",
            "-",
        ]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        child
            .stdin
            .take()
            .context("kubectl has no standard input")?
            .write_all(manifests.as_bytes())?;
        let output = child.wait_with_output()?;
        shell::check(&command, &output)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs a command in a container, as `kubectl exec` does, and returns what it printed; an error
    /// shows what it complained about.
    pub fn exec(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        command: &[&str],
    ) -> Result<String> {
        self.run_in_network(async || {
            let pods = Api::<Pod>::namespaced(self.client().await?, namespace);
            run_in_container(&pods, pod, container, command).await
        })
    }

    /// Runs a statement in the container `postgres` of a pod, as the superuser the pod was made
    /// with; returns bare rows, columns parted by `|`.
    pub fn sql(
        &self,
        namespace: &str,
        pod: &str,
        database: &str,
        statement: &str,
    ) -> Result<String> {
        let psql = r#"exec psql -X -A -t -q -v ON_ERROR_STOP=1 -U "${POSTGRES_USER:-postgres}" -d "$0" -c "$1""#;
        let command = ["sh", "-c", psql, database, statement];
        let printed = self.exec(namespace, pod, "postgres", &command)?;
        Ok(printed.trim_end().to_owned())
    }

    /// The keys in the testbed's bucket that begin with `prefix`, sorted.
    pub fn object_keys(&self, prefix: &str) -> Result<Vec<String>> {
        network::inside(self.layout(), || object_store::list(prefix))?
    }

    /// The content of an object in the testbed's bucket.
    pub fn object(&self, key: &str) -> Result<Vec<u8>> {
        network::inside(self.layout(), || object_store::get(key))?
    }

    /// Writes an object into the testbed's bucket.
    pub fn put_object(&self, key: &str, content: &[u8]) -> Result<()> {
        network::inside(self.layout(), || object_store::put(key, content))?
    }

    /// Deletes an object from the testbed's bucket; older versions stay.
    pub fn delete_object(&self, key: &str) -> Result<()> {
        network::inside(self.layout(), || object_store::delete(key))?
    }
}

async fn run_in_container(
    pods: &Api<Pod>,
    pod: &str,
    container: &str,
    command: &[&str],
) -> Result<String> {
    let parameters = AttachParams::default()
        .container(container)
        .stdin(false)
        .stdout(true)
        .stderr(true);
    let what = || {
        format!(
            "{} in container {container} of pod {pod}",
            command.join(" ")
        )
    };
    let mut process = pods
        .exec(pod, command.iter().copied(), &parameters)
        .await
        .with_context(what)?;
    let ended = process.take_status().context("no status is sent")?;
    let (printed, complaint) = tokio::join!(read_all(process.stdout()), read_all(process.stderr()));
    let (printed, complaint) = (printed?, complaint?);
    let status = ended
        .await
        .with_context(|| format!("{} did not end: the connection was lost", what()))?;
    if status.status.as_deref() == Some("Success") {
        return Ok(printed);
    }
    bail!(
        "{} failed ({}):\n{}",
        what(),
        status.message.unwrap_or_default(),
        shell::last_lines(&format!("{printed}{complaint}"), 15)
    )
}

async fn read_all(stream: Option<impl AsyncRead + Unpin>) -> Result<String> {
    let mut bytes = Vec::new();
    stream
        .context("the stream is not there")?
        .read_to_end(&mut bytes)
        .await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
