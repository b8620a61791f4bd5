//! Wires the watches to the passes and runs until told to stop.

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, Stream, StreamExt};
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::{self, Action, Config, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use tokio::task::JoinSet;

use super::alerts::{Pace, Webhook, deliver};
use super::context::{Context, Settings};
use super::drift_repair::run_drift_repair;
use super::error::PassError;
use super::metrics::Metrics;
use super::pass::{reconcile, retry};
use super::restoring::run_restores;
use super::triggers::{self, GuardedDatabase};
use super::volume_watch::watch_volumes;
use crate::api::{
    DatabaseBackup, DatabaseCheck, DatabaseLedger, DatabaseRestore, RestoreTarget, names,
};
use crate::guard;

/// Events come in bursts, the operator's own writes among them: one pass for those that follow each
/// other this fast. Whoever touched an object more often than that would keep its database waiting, so
/// it is short.
const BURST: Duration = Duration::from_millis(300);

/// Runs the controller until `stop` resolves. What is in progress then is finished.
pub async fn run(
    client: Client,
    settings: Settings,
    metrics: Metrics,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let stop = stop.shared();
    let context = Arc::new(Context::new(client.clone(), settings.clone(), metrics));
    let forgets = Arc::clone(&context);
    // A task of its own, which ends with this function: no pass waits for the webhook.
    let mut notifier = JoinSet::new();
    if let Some(url_file) = settings.webhook_url_file.clone() {
        let webhook = Webhook {
            url_file,
            pace: Pace::default(),
        };
        notifier.spawn(deliver(
            context.notices.clone(),
            webhook,
            context.metrics.clone(),
        ));
    }
    let scope = settings.namespace.as_deref();
    let controller = Controller::new(
        namespaced::<GuardedDatabase>(&client, scope),
        // A trigger for a database that is not in the store leads to no pass.
        watcher::Config::default().labels_from(&settings.selector),
    )
    .with_config(
        Config::default()
            .concurrency(settings.concurrency)
            .debounce(BURST),
    );
    let store = controller.store();
    context.turns.remember_by(store.clone());
    let labelled = watcher::Config::default().labels(names::DATABASE_LABEL);
    let protected = watcher::Config::default().labels(&format!("{}=true", names::PROTECTED_LABEL));
    let (by_pod, by_service, by_stateful_set) = (store.clone(), store.clone(), store.clone());
    let (by_deployment, by_claim, by_namespace) = (store.clone(), store.clone(), store);
    let (repair, repaired) = futures::channel::mpsc::channel(1);
    let controller = controller
        .watches(
            namespaced::<PartialObjectMeta<Pod>>(&client, scope),
            watcher::Config::default(),
            move |pod| triggers::from_pod(&by_pod, pod.meta()),
        )
        .watches(
            namespaced::<PartialObjectMeta<Service>>(&client, scope),
            watcher::Config::default(),
            move |service| {
                triggers::from_namespace(&by_service, &service.namespace().unwrap_or_default())
            },
        )
        .watches(
            namespaced::<PartialObjectMeta<StatefulSet>>(&client, scope),
            watcher::Config::default(),
            move |set| triggers::from_workload_or_new(&by_stateful_set, set.meta()),
        )
        .watches(
            namespaced::<PartialObjectMeta<Deployment>>(&client, scope),
            watcher::Config::default(),
            move |deployment| triggers::from_workload_or_new(&by_deployment, deployment.meta()),
        )
        .watches(
            namespaced::<DatabaseCheck>(&client, scope),
            watcher::Config::default(),
            |check| {
                Some(
                    ObjectRef::new(&check.spec.database)
                        .within(check.metadata.namespace.as_deref()?),
                )
            },
        )
        .watches(
            namespaced::<DatabaseBackup>(&client, scope),
            watcher::Config::default(),
            |backup| {
                Some(
                    ObjectRef::new(&backup.spec.database)
                        .within(backup.metadata.namespace.as_deref()?),
                )
            },
        )
        .watches(
            namespaced::<DatabaseRestore>(&client, scope),
            watcher::Config::default(),
            |restore| {
                // Of others nothing is waited for but their end, which their checks tell of.
                let is_drill = restore.spec.into == RestoreTarget::Scratch;
                let namespace = restore.metadata.namespace.as_deref()?;
                is_drill.then(|| ObjectRef::new(&restore.spec.database).within(namespace))
            },
        )
        .watches(
            namespaced::<PartialObjectMeta<Job>>(&client, scope),
            labelled.clone(),
            |job| triggers::from_label(job.meta()),
        )
        .watches(
            namespaced::<PartialObjectMeta<CronJob>>(&client, scope),
            labelled,
            |cron_job| triggers::from_label(cron_job.meta()),
        )
        .watches(
            namespaced::<PartialObjectMeta<PersistentVolumeClaim>>(&client, scope),
            protected.clone(),
            move |claim| triggers::from_claim(&by_claim, claim.meta()),
        )
        .reconcile_on(watch_volumes(&client, Arc::clone(&context.volumes)))
        // For what is confirmed on them: nothing else of the two is waited for.
        .watches(
            Api::<PartialObjectMeta<Namespace>>::all(client.clone()),
            protected.clone(),
            move |namespace| triggers::from_namespace(&by_namespace, &namespace.name_any()),
        )
        .watches(
            Api::<PartialObjectMeta<DatabaseLedger>>::all(client.clone()),
            protected,
            |ledger| triggers::from_mark(ledger.meta()),
        )
        .reconcile_on(context.turns.calls())
        .reconcile_all_on(repaired)
        .graceful_shutdown_on(stop.clone())
        .run(pass, failed, context.clone())
        .for_each(|passed| {
            // One that is gone, or not this operator's any more, is no longer reported.
            if let Err(controller::Error::ObjectNotFound(gone)) = passed {
                let namespace = gone.namespace.unwrap_or_default();
                forgets.forget(&namespace, &gone.name);
            }
            std::future::ready(())
        });
    let policies = futures::stream::select(
        touched::<ValidatingAdmissionPolicy>(&client, guard::GUARD_POLICIES),
        touched::<ValidatingAdmissionPolicyBinding>(&client, guard::GUARD_POLICIES),
    );
    let ticks = futures::stream::select(
        policies,
        touched::<CustomResourceDefinition>(&client, &guard::definition_names()),
    );
    let disturbance = context.disturbance.clone();
    let ticks = ticks.inspect(move |()| disturbance.touch());
    let both = futures::future::join(controller, run_restores(context.clone(), stop));
    tokio::select! {
        _ = both => {}
        () = run_drift_repair(context, ticks, repair) => {}
    }
}

fn namespaced<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope>,
    K::DynamicType: Default,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// A tick for every change to one of these objects, each watched by its name: the operator's role
/// allows no more. Errors are waited out.
fn touched<K>(client: &Client, names: &[&str]) -> impl Stream<Item = ()> + Send + 'static + use<K>
where
    K: Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + Sync
        + 'static,
    PartialObjectMeta<K>: Resource<DynamicType = ()>,
{
    let watches = names.iter().map(|name| {
        let api = Api::<PartialObjectMeta<K>>::all(client.clone());
        let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
        watcher(api, only)
            .default_backoff()
            .touched_objects()
            .filter_map(|touched| std::future::ready(touched.ok().map(drop)))
            .boxed()
    });
    futures::stream::select_all(watches.collect::<Vec<_>>())
}

async fn pass(database: Arc<GuardedDatabase>, context: Arc<Context>) -> Result<Action, PassError> {
    let namespace = database.namespace().unwrap_or_default();
    let name = database.name_any();
    if let Err(invalid) = &database.0 {
        tracing::error!(namespace, name, error = %invalid.error, "this ProtectedDatabase can't be \
            decoded; apply the current CRDs: holdfast crd | kubectl apply --server-side -f -");
        return Ok(Action::await_change());
    }
    context.metrics.count_pass();
    Box::pin(reconcile(&context, &namespace, &name)).await
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature is that of the runtime"
)]
fn failed(database: Arc<GuardedDatabase>, error: &PassError, context: Arc<Context>) -> Action {
    retry(&database, error, &context)
}
