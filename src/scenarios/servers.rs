//! Scenarios of a second server: on the data directory of the first, or in its place for clients. The
//! protected one is well in all of them, so nothing else would say it.

use std::collections::BTreeMap;

use serde_json::json;

use super::render::{Scenario, plans};
use super::sample::Sample;
use super::sample_parts::{from, known, pod};
use crate::api::{ConditionStatus, ConditionType, WorkloadKind, reasons};
use crate::decide::decide;
use crate::world::{
    ControllerFact, Fact, MountFact, NeighbourFact, PodFact, ServiceFact, ServicePortFact,
    ServiceTarget, TemplateDirectory, WorkloadFound,
};

#[test]
fn plans_beside_a_second_server() {
    insta::assert_snapshot!("servers", plans(scenarios()));
}

pub fn scenarios() -> Vec<Scenario> {
    let all = [dangerous(), second_servers(), harmless()].concat();
    all.into_iter()
        .map(|(name, sample, _)| (name, sample))
        .collect()
}

/// A scenario, and the reason that `Guarded` must have; none where nothing is wrong.
type Told = (&'static str, Sample, Option<&'static str>);

const CLAIM: &str = "data-knowledge-postgres-0";

/// The pod template names the claim.
fn named(sample: Sample, change: impl FnOnce(&mut WorkloadFound)) -> Sample {
    sample.workload(|workload| {
        workload.claim_templates.clear();
        workload.volumes =
            from(json!([{"name": "data", "persistentVolumeClaim": {"claimName": CLAIM}}]));
        change(workload);
    })
}

fn deployment(overlaps: bool, replicas: i32) -> Sample {
    named(Sample::settled(), |workload| {
        workload.kind = WorkloadKind::Deployment;
        workload.overlaps = overlaps;
        workload.replicas = replicas;
    })
}

/// A pod of somebody else that runs.
fn other(name: &str, controller: Option<(&str, &str)>) -> PodFact {
    PodFact {
        claims: Vec::new(),
        mounts: Vec::new(),
        labels: BTreeMap::from([("app".to_owned(), "other".to_owned())]),
        controller: controller.map(|(kind, name)| ControllerFact {
            kind: kind.to_owned(),
            name: name.to_owned(),
        }),
        ..pod(name, name, "containerd://other")
    }
}

/// A server of another StatefulSet, with another database.
fn other_server(database: &str) -> PodFact {
    let mut other = other("shop-db-0", Some(("statefulset", "shop-db")));
    if let Some(server) = &mut other.server {
        server.database = Some(database.to_owned());
    }
    other
}

/// A Deployment of which nothing but the port speaks for a server.
fn may_be_proxy(database: &str) -> PodFact {
    let mut proxy = other_server(database);
    "pool-7d4b-x1".clone_into(&mut proxy.name);
    proxy.controller = Some(ControllerFact {
        kind: "deployment".to_owned(),
        name: "pool".to_owned(),
    });
    if let Some(server) = &mut proxy.server {
        server.may_be_proxy = true;
        server.database = None;
    }
    proxy
}

fn labelled(mut pod: PodFact, labels: &[(&str, &str)]) -> PodFact {
    pod.labels = labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    pod
}

fn on_claim(mut pod: PodFact, read_only: bool, sub_path: &str) -> PodFact {
    pod.claims = vec![CLAIM.to_owned()];
    pod.mounts = vec![MountFact {
        claim: CLAIM.to_owned(),
        container: "debug".to_owned(),
        path: "/mnt".to_owned(),
        sub_path: sub_path.to_owned(),
        read_only,
    }];
    pod.server = None;
    pod
}

fn beside(sample: Sample, pods: Vec<PodFact>) -> Sample {
    sample.with(|observed| observed.other_pods = Fact::Known(pods))
}

fn service(name: &str, label: (&str, &str), target: ServiceTarget) -> ServiceFact {
    ServiceFact {
        name: name.to_owned(),
        selector: BTreeMap::from([(label.0.to_owned(), label.1.to_owned())]),
        ports: vec![ServicePortFact { port: 5432, target }],
        ..ServiceFact::default()
    }
}

fn served(sample: Sample, service: ServiceFact) -> Sample {
    sample.with(|observed| observed.services = Fact::Known(vec![service]))
}

