//! The command line: what `holdfast --help` says, and which module runs each command.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use kube::core::Selector;

use crate::agent::{self, AgentCommand};
use crate::catalog::{self, CatalogCommand};
use crate::engine::{self, Agents, Metrics, Settings};
use crate::{install, plugin, telemetry};

/// Keeps the data of any Postgres on Kubernetes where it is, notices when it is not, and brings it
/// back.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version, max_term_width = 120)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the operator: guards, checks and backs up every `ProtectedDatabase`.
    Operator(Box<OperatorArguments>),
    /// Runs inside the Jobs that the operator creates. Not for users.
    #[command(subcommand)]
    Agent(AgentCommand),
    /// Lists, shows, verifies and fetches backups with nothing but the bucket: no cluster is asked.
    Backup(Box<CatalogCommand>),
    /// Prints the custom resource definitions: `holdfast crd | kubectl apply --server-side -f -`.
    Crd,
    /// Prints everything that an installation needs: `holdfast install-manifest --image IMAGE |
    /// kubectl apply --server-side -f -`.
    InstallManifest(install::InstallOptions),
    /// What `kubectl holdfast` does, for those who have not installed it under that name.
    #[command(hide = true, disable_help_flag = true)]
    Plugin {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Writes what is generated from the code: crds/, install.yaml, the chart's templates,
    /// docs/conditions.md.
    #[command(hide = true)]
    Generate {
        /// The root of the checkout.
        #[arg(long, default_value = ".")]
        to: PathBuf,
    },
}

#[derive(Debug, Args)]
struct OperatorArguments {
    /// The image that agents copy their static binary from: the operator's own.
    #[arg(long, env = "HOLDFAST_AGENT_IMAGE")]
    agent_image: String,
    /// How agents' pods are to be where a `ProtectedDatabase` does not say it: JSON with the fields of
    /// its `spec.agents`.
    #[arg(long, env = "HOLDFAST_AGENTS", value_name = "JSON", default_value = "{}", hide_default_value = true, value_parser = install::parse_agent_defaults)]
    agents: Agents,
    /// How many databases are worked on at once, 1 to 256.
    #[arg(long, env = "HOLDFAST_CONCURRENCY", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// Watch only this namespace. Default: all.
    #[arg(long, env = "HOLDFAST_NAMESPACE")]
    namespace: Option<String>,
    /// This operator handles only the `ProtectedDatabase`s with these labels, in the syntax of
    /// kubectl: `shard=a`, `!canary`, `tier in (a,b)`. Default: all.
    #[arg(long, env = "HOLDFAST_SELECTOR", default_value = "", hide_default_value = true, value_parser = install::parse_selector)]
    selector: Selector,
    /// The namespace that the operator runs in. The guard recognizes the operator by its service
    /// account there.
    #[arg(
        long,
        env = "HOLDFAST_OPERATOR_NAMESPACE",
        default_value = "holdfast-system"
    )]
    operator_namespace: String,
    /// How many volumes whose claims are gone the databases of one namespace may keep on Retain. Beyond
    /// that, new claims of the namespace are not guarded, which `Guarded` says.
    #[arg(long, env = "HOLDFAST_KEPT_VOLUME_LIMIT", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    kept_volume_limit: u16,
    /// How many backups of its databases may run at once, looks at the sets in buckets included; others
    /// wait for their turn. 0: any number.
    #[arg(long, env = "HOLDFAST_BACKUPS_AT_ONCE", default_value_t = 10)]
    backups_at_once: u16,
    /// Where /healthz, /readyz and /metrics are served. Default: on all addresses, IPv6 and IPv4.
    #[arg(long, env = "HOLDFAST_LISTEN", default_value = "[::]:8080")]
    listen: SocketAddr,
    /// The file with the URL of a webhook that receives alerts in the format of Alertmanager: a
    /// mounted Secret, read again for every request. If the webhook has a certificate authority of
    /// its own, that is beside the file as ca.crt.
    #[arg(long, env = "HOLDFAST_WEBHOOK_URL_FILE", value_name = "PATH")]
    webhook_url_file: Option<PathBuf>,
}

/// Runs the command line: as the plugin of kubectl when called by its name.
#[must_use]
pub fn main() -> ExitCode {
    if plugin::is_plugin_name(std::env::args_os().next().as_deref()) {
        return plugin::main(std::env::args_os().skip(1));
    }
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("holdfast: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Operator(arguments) => {
            telemetry::start();
            runtime()?.block_on(operate(*arguments))?;
        }
        Command::Agent(command) => {
            telemetry::start();
            runtime()?.block_on(agent::run(command))?;
        }
        Command::Backup(command) => {
            telemetry::start();
            if !runtime()?.block_on(Box::pin(catalog::run(*command)))? {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Crd => print!("{}", install::print_crds()?),
        Command::InstallManifest(options) => print!("{}", install::manifest(&options)?),
        Command::Plugin { arguments } => return Ok(plugin::main(arguments)),
        Command::Generate { to } => install::generate(&to)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("could not start the async runtime")
}

async fn operate(arguments: OperatorArguments) -> anyhow::Result<()> {
    let metrics = Metrics::default();
    let ready = Arc::new(AtomicBool::new(false));
    engine::serve_probes(arguments.listen, metrics.clone(), ready.clone()).with_context(|| {
        format!(
            "could not serve probes and metrics on {}; choose another address with --listen",
            arguments.listen
        )
    })?;
    let client = kube::Client::try_default()
        .await
        .context("could not find the cluster; run in a pod, or set KUBECONFIG")?;
    engine::require_kinds(&client).await?;
    let settings = Settings {
        agent_image: arguments.agent_image,
        agent_defaults: Arc::new(arguments.agents),
        concurrency: arguments.concurrency,
        namespace: arguments.namespace,
        selector: arguments.selector,
        operator_namespace: arguments.operator_namespace,
        webhook_url_file: arguments.webhook_url_file,
        kept_volume_limit: arguments.kept_volume_limit.into(),
        backups_at_once: Some(arguments.backups_at_once.into()).filter(|most| *most > 0),
        pace: engine::JobPace::default(),
    };
    ready.store(true, Ordering::Relaxed);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        namespace = settings.namespace,
        selector = %settings.selector,
        "the operator is running"
    );
    engine::run(client, settings, metrics, stop_signal()).await;
    tracing::info!("the operator has stopped");
    Ok(())
}

async fn stop_signal() {
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = terminate => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
