//! Reads everything that one pass of the operator needs to know.

use std::sync::Arc;

use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use k8s_openapi::api::rbac::v1::RoleBinding;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{DeleteParams, ListParams, Preconditions};
use kube::{Client, Resource, ResourceExt};

use super::{Fact, LedgerFact, NeighbourFact, Observed, PolicyFact, Reader, WorkloadFact, World};
use crate::api::{
    ConditionType, DatabaseBackup, DatabaseCheck, DatabaseLedger, DeletionGuard, ProtectedDatabase,
    Workload, find_condition, names,
};
use crate::guard;
use crate::resources::JobPace;

/// Reads everything that matters for one database.
///
/// `policy` says whether the admission policies are as they were installed, which only the operator
/// knows.
pub async fn observe(
    client: &Client,
    agent_image: &str,
    pace: JobPace,
    policy: impl Future<Output = Fact<PolicyFact>>,
    database: ProtectedDatabase,
) -> Observed {
    let (namespace, name) = (
        database.namespace().unwrap_or_default(),
        database.name_any(),
    );
    let reader = Reader::new(client.clone(), &namespace);
    let workload = reader.workload(&database.spec.workload).await;
    let found = match &workload {
        Fact::Known(WorkloadFact::Found(found)) => Some(found.as_ref()),
        _ => None,
    };
    // One list for everybody who asks about pods.
    let needs_pods = found.is_some() || !database.spec.verification.files.is_empty();
    let pods = async {
        let listed = if needs_pods {
            reader.list::<Pod>(&ListParams::default()).await
        } else {
            Fact::Known(Vec::new())
        };
        let parted = match found {
            Some(found) => reader.part_pods(found, &listed).await,
            None => Fact::Known((Vec::new(), Vec::new())),
        };
        (parted, reader.file_claims(&database, &listed).await)
    };
    let services = async {
        match found {
            Some(_) => reader.services().await,
            None => Fact::Known(Vec::new()),
        }
    };
    let labelled = ListParams::default().labels(&format!("{}={name}", names::DATABASE_LABEL));
    // By field and not by label: a check that a user creates has no label of ours.
    let of_database = ListParams::default().fields(&format!("spec.database={name}"));
    let (ledger_name, cron_job_name) = (
        names::ledger(&namespace, &name),
        names::backup_cron_job(&name),
    );
    let (
        neighbours,
        pods,
        services,
        namespace_metadata,
        policy,
        ledger,
        checks,
        backups,
        jobs,
        cron_job,
        agent_identity,
    ) = tokio::join!(
        reader.neighbours(&database),
        pods,
        services,
        reader.get_cluster_metadata::<Namespace>(&namespace),
        reader.policy(policy, &database),
        reader.get_cluster::<DatabaseLedger>(&ledger_name),
        reader.list::<DatabaseCheck>(&of_database),
        reader.list::<DatabaseBackup>(&of_database),
        reader.list::<Job>(&labelled),
        reader.get::<CronJob>(&cron_job_name),
        reader.agent_identity(),
    );
    let (pods, file_claims) = pods;
    let (pods, other_pods) = match pods {
        Fact::Known((pods, others)) => (Fact::Known(pods), Fact::Known(others)),
        Fact::Unknown(why) => (Fact::Unknown(why.clone()), Fact::Unknown(why)),
    };
    let claims = match (&workload, &pods) {
        (Fact::Unknown(why), _) | (_, Fact::Unknown(why)) => Fact::Unknown(why.clone()),
        (Fact::Known(_), Fact::Known(pods)) => reader.database_claims(&database, found, pods).await,
    };
    let kept_volumes = match &claims {
        Fact::Unknown(why) => Fact::Unknown(why.clone()),
        Fact::Known(claims) => reader.kept_volumes(&database, claims).await,
    };
    Observed {
        agent_image: agent_image.to_owned(),
        pace,
        database: Arc::new(database),
        world: World {
            namespace_name: namespace,
            name,
            now: Time(jiff::Timestamp::now()),
            namespace: namespace_metadata,
            workload,
            pods,
            other_pods,
            services,
            claims,
            kept_volumes,
            ledger: ledger.map(|ledger| ledger.map(LedgerFact::new)),
            neighbours,
            policy,
            checks,
            backups,
            jobs,
            cron_job,
            agent_identity,
            file_claims,
        },
    }
}