fn dangerous() -> Vec<Told> {
    let settled = Sample::settled;
    let overlap = Some(reasons::SERVERS_MAY_OVERLAP);
    let twice = Some(reasons::CLAIM_MOUNTED_TWICE);
    vec![
        (
            "a Deployment rolls over its claim",
            deployment(true, 1),
            overlap,
        ),
        (
            "a Deployment rolls over its claim with two replicas",
            deployment(true, 2),
            overlap,
        ),
        (
            "a Deployment has two replicas on one claim",
            deployment(false, 2),
            overlap,
        ),
        (
            "a StatefulSet has three replicas on a claim that its template names",
            named(settled(), |workload| workload.replicas = 3),
            overlap,
        ),
        (
            "the image does not say where the data of a Deployment is",
            named(settled(), |workload| {
                workload.kind = WorkloadKind::Deployment;
                workload.overlaps = true;
                workload.containers[0].image = "shop/db:1".to_owned();
                workload.containers[0].directory = TemplateDirectory::NotShown;
            }),
            overlap,
        ),
        (
            "a Deployment was changed and two of its pods run",
            deployment(true, 1).with(|observed| {
                let mut next = pod("knowledge-postgres-1", "pod-2", "containerd://2");
                next.mounts[0].claim = CLAIM.to_owned();
                next.claims = vec![CLAIM.to_owned()];
                known(&mut observed.pods).push(next);
            }),
            twice,
        ),
        (
            "a pod is being deleted and its successor runs already",
            deployment(false, 1).with(|observed| {
                let pods = known(&mut observed.pods);
                let mut leaving = pods[0].clone();
                "knowledge-postgres-before".clone_into(&mut leaving.name);
                leaving.uid = "pod-0".to_owned();
                leaving.terminating = true;
                pods.push(leaving);
            }),
            twice,
        ),
        (
            "a pod of somebody mounts the claim",
            beside(settled(), vec![on_claim(other("debug", None), false, "")]),
            twice,
        ),
        (
            "a Deployment of somebody mounts a part of the claim",
            beside(
                settled(),
                vec![on_claim(
                    other("tool-1", Some(("deployment", "tool"))),
                    false,
                    "pgdata",
                )],
            ),
            twice,
        ),
        (
            "a Job that has only begun mounts the claim",
            beside(
                settled(),
                vec![{
                    let mut job = on_claim(other("copy-1", Some(("job", "copy"))), false, "");
                    job.running.clear();
                    job.mounts.clear();
                    job.node = Some("node".to_owned());
                    job
                }],
            ),
            twice,
        ),
    ]
}

