//! Reads everything that one pass of the operator needs to know.

use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use k8s_openapi::api::rbac::v1::RoleBinding;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{DeleteParams, ListParams, Preconditions};
use kube::{Client, Resource, ResourceExt};

use super::namespace::namespace_uids;
use super::read_agents::Reported;
use super::twins::own_volumes;
use super::{
    AgentIdentity, ClaimFact, Enforcement, Fact, KeptVolume, LedgerFact, LedgerOrigin,
    NeighbourFact, Observed, OtherNamespace, PolicyFact, Reader, WatchedVolumes, WorkloadFact,
    World,
};
use crate::api::{
    Agents, ConditionType, ConfirmedVerb, DatabaseBackup, DatabaseCheck, DatabaseLedger,
    DatabaseRestore, DeletionGuard, ProtectedDatabase, Workload, find_condition, names,
};
use crate::guard;
use crate::resources::JobPace;

/// What only the operator knows, and its settings.
#[derive(Clone, Copy)]
pub struct OperatorFacts<'a> {
    /// The image of Holdfast, for agents.
    pub agent_image: &'a str,
    /// What the installation sets for agents.
    pub agent_defaults: &'a Arc<Agents>,
    /// How many Jobs may run.
    pub pace: JobPace,
    /// The volumes of the cluster, as they are watched.
    pub volumes: &'a WatchedVolumes,
    /// How many volumes one namespace may keep.
    pub kept_volume_limit: usize,
    /// When the API server has last refused a dry-run delete.
    pub enforcement: &'a Enforcement,
}

/// Reads everything that matters for one database.
///
/// `policy` says whether the admission policies are as they were installed, which only the operator
/// knows.
pub async fn observe(
    client: &Client,
    operator: OperatorFacts<'_>,
    policy: impl Future<Output = Fact<PolicyFact>>,
    database: ProtectedDatabase,
) -> Observed {
    let (namespace, name) = (
        database.namespace().unwrap_or_default(),
        database.name_any(),
    );
    let reader = Reader::new(client.clone(), &namespace);
    let (workload, former_workload) = tokio::join!(
        reader.workload(&database.spec.workload),
        reader.former_workload(&database)
    );
    let found = match &workload {
        Fact::Known(WorkloadFact::Found(found)) => Some(found.as_ref()),
        _ => None,
    };
    let selected = match &workload {
        Fact::Known(WorkloadFact::Pods(selected)) => Some(selected.as_ref()),
        _ => None,
    };
    let has_workload = found.is_some() || selected.is_some();
    // One list for everybody who asks about pods.
    let backup = database.spec.backup.as_ref();
    let has_directories = backup.is_some_and(|backup| !backup.directories.is_empty());
    let has_files = has_directories || !database.spec.verification.files.is_empty();
    let needs_pods = has_workload || has_files;
    let pods = async {
        let listed = if needs_pods {
            reader.list::<Pod>(&ListParams::default()).await
        } else {
            Fact::Known(Vec::new())
        };
        let parted = match (found, selected) {
            (Some(found), _) => reader.part_pods(found, &listed).await,
            (None, Some(selected)) => match &listed {
                Fact::Known(listed) => Fact::Known(selected.part(listed)),
                Fact::Unknown(why) => Fact::Unknown(why.clone()),
            },
            (None, None) => Fact::Known((Vec::new(), Vec::new())),
        };
        let file_claims = reader.file_claims(&database, &listed).await;
        (parted, file_claims, needs_pods.then_some(listed))
    };
    let services = async {
        if has_workload {
            reader.services().await
        } else {
            Fact::Known(Vec::new())
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
        restores,
        jobs,
        cron_job,
        agent_identity,
    ) = tokio::join!(
        reader.neighbours(&name, Some(&database), &database.spec.workload),
        pods,
        services,
        reader.get_cluster_metadata::<Namespace>(&namespace),
        reader.policy(policy, operator.enforcement, &database),
        reader.get_cluster::<DatabaseLedger>(&ledger_name),
        reader.list::<DatabaseCheck>(&of_database),
        reader.list::<DatabaseBackup>(&of_database),
        reader.restores(&name),
        reader.list::<Job>(&labelled),
        reader.get::<CronJob>(&cron_job_name),
        reader.agent_identity(),
    );
    let (pods, file_claims, listed) = pods;
    let (pods, other_pods) = match pods {
        Fact::Known((pods, others)) => (Fact::Known(pods), Fact::Known(others)),
        Fact::Unknown(why) => (Fact::Unknown(why.clone()), Fact::Unknown(why)),
    };
    let (claims, claims_left_out) = match (&workload, &pods) {
        (Fact::Unknown(why), _) | (_, Fact::Unknown(why)) => (Fact::Unknown(why.clone()), 0),
        (Fact::Known(_), Fact::Known(pods)) => {
            match reader.database_claims(&database, found, pods).await {
                Fact::Known((claims, left_out)) => (Fact::Known(claims), left_out),
                Fact::Unknown(why) => (Fact::Unknown(why), 0),
            }
        }
    };
    let claim_owners = match &claims {
        Fact::Known(claims) if selected.is_some() => reader.claim_owners(claims).await,
        _ => Vec::new(),
    };
    let (ledger, other_namespace) = of_namespace(ledger, &namespace_metadata, &database, &claims);
    let left_ledgers = reader.left_ledgers(&ledger, &neighbours).await;
    let kept_volumes = match &claims {
        Fact::Unknown(why) => Fact::Unknown(why.clone()),
        Fact::Known(claims) => {
            let owned = (&namespace_metadata, &ledger);
            reader.kept_volumes(&database, claims, owned).await
        }
    };
    let twins = reader.twins(operator.volumes, &claims, &kept_volumes).await;
    let uids = namespace_uids(&namespace_metadata, &ledger);
    let kept_in_namespace = operator.volumes.kept_in_namespace(&uids);
    let reported = Reported {
        checks: checks.known().map(Vec::as_slice).unwrap_or_default(),
        backups: backups.known().map(Vec::as_slice).unwrap_or_default(),
        restores: restores.known().map(Vec::as_slice).unwrap_or_default(),
    };
    let objects = [
        Some(&database.metadata),
        found.map(|found| &found.metadata),
        namespace_metadata.known().and_then(Option::as_ref),
        ledger
            .known()
            .and_then(Option::as_ref)
            .map(|fact| &fact.ledger.metadata),
    ];
    let objects = objects.into_iter().flatten();
    let objects = objects.chain(of_claims(&claims, &kept_volumes));
    let clock_ahead = reader
        .clock_where_needed(&database, &jobs, &cron_job, objects)
        .await;
    let seconds = jiff::Timestamp::now().as_second() - clock_ahead.known().unwrap_or(&0);
    let (agents, late_backup) = tokio::join!(
        reader.agents(&name, &jobs, listed, &reported, seconds),
        reader.late_backup(&database, &cron_job, &clock_ahead)
    );
    Observed {
        agent_image: operator.agent_image.to_owned(),
        agent_defaults: Arc::clone(operator.agent_defaults),
        pace: operator.pace,
        kept_volume_limit: operator.kept_volume_limit,
        kubernetes_cluster: None,
        turn: None,
        database: Arc::new(database),
        world: World {
            namespace_name: namespace,
            name,
            now: Time(jiff::Timestamp::now()),
            clock_ahead,
            namespace: namespace_metadata,
            workload,
            former_workload,
            pods,
            other_pods,
            services,
            claims,
            claims_left_out,
            claim_owners,
            kept_volumes,
            twins,
            kept_in_namespace,
            ledger,
            left_ledgers,
            other_namespace,
            recreated: None,
            neighbours,
            policy,
            checks,
            backups,
            restores,
            jobs,
            agents,
            cron_job,
            late_backup,
            agent_identity,
            file_claims,
        },
    }
}

/// The claims of a database, and its volumes, with a claim or without.
fn of_claims<'a>(
    claims: &'a Fact<Vec<ClaimFact>>,
    kept: &'a Fact<Vec<KeptVolume>>,
) -> impl Iterator<Item = &'a ObjectMeta> {
    let volumes = own_volumes(claims, kept).into_iter();
    let claims = claims.known().into_iter().flatten();
    let claims = claims.filter_map(|claim| claim.metadata.as_ref());
    claims.chain(volumes.map(|volume| &volume.metadata))
}

