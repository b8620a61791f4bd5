//! `restore --dry-run`: asks an agent whether a backup could be restored, by way of a `DatabaseRestore` that makes
//! nothing, says what it has found, and removes that object.

use kube::api::{DeleteParams, Preconditions};
use kube::{Api, CustomResourceExt as _, ResourceExt as _};

use super::carry_out::Following;
use super::follow::{Followed, follow};
use super::text::describe_dry_run;
use crate::api::{DatabaseRestore, RestoreState};
use crate::plugin::connect::Cluster;
use crate::plugin::error::{ClusterRequest, PluginError};
use crate::plugin::exit_status::ExitStatus;
use crate::plugin::output::write_out;
use crate::plugin::write::{create, try_create};

/// Runs it for a restore, which is not carried out.
pub async fn dry_run(
    cluster: &Cluster,
    mut restore: DatabaseRestore,
    following: &Following,
) -> Result<ExitStatus, PluginError> {
    restore.spec.dry_run = Some(true);
    // Nobody has confirmed anything.
    restore.spec.confirm = None;
    let name = restore.spec.database.clone();
    restore.metadata.generate_name = Some(format!("{name}-dry-run-"));
    // A field that the API server does not know is dropped, and then it would be a restore.
    if !try_create(cluster, &restore).await?.is_dry_run() {
        eprintln!(
            "\nerror: the CRDs of this cluster do not know spec.dryRun, so nothing was asked: upgrade Holdfast"
        );
        return Ok(ExitStatus::NeedsAttention);
    }
    let made = create(cluster, &restore).await?;
    write_out(&format!(
        "\nAsked an agent, as DatabaseRestore {}, which makes and changes nothing.\n",
        made.name_any()
    ))?;
    let followed = follow(cluster, &made.name_any(), following.seconds()).await;
    let removed = remove(cluster, &made).await;
    let status = match followed? {
        Followed::Over(ended) => {
            write_out(&describe_dry_run(&ended))?;
            let state = ended.status.as_ref().and_then(|status| status.state);
            if state == Some(RestoreState::Complete) {
                ExitStatus::Done
            } else {
                ExitStatus::NeedsAttention
            }
        }
        Followed::GoesOn => {
            write_out("It took too long, and was ended.\n")?;
            ExitStatus::NeedsAttention
        }
    };
    if let Err(error) = removed {
        eprintln!("error: {error}");
    }
    Ok(status)
}

/// Deletes it, and nothing else of its name. Its Job goes with it.
async fn remove(cluster: &Cluster, made: &DatabaseRestore) -> Result<(), PluginError> {
    let namespace = cluster.namespace.as_str();
    let api: Api<DatabaseRestore> = Api::namespaced(cluster.client.clone(), namespace);
    let name = made.name_any();
    let parameters = DeleteParams {
        preconditions: Some(Preconditions {
            uid: made.uid(),
            resource_version: None,
        }),
        ..DeleteParams::background()
    };
    match api.delete(&name, &parameters).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => {
            let crd = DatabaseRestore::crd_name();
            let context = cluster.context.as_deref();
            let request = ClusterRequest::about("delete", crd, &name, Some(namespace), context);
            Err(request.failed(error))
        }
        Ok(_) => Ok(()),
    }
}