/// A second server beside the first, which clients may reach instead of it.
fn second_servers() -> Vec<Told> {
    let settled = Sample::settled;
    let port = || ServiceTarget::Number(5432);
    let both = || {
        let pods = vec![labelled(
            other_server("shop"),
            &[("app", "knowledge"), ("v", "2")],
        )];
        let alike = |sample: Sample| {
            sample.workload(|workload| {
                workload.match_labels = BTreeMap::from([("v".to_owned(), "1".to_owned())]);
            })
        };
        beside(alike(settled()), pods)
    };
    let selected = Some(reasons::OTHER_SERVER_SELECTED);
    let second = Some(reasons::SECOND_SERVER);
    vec![
        (
            "the Service leads to a second Postgres",
            served(both(), service("knowledge", ("app", "knowledge"), port())),
            selected,
        ),
        (
            "the Service leads to a second Postgres by the name of the port",
            served(
                both(),
                service(
                    "knowledge",
                    ("app", "knowledge"),
                    ServiceTarget::Name("postgres".to_owned()),
                ),
            ),
            selected,
        ),
        (
            "somebody has added the address of a second Postgres to the Service",
            served(
                settled().with(|observed| {
                    let mut empty = other_server("shop");
                    empty.own_addresses = vec!["10.0.0.77".to_owned()];
                    observed.other_pods = Fact::Known(vec![empty]);
                }),
                ServiceFact {
                    addresses: vec!["10.0.0.77".to_owned()],
                    ..service("knowledge", ("app", "knowledge"), port())
                },
            ),
            selected,
        ),
        (
            "the host of the connection leads to another Postgres alone",
            served(
                beside(settled(), vec![other_server("shop")]),
                service("db", ("app", "other"), port()),
            )
            .wanted(|spec| spec.connection.host = Some("db.atra.svc.cluster.local".to_owned())),
            selected,
        ),
        (
            "the host of the connection leads to what may be a proxy",
            served(
                beside(settled(), vec![may_be_proxy("shop")]),
                service("db", ("app", "other"), port()),
            )
            .wanted(|spec| spec.connection.host = Some("db".to_owned())),
            selected,
        ),
        (
            "the Service leads to what may be a proxy, too",
            served(
                beside(
                    settled(),
                    vec![labelled(may_be_proxy("shop"), &[("app", "knowledge")])],
                ),
                service("knowledge", ("app", "knowledge"), port()),
            ),
            selected,
        ),
        (
            "what may be a proxy has the labels of the first",
            beside(
                settled(),
                vec![labelled(may_be_proxy("shop"), &[("app", "knowledge")])],
            ),
            second,
        ),
        (
            "a second workload has the labels of the first",
            beside(
                settled(),
                vec![labelled(other_server("shop"), &[("app", "knowledge")])],
            ),
            second,
        ),
        (
            "a chart was installed under another name",
            beside(
                settled().workload(|workload| {
                    workload.match_labels = BTreeMap::from([("app".to_owned(), "old".to_owned())]);
                    workload.template_labels = chart_labels("primary");
                }),
                vec![PodFact {
                    labels: chart_labels("primary"),
                    ..other_server("shop")
                }],
            ),
            second,
        ),
        (
            "a second workload has the labels and the image of the first, which says nothing",
            beside(
                settled().workload(|workload| {
                    "shop/db:1".clone_into(&mut workload.containers[0].image);
                }),
                vec![{
                    let mut other = labelled(other_server("shop"), &[("app", "knowledge")]);
                    other.server = None;
                    "shop/db:1".clone_into(&mut other.running[0].image);
                    other
                }],
            ),
            second,
        ),
        (
            "a second workload has the database of the first",
            beside(settled(), vec![other_server("knowledge_os")]),
            second,
        ),
    ]
}

fn chart_labels(component: &str) -> BTreeMap<String, String> {
    [
        ("name", "postgresql"),
        ("instance", "knowledge"),
        ("component", component),
    ]
    .map(|(key, value)| (format!("app.kubernetes.io/{key}"), value.to_owned()))
    .into()
}