/// What the ledger remembers, if it is of this namespace; else the one that it is of.
fn of_namespace(
    ledger: Fact<Option<DatabaseLedger>>,
    namespace: &Fact<Option<ObjectMeta>>,
    database: &ProtectedDatabase,
    claims: &Fact<Vec<ClaimFact>>,
) -> (Fact<Option<LedgerFact>>, Option<OtherNamespace>) {
    let found = match ledger {
        Fact::Known(Some(found)) => found,
        Fact::Known(None) => return (Fact::Known(None), None),
        Fact::Unknown(why) => return (Fact::Unknown(why), None),
    };
    let claims = claims.known().into_iter().flatten();
    let proofs = claims.filter_map(|claim| claim.metadata.as_ref());
    match LedgerOrigin::of(&found, namespace, proofs.chain([&database.metadata])) {
        LedgerOrigin::This => (Fact::Known(Some(LedgerFact::new(found))), None),
        LedgerOrigin::NotKnown(why) => (Fact::Unknown(why), None),
        // The recovery that has created the namespace accepts it, or a user does.
        LedgerOrigin::Recreated => {
            let why =
                "a recovery has created the namespace and has not accepted it yet; run it again";
            (Fact::Unknown(why.to_owned()), None)
        }
        LedgerOrigin::Other(other) => (Fact::Unknown(other.describe()), Some(other)),
    }
}

