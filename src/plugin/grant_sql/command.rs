//! Takes the databases from a ProtectedDatabase or from the command line, and prints the script.
//! Connects to no Postgres.

use clap::Args;

use super::{GrantRequest, Use, describe_grants};
use crate::api::{CredentialsSecret, ProtectedDatabaseSpec};
use crate::plugin::connect::Cluster;
use crate::plugin::error::PluginError;
use crate::plugin::exit_status::ExitStatus;
use crate::plugin::output::write_out;
use crate::plugin::status::fetch_database;

/// The arguments of `grant-sql`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["name", "databases"]))]
pub struct GrantSqlArguments {
    /// The ProtectedDatabase that names the databases. Without it, name them with --database; no
    /// cluster is asked then.
    pub name: Option<String>,
    /// A database; may be given several times.
    #[arg(long = "database", value_name = "DATABASE")]
    databases: Vec<String>,
    /// The role to create. Default: holdfast, or `holdfast_restore` with --restore.
    #[arg(long)]
    role: Option<String>,
    /// The role that restores backups, instead of that of checks and backups.
    #[arg(long, conflicts_with_all = ["bypass_row_security", "large_objects"])]
    restore: bool,
    /// The major version of Postgres. Up to 13 there is no role that may read everything, so each
    /// schema is granted.
    #[arg(long, value_name = "MAJOR", default_value_t = 14, value_parser = clap::value_parser!(u8).range(11..=99))]
    server_version: u8,
    /// A schema to read, up to Postgres 13; may be given several times.
    #[arg(long = "schema", value_name = "SCHEMA", default_value = "public")]
    schemas: Vec<String>,
    /// A role that creates tables, up to Postgres 13; may be given several times. Default: the one
    /// that runs the script.
    #[arg(long = "owner", value_name = "ROLE")]
    owners: Vec<String>,
    /// Lets the role see what row security hides. Needed where tables have policies, else they
    /// can't be counted or dumped.
    #[arg(long)]
    bypass_row_security: bool,
    /// Lets the role read large objects. Needed where there are any, else backups fail.
    #[arg(long)]
    large_objects: bool,
}

/// Prints the script for the databases of the command line.
pub fn run_without_cluster(
    arguments: &GrantSqlArguments,
    namespace: Option<&str>,
) -> Result<ExitStatus, PluginError> {
    let usage = Use {
        namespace: namespace.unwrap_or("NAMESPACE").to_owned(),
        protected: None,
        workload: "statefulset/POSTGRES".to_owned(),
        secret: build_secret(
            if arguments.restore {
                "pg-holdfast-restore"
            } else {
                "pg-holdfast"
            },
            None,
        ),
        context_flag: String::new(),
    };
    print(arguments, arguments.databases.clone(), &usage)
}

/// Prints the script for a ProtectedDatabase.
pub async fn run(
    cluster: &Cluster,
    arguments: &GrantSqlArguments,
    name: &str,
) -> Result<ExitStatus, PluginError> {
    let spec = fetch_database(cluster, &cluster.namespace, name)
        .await?
        .spec;
    let usage = build_use(cluster, name, &spec, arguments.restore);
    print(
        arguments,
        spec.connection.databases().map(str::to_owned).collect(),
        &usage,
    )
}

fn build_use(
    cluster: &Cluster,
    name: &str,
    spec: &ProtectedDatabaseSpec,
    is_for_restores: bool,
) -> Use {
    let (suffix, present) = if is_for_restores {
        let restore = spec.restore.as_ref();
        (
            "-restore",
            restore.map(|restore| &restore.credentials_secret),
        )
    } else {
        ("", spec.connection.credentials_secret.as_ref())
    };
    let kind = spec.workload.kind.map_or_else(
        || "statefulset".to_owned(),
        |kind| kind.to_string().to_ascii_lowercase(),
    );
    let container = spec
        .workload
        .container
        .as_ref()
        .map(|container| format!(" -c {container}"))
        .unwrap_or_default();
    Use {
        namespace: cluster.namespace.clone(),
        protected: Some(name.to_owned()),
        // `kubectl exec` takes no labels.
        workload: match &spec.workload.selector {
            Some(_) => format!("PRIMARY_POD{container}"),
            None => format!("{kind}/{}{container}", spec.workload.name),
        },
        // Not the Secret that is there: the server's own user is often in it.
        secret: build_secret(&format!("{name}-holdfast{suffix}"), present),
        context_flag: cluster.context_flag(),
    }
}

fn build_secret(name: &str, keys: Option<&CredentialsSecret>) -> CredentialsSecret {
    CredentialsSecret {
        name: name.to_owned(),
        username_key: keys.map_or_else(|| "username".to_owned(), |keys| keys.username_key.clone()),
        password_key: keys.map_or_else(|| "password".to_owned(), |keys| keys.password_key.clone()),
    }
}

fn print(
    arguments: &GrantSqlArguments,
    databases: Vec<String>,
    usage: &Use,
) -> Result<ExitStatus, PluginError> {
    let request = GrantRequest {
        role: arguments.role.clone().unwrap_or_else(|| {
            let role = if arguments.restore {
                "holdfast_restore"
            } else {
                "holdfast"
            };
            role.to_owned()
        }),
        restore: arguments.restore,
        databases,
        before_fourteen: arguments.server_version < 14,
        schemas: arguments.schemas.clone(),
        owners: arguments.owners.clone(),
        bypass_row_security: arguments.bypass_row_security,
        large_objects: arguments.large_objects,
    };
    write_out(&describe_grants(&request, usage))?;
    Ok(ExitStatus::Done)
}