fn harmless() -> Vec<Told> {
    let settled = Sample::settled;
    let with_archive = |workload: &mut WorkloadFound| {
        workload.replicas = 3;
        workload.volumes = from(json!([
            {"name": "archive", "persistentVolumeClaim": {"claimName": "archive"}},
        ]));
        workload.containers[0].mounts = from(json!([
            {"name": "data", "mountPath": "/var/lib/postgresql/data"},
            {"name": "archive", "mountPath": "/archive"},
        ]));
    };
    let for_one_pod = |sample: Sample| {
        sample.claim(|claim| {
            claim.manifest = json!({"spec": {"accessModes": ["ReadWriteOncePod"]}});
        })
    };
    let of_another = |observed: &mut crate::world::Observed| {
        observed.neighbours = Fact::Known(vec![NeighbourFact {
            name: "shop".to_owned(),
            workload: "shop-db".to_owned(),
            workload_kind: None,
            selector: None,
            system_identifier: None,
            same_workload: false,
            older: false,
            guards: true,
        }]);
    };
    vec![
        (
            "a Deployment stops its pod first",
            deployment(false, 1),
            None,
        ),
        (
            "a Deployment rolls over a claim that only one pod may mount",
            for_one_pod(deployment(true, 1)),
            None,
        ),
        (
            "a StatefulSet has three replicas with claims of their own",
            settled().workload(|workload| workload.replicas = 3),
            None,
        ),
        (
            "a StatefulSet has claims of its own and a shared archive",
            settled().workload(with_archive),
            None,
        ),
        (
            "each pod of a StatefulSet has a directory of its own on one claim",
            named(settled(), |workload| {
                workload.replicas = 3;
                workload.containers[0].directory = TemplateDirectory::OfPod;
            }),
            None,
        ),
        (
            "a pod of somebody reads the claim",
            beside(settled(), vec![on_claim(other("reader", None), true, "")]),
            None,
        ),
        (
            "a pod of somebody that has ended mounted the claim",
            beside(
                settled(),
                vec![PodFact {
                    ended: true,
                    ..on_claim(other("copy", None), false, "")
                }],
            ),
            None,
        ),
        (
            "a pod of somebody waits for a node",
            beside(
                settled(),
                vec![PodFact {
                    running: Vec::new(),
                    ..on_claim(other("debug", None), false, "")
                }],
            ),
            None,
        ),
        (
            "a Service leads to the metrics of everybody",
            served(
                beside(
                    settled().with(|observed| {
                        for pod in known(&mut observed.pods) {
                            if let Some(server) = &mut pod.server {
                                server.ports = vec![("postgres".to_owned(), 5432)];
                            }
                            pod.labels.insert("team".to_owned(), "data".to_owned());
                        }
                    }),
                    vec![labelled(other_server("shop"), &[("team", "data")])],
                ),
                service(
                    "metrics",
                    ("team", "data"),
                    ServiceTarget::Name("metrics".to_owned()),
                ),
            ),
            None,
        ),
        (
            "a Service leads to a second Postgres and not to the protected one",
            served(
                beside(settled(), vec![other_server("shop")]),
                service("shop", ("app", "other"), ServiceTarget::Number(5432)),
            ),
            None,
        ),
        (
            "a second workload is another database",
            beside(settled(), vec![other_server("shop")]),
            None,
        ),
        (
            "a second workload has the database that every server has",
            beside(
                settled().database(|database| {
                    "postgres".clone_into(&mut database.spec.connection.database);
                }),
                vec![other_server("postgres")],
            ),
            None,
        ),
        (
            "another ProtectedDatabase protects the second workload",
            beside(settled(), vec![other_server("knowledge_os")]).with(of_another),
            None,
        ),
        (
            "a second workload follows the first",
            beside(
                settled(),
                vec![{
                    let mut replica =
                        labelled(other_server("knowledge_os"), &[("app", "knowledge")]);
                    if let Some(server) = &mut replica.server {
                        server.is_replica = true;
                    }
                    replica
                }],
            ),
            None,
        ),
        (
            "another part of the chart has the same database",
            beside(
                settled().workload(|workload| workload.template_labels = chart_labels("primary")),
                vec![PodFact {
                    labels: chart_labels("reports"),
                    ..other_server("knowledge_os")
                }],
            ),
            None,
        ),
        (
            "an agent runs the image of the database",
            beside(
                settled().workload(|workload| {
                    "shop/db:1".clone_into(&mut workload.containers[0].image);
                }),
                vec![{
                    let mut agent = labelled(
                        other("knowledge-check", Some(("job", "knowledge-check"))),
                        &[("app", "knowledge")],
                    );
                    agent.server = None;
                    "shop/db:1".clone_into(&mut agent.running[0].image);
                    agent
                }],
            ),
            None,
        ),
        (
            "a client has the labels of the database",
            beside(
                settled(),
                vec![PodFact {
                    server: None,
                    ..labelled(other_server("shop"), &[("app", "knowledge")])
                }],
            ),
            None,
        ),
    ]
}

#[test]
fn a_second_server_is_said_by_its_own_reason_and_what_is_harmless_is_not() {
    for (name, Sample(observed), reason) in [dangerous(), second_servers(), harmless()].concat() {
        let plan = decide(&observed);
        let guarded = plan
            .conditions
            .iter()
            .find(|found| found.condition == ConditionType::Guarded)
            .expect("Guarded");
        let told = (guarded.status == ConditionStatus::False).then_some(guarded.reason);
        assert_eq!(told, reason, "{name}: {}", guarded.message);
    }
}

/// To stop a pooler is to stop the application.
#[test]
fn nobody_is_told_to_stop_what_may_be_a_proxy() {
    let mut seen = 0;
    for (name, Sample(observed), _) in second_servers() {
        if !name.contains("what may be a proxy") {
            continue;
        }
        seen += 1;
        let plan = decide(&observed);
        for said in plan.conditions {
            assert!(!said.message.contains("--replicas=0"), "{}", said.message);
        }
    }
    assert_eq!(seen, 3);
}