impl Reader {
    /// Reads the other ProtectedDatabases of the namespace, as the one of that name sees them. One that
    /// is gone is younger than all of them.
    pub async fn neighbours(
        &self,
        name: &str,
        database: Option<&ProtectedDatabase>,
        workload: &Workload,
    ) -> Fact<Vec<NeighbourFact>> {
        let age = |candidate: &ProtectedDatabase| {
            let created = candidate.creation_timestamp();
            (created.map(|time| time.0), candidate.uid())
        };
        let all = self.list::<ProtectedDatabase>(&ListParams::default()).await;
        let now = jiff::Timestamp::now();
        all.map(|all| {
            let others = all.iter().filter(|other| other.name_any() != name);
            others
                .map(|other| {
                    let is_deleted = other.meta().deletion_timestamp.is_some();
                    NeighbourFact {
                        name: other.name_any(),
                        workload: other.spec.workload.name.clone(),
                        workload_kind: other.spec.workload.kind,
                        selector: other.spec.workload.selector.clone(),
                        system_identifier: system_identifier(other),
                        same_workload: !is_deleted
                            && other.spec.workload.shares_pods_with(workload),
                        older: database.is_none_or(|database| age(other) < age(database)),
                        guards: (other.spec.guard.deletion == DeletionGuard::Deny
                            || guard::is_labelled(other.meta()))
                            && !(is_deleted && guard::deletion_confirmed(other.meta(), now)),
                    }
                })
                .collect()
        })
    }

    /// Reads the names of the ledgers of databases that are gone, beside those others that exist; none
    /// where the database has one.
    async fn left_ledgers(
        &self,
        ledger: &Fact<Option<LedgerFact>>,
        neighbours: &Fact<Vec<NeighbourFact>>,
    ) -> Fact<Vec<String>> {
        let (Fact::Known(None), Fact::Known(others)) = (ledger, neighbours) else {
            return Fact::Known(Vec::new());
        };
        let all = self.cluster::<DatabaseLedger>();
        let all = all.list_metadata(&ListParams::default()).await;
        let exists = |ledger: &String| {
            let mut names = others.iter().map(|other| &other.name);
            names.any(|name| names::ledger(&self.namespace, name) == *ledger)
        };
        // No name of a namespace has a dot.
        let start = names::ledger(&self.namespace, "");
        Fact::from_read("the ledgers", all).map(|all| {
            let names = all.items.iter().map(ResourceExt::name_any);
            names
                .filter(|ledger| ledger.starts_with(&start) && !exists(ledger))
                .collect()
        })
    }

    /// Reads the restores of one database. There are few, and not every installed definition can select
    /// them by a field.
    async fn restores(&self, name: &str) -> Fact<Vec<DatabaseRestore>> {
        let all = self.list::<DatabaseRestore>(&ListParams::default()).await;
        all.map(|mut all| {
            all.retain(|restore| restore.spec.database == name);
            all
        })
    }

    async fn policy(
        &self,
        policy: impl Future<Output = Fact<PolicyFact>>,
        enforcement: &Enforcement,
        database: &ProtectedDatabase,
    ) -> Fact<PolicyFact> {
        match policy.await {
            Fact::Known(found @ (PolicyFact::InForce | PolicyFact::Newer(_)))
                if needs_dry_run(database, enforcement) =>
            {
                let sent = Instant::now();
                self.dry_run_delete(database).await.map(|refuses| {
                    enforcement.note(sent, refuses);
                    if refuses {
                        found
                    } else {
                        PolicyFact::NotEnforced
                    }
                })
            }
            other => other,
        }
    }

    /// Asks for a deletion as a dry run, which changes nothing and must be refused by our policy. Says
    /// whether it was.
    async fn dry_run_delete(&self, database: &ProtectedDatabase) -> Fact<bool> {
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
                Fact::Known(true)
            }
            Err(error) => Fact::Unknown(format!(
                "could not try with a dry-run delete whether a deletion is refused: {error}"
            )),
            Ok(_) => Fact::Known(false),
        }
    }

    async fn agent_identity(&self) -> Fact<AgentIdentity> {
        let (accounts, bindings) = (
            self.namespaced::<ServiceAccount>(),
            self.namespaced::<RoleBinding>(),
        );
        let (account, binding) = tokio::join!(
            accounts.get_metadata_opt(names::AGENT_SERVICE_ACCOUNT),
            bindings.get_opt(names::AGENT_SERVICE_ACCOUNT)
        );
        let identity = account.and_then(|account| {
            Ok(AgentIdentity::new(
                account.is_some(),
                binding?,
                &self.namespace,
            ))
        });
        Fact::from_read("the agents' service account", identity)
    }
}

fn system_identifier(database: &ProtectedDatabase) -> Option<String> {
    let status = database.status.as_ref()?;
    Some(status.baseline.as_ref()?.system_identifier.clone())
}

/// Whether it is to be shown, or shown again, that the API server refuses: it can be once the label is
/// there, and it would not be while the deletion is confirmed. One that has ended, by this clock, may
/// still be good by that of the API server.
fn needs_dry_run(database: &ProtectedDatabase, enforcement: &Enforcement) -> bool {
    let status = database.status.as_ref();
    let conditions = status.map_or(&[][..], |status| status.conditions.as_slice());
    let guarded = find_condition(conditions, ConditionType::Guarded);
    guard::is_labelled(&database.metadata)
        && (!enforcement.is_recent() || guarded.is_none_or(|guarded| guarded.status != "True"))
        && !guard::carries_confirmation(&database.metadata, ConfirmedVerb::Delete)
}