impl Reader {
    async fn neighbours(&self, database: &ProtectedDatabase) -> Fact<Vec<NeighbourFact>> {
        let age = |candidate: &ProtectedDatabase| {
            let created = candidate.creation_timestamp();
            (created.map(|time| time.0), candidate.uid())
        };
        let all = self.list::<ProtectedDatabase>(&ListParams::default()).await;
        all.map(|all| {
            let others = all.iter().filter(|other| other.uid() != database.uid());
            others
                .map(|other| {
                    let is_deleted = other.meta().deletion_timestamp.is_some();
                    NeighbourFact {
                        name: other.name_any(),
                        workload: other.spec.workload.name.clone(),
                        same_workload: !is_deleted
                            && is_same_workload(&other.spec.workload, &database.spec.workload),
                        older: age(other) < age(database),
                        guards: other.spec.guard.deletion == DeletionGuard::Deny
                            && !(is_deleted && guard::deletion_confirmed(other.meta())),
                    }
                })
                .collect()
        })
    }

    async fn policy(
        &self,
        policy: impl Future<Output = Fact<PolicyFact>>,
        database: &ProtectedDatabase,
    ) -> Fact<PolicyFact> {
        match policy.await {
            Fact::Known(PolicyFact::InForce) if needs_dry_run(database) => {
                self.dry_run_delete(database).await
            }
            other => other,
        }
    }

    /// Asks for a deletion as a dry run, which changes nothing and must be refused by our policy.
    async fn dry_run_delete(&self, database: &ProtectedDatabase) -> Fact<PolicyFact> {
        let preconditions = Preconditions {
            uid: database.uid(),
            resource_version: None,
        };
        let dry_run = DeleteParams {
            dry_run: true,
            preconditions: Some(preconditions),
            ..DeleteParams::default()
        };
        let api = self.namespaced::<ProtectedDatabase>();
        match api.delete(&database.name_any(), &dry_run).await {
            Err(kube::Error::Api(answer)) if answer.message.contains(guard::REFUSAL) => {
                Fact::Known(PolicyFact::InForce)
            }
            Err(error) => Fact::Unknown(format!(
                "could not try with a dry-run delete whether a deletion is refused: {error}"
            )),
            Ok(_) => Fact::Known(PolicyFact::NotEnforced),
        }
    }

    async fn agent_identity(&self) -> Fact<bool> {
        let (accounts, bindings) = (
            self.namespaced::<ServiceAccount>(),
            self.namespaced::<RoleBinding>(),
        );
        let (account, binding) = tokio::join!(
            accounts.get_metadata_opt(names::AGENT_SERVICE_ACCOUNT),
            bindings.get_metadata_opt(names::AGENT_SERVICE_ACCOUNT)
        );
        let both = account.and_then(|account| Ok(account.is_some() && binding?.is_some()));
        Fact::from_read("the agents' service account", both)
    }
}

fn is_same_workload(theirs: &Workload, ours: &Workload) -> bool {
    let kinds = theirs.kind.zip(ours.kind);
    theirs.name == ours.name && kinds.is_none_or(|(theirs, ours)| theirs == ours)
}

/// Whether it is still to be shown that the API server refuses: it can be once the label is there,
/// and it would not be when the deletion was confirmed.
fn needs_dry_run(database: &ProtectedDatabase) -> bool {
    let status = database.status.as_ref();
    let conditions = status.map_or(&[][..], |status| status.conditions.as_slice());
    let guarded = find_condition(conditions, ConditionType::Guarded);
    guard::is_labelled(&database.metadata)
        && guarded.is_none_or(|guarded| guarded.status != "True")
        && !guard::deletion_confirmed(&database.metadata)
}
