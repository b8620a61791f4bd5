//! Creates a `DatabaseRestore`, follows it, and says how it ended.

use clap::Args;
use kube::{Api, CustomResourceExt as _, ResourceExt as _};

use super::follow::{Followed, follow};
use super::text::describe_end;
use crate::api::{DatabaseCheck, DatabaseRestore, ProtectedDatabase, RestoreState};
use crate::plugin::connect::Cluster;
use crate::plugin::error::{ClusterRequest, PluginError};
use crate::plugin::exit_status::ExitStatus;
use crate::plugin::output::write_out;
use crate::plugin::status::fetch_database;
use crate::plugin::write::create;

/// Whether a restore is followed.
#[derive(Debug, Args)]
pub struct Following {
    /// Ask for the restore and do not wait for it.
    #[arg(long)]
    no_wait: bool,
    /// How many seconds to wait for it. It goes on afterwards. Default: as long as it takes.
    #[arg(long, value_name = "SECONDS", conflicts_with = "no_wait")]
    timeout: Option<u64>,
}

impl Following {
    /// How many seconds to wait, if there is a limit.
    pub const fn seconds(&self) -> Option<u64> {
        self.timeout
    }
}

/// Creates the restore of a database, and follows it unless that is not wanted.
pub async fn carry_out(
    cluster: &Cluster,
    restore: &DatabaseRestore,
    name: &str,
    following: &Following,
) -> Result<ExitStatus, PluginError> {
    let (namespace, context) = (&cluster.namespace, cluster.context_flag());
    let made = create(cluster, restore).await?.name_any();
    write_out(&format!(
        "\nAsked for DatabaseRestore {made}. How it goes: kubectl get dbrestore {made} -n \
         {namespace}{context} -w\n"
    ))?;
    if following.no_wait {
        return Ok(ExitStatus::Done);
    }
    let restore = match follow(cluster, &made, following.timeout).await? {
        Followed::Over(restore) => restore,
        Followed::GoesOn => {
            write_out("It goes on.\n")?;
            return Ok(ExitStatus::NeedsAttention);
        }
    };
    let check = fetch_last_check(cluster, &fetch_database(cluster, namespace, name).await?).await?;
    write_out(&describe_end(&restore, check.as_ref()))?;
    let state = restore.status.and_then(|status| status.state);
    Ok(if state == Some(RestoreState::Complete) {
        ExitStatus::Done
    } else {
        ExitStatus::NeedsAttention
    })
}

/// Why nothing can be restored into a database: it has no role for that.
pub fn refuse_without_role(cluster: &Cluster, database: &ProtectedDatabase) -> Option<String> {
    database.spec.restore.is_none().then(|| {
        format!(
            "spec.restore.credentialsSecret is not set, so there is no role to restore with. The SQL for one: \
             kubectl holdfast grant-sql {} -n {}{} --restore",
            database.name_any(),
            cluster.namespace,
            cluster.context_flag()
        )
    })
}

/// The newest check of the database, if it still exists.
pub async fn fetch_last_check(
    cluster: &Cluster,
    database: &ProtectedDatabase,
) -> Result<Option<DatabaseCheck>, PluginError> {
    let status = database.status.as_ref();
    let Some(last) = status.and_then(|status| status.last_check.as_ref()) else {
        return Ok(None);
    };
    let namespace = cluster.namespace.as_str();
    let api: Api<DatabaseCheck> = Api::namespaced(cluster.client.clone(), namespace);
    api.get_opt(&last.name).await.map_err(|error| {
        let context = cluster.context.as_deref();
        let crd = DatabaseCheck::crd_name();
        ClusterRequest::about("get", crd, &last.name, Some(namespace), context).failed(error)
    })
}
