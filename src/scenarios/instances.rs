//! Scenarios of a database of which other instances run beside the protected pods, as operators run them,
//! and of what else can happen so that clients are led to another server.

use std::collections::BTreeMap;

use super::render::{Scenario, plans};
use super::sample::Sample;
use super::sample_parts::{known, pod};
use crate::api::{ConditionStatus, ConditionType, PodLabels, reasons};
use crate::decide::decide;
use crate::world::{
    ControllerFact, Fact, NeighbourFact, PodFact, ServiceFact, ServicePortFact, ServiceTarget,
};

#[test]
fn plans_beside_other_instances() {
    insta::assert_snapshot!("instances", plans(scenarios()));
}

pub fn scenarios() -> Vec<Scenario> {
    let all = [of_the_same_cluster(), led_elsewhere(), well()].concat();
    all.into_iter()
        .map(|(name, sample, _)| (name, sample))
        .collect()
}

/// A scenario, and the reason that `Guarded` must have; none where nothing is wrong.
type Told = (&'static str, Sample, Option<&'static str>);

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    owned.collect()
}

/// The pod of another workload, at an address of its own.
fn other(kind: &str, name: &str, pairs: &[(&str, &str)], is_replica: bool) -> PodFact {
    let mut other = pod(&format!("{name}-0"), name, "containerd://other");
    other.claims.clear();
    other.mounts.clear();
    other.labels = labels(pairs);
    other.own_addresses = vec!["10.0.0.9".to_owned()];
    other.controller = Some(ControllerFact {
        kind: kind.to_owned(),
        name: name.to_owned(),
    });
    if let Some(server) = &mut other.server {
        server.database = None;
        server.is_replica = is_replica;
    }
    other
}

/// The protected pods have these labels in addition.
fn with_labels(sample: Sample, pairs: &[(&str, &str)]) -> Sample {
    let added = labels(pairs);
    sample.with(|observed| {
        for pod in known(&mut observed.pods) {
            pod.labels.extend(added.clone());
        }
    })
}

fn beside(sample: Sample, pods: Vec<PodFact>) -> Sample {
    sample.with(|observed| observed.other_pods = Fact::Known(pods))
}

fn service(name: &str, pairs: &[(&str, &str)]) -> ServiceFact {
    ServiceFact {
        name: name.to_owned(),
        selector: labels(pairs),
        ports: vec![ServicePortFact {
            port: 5432,
            target: ServiceTarget::Number(5432),
        }],
        ..ServiceFact::default()
    }
}

fn served(sample: Sample, services: Vec<ServiceFact>) -> Sample {
    sample.with(|observed| observed.services = Fact::Known(services))
}

/// A name of labels, those of a cluster, and those of its primary and of a replica.
type Instances = (
    &'static str,
    &'static [(&'static str, &'static str)],
    [(&'static str, &'static str); 2],
);

/// How operators label the instances of one cluster.
const OPERATORS: &[Instances] = &[
    (
        "Crunchy",
        &[("postgres-operator.crunchydata.com/cluster", "hippo")],
        [
            ("postgres-operator.crunchydata.com/role", "master"),
            ("postgres-operator.crunchydata.com/role", "replica"),
        ],
    ),
    (
        "CloudNativePG",
        &[("cnpg.io/cluster", "hippo")],
        [
            ("cnpg.io/instanceRole", "primary"),
            ("cnpg.io/instanceRole", "replica"),
        ],
    ),
    (
        "Kubegres",
        &[("app", "hippo")],
        [
            ("replicationRole", "primary"),
            ("replicationRole", "replica"),
        ],
    ),
    (
        "StackGres",
        &[("stackgres.io/cluster-name", "hippo")],
        [("role", "master"), ("role", "replica")],
    ),
    (
        "Patroni",
        &[("cluster-name", "hippo")],
        [("role", "primary"), ("role", "replica")],
    ),
];

/// An operator runs each instance in a workload of its own, and a Service leads to all of them.
fn instance_of(operator: &Instances, ours: usize, theirs: usize) -> Sample {
    let (_, cluster, roles) = operator;
    let with_role = |role: usize| [*cluster, &roles[role..=role]].concat();
    let sample = with_labels(Sample::settled(), &with_role(ours));
    let instance = other("statefulset", "hippo-b", &with_role(theirs), theirs == 1);
    served(
        beside(sample, vec![instance]),
        vec![service("hippo-pods", cluster)],
    )
}

fn of_the_same_cluster() -> Vec<Told> {
    let crunchy = &OPERATORS[0];
    let not_named = Some(reasons::PRIMARY_NOT_NAMED);
    vec![
        (
            "a replica of the same cluster has a StatefulSet of its own",
            instance_of(crunchy, 0, 1),
            None,
        ),
        (
            "the primary of the same cluster has a StatefulSet of its own",
            instance_of(crunchy, 1, 0),
            not_named,
        ),
        (
            "the primary of the same cluster is not labelled yet",
            instance_of(crunchy, 1, 0).with(|observed| {
                for pod in known(&mut observed.other_pods) {
                    pod.labels.remove("postgres-operator.crunchydata.com/role");
                }
            }),
            None,
        ),
        (
            "an instance with the same database is not labelled yet, and no Service leads to it",
            instance_of(crunchy, 0, 1).with(|observed| {
                let database = observed.database.spec.connection.database.clone();
                observed.services = Fact::Known(Vec::new());
                for pod in known(&mut observed.other_pods) {
                    pod.labels.remove("postgres-operator.crunchydata.com/role");
                    if let Some(server) = &mut pod.server {
                        server.database = Some(database.clone());
                        server.is_replica = false;
                    }
                }
            }),
            None,
        ),
        (
            "another ProtectedDatabase protects the primary of the same cluster",
            instance_of(crunchy, 1, 0).with(|observed| {
                observed.neighbours = Fact::Known(vec![neighbour("hippo-b", None)]);
            }),
            None,
        ),
        (
            "another ProtectedDatabase has seen the same system identifier",
            led_to_another().with(|observed| {
                let identifier = "7597042323410313218";
                observed.neighbours = Fact::Known(vec![neighbour("shop", Some(identifier))]);
            }),
            None,
        ),
    ]
}

fn neighbour(workload: &str, identifier: Option<&str>) -> NeighbourFact {
    NeighbourFact {
        name: "other".to_owned(),
        workload: workload.to_owned(),
        workload_kind: None,
        selector: None,
        system_identifier: identifier.map(ToOwned::to_owned),
        same_workload: false,
        older: false,
        guards: true,
    }
}

/// A Service leads to the protected pods and to another server.
fn led_to_another() -> Sample {
    let team = &[("team", "data")];
    let sample = with_labels(Sample::settled(), team);
    let pods = vec![other("statefulset", "shop", team, false)];
    served(beside(sample, pods), vec![service("db", team)])
}

fn led_elsewhere() -> Vec<Told> {
    let selected = Some(reasons::OTHER_SERVER_SELECTED);
    let by_hand = |name: &str, addresses: &[&str]| ServiceFact {
        addresses: addresses.iter().map(|one| (*one).to_owned()).collect(),
        ..service(name, &[])
    };
    let alias = |name: &str, stands_for: &str| ServiceFact {
        alias: Some(stands_for.to_owned()),
        ..service(name, &[])
    };
    let shop = || vec![other("statefulset", "shop", &[("app", "shop")], false)];
    let at_host = |sample: Sample, host: &str| {
        sample.wanted(|spec| spec.connection.host = Some(host.to_owned()))
    };
    vec![
        (
            "a Service leads to the pods of two workloads",
            led_to_another(),
            selected,
        ),
        (
            "a headless Service leads to the pods of two workloads",
            led_to_another().with(|observed| {
                for service in known(&mut observed.services) {
                    service.ports.clear();
                }
            }),
            selected,
        ),
        (
            "a Service leads to a Postgres that another ProtectedDatabase protects",
            led_to_another().with(|observed| {
                observed.neighbours = Fact::Known(vec![neighbour("shop", Some("7"))]);
            }),
            selected,
        ),
        (
            "somebody has written the addresses of two servers for a Service",
            served(
                beside(Sample::settled(), shop()),
                vec![by_hand("db", &["10.0.0.7", "10.0.0.9"])],
            ),
            selected,
        ),
        (
            "the host is another name for the Service of another server",
            at_host(
                served(
                    beside(Sample::settled(), shop()),
                    vec![
                        alias("db", "shop.atra.svc.cluster.local"),
                        service("shop", &[("app", "shop")]),
                    ],
                ),
                "db",
            ),
            selected,
        ),
        (
            "a Deployment has the labels that the Service of the StatefulSet asks for",
            served(
                beside(
                    with_labels(Sample::settled(), &[("tier", "db")]),
                    vec![other("deployment", "new", &[("tier", "db")], false)],
                ),
                vec![service("db", &[("tier", "db")])],
            ),
            selected,
        ),
        (
            "CloudNativePG beside the StatefulSet that it is to follow, behind one Service",
            served(
                beside(
                    with_labels(Sample::settled(), &[("tier", "db")]),
                    vec![cloud_native(&[("tier", "db")])],
                ),
                vec![service("db", &[("tier", "db")])],
            ),
            selected,
        ),
    ]
}

fn cloud_native(added: &[(&str, &str)]) -> PodFact {
    let own = [
        ("cnpg.io/cluster", "next"),
        ("cnpg.io/instanceRole", "primary"),
    ];
    other("cluster", "next", &[&own[..], added].concat(), false)
}

fn well() -> Vec<Told> {
    let by_hand = |addresses: &[&str]| ServiceFact {
        addresses: addresses.iter().map(|one| (*one).to_owned()).collect(),
        ..service("db", &[])
    };
    vec![
        (
            "somebody has written the address of the protected server for a Service",
            served(
                beside(
                    Sample::settled(),
                    vec![other("statefulset", "shop", &[("app", "shop")], false)],
                ),
                vec![by_hand(&["10.0.0.7"])],
            ),
            None,
        ),
        (
            "another name leads out of the cluster",
            served(
                Sample::settled(),
                vec![ServiceFact {
                    alias: Some("db.example.com".to_owned()),
                    ..service("db", &[])
                }],
            )
            .wanted(|spec| spec.connection.host = Some("db".to_owned())),
            None,
        ),
        (
            "names stand for each other",
            served(
                Sample::settled(),
                vec![
                    ServiceFact {
                        alias: Some("b".to_owned()),
                        ..service("a", &[])
                    },
                    ServiceFact {
                        alias: Some("a".to_owned()),
                        ..service("b", &[])
                    },
                ],
            )
            .wanted(|spec| spec.connection.host = Some("a".to_owned())),
            None,
        ),
        (
            "CloudNativePG beside the StatefulSet that it is to follow, each behind its own Service",
            served(
                beside(Sample::settled(), vec![cloud_native(&[])]),
                vec![
                    service("knowledge", &[("app", "knowledge")]),
                    service("next-rw", &[("cnpg.io/cluster", "next")]),
                ],
            ),
            None,
        ),
    ]
}

fn guarded(Sample(observed): &Sample) -> (Option<&'static str>, String) {
    let plan = decide(observed);
    let mut conditions = plan.conditions.iter();
    let guarded = conditions
        .find(|found| found.condition == ConditionType::Guarded)
        .expect("Guarded");
    let told = (guarded.status == ConditionStatus::False).then_some(guarded.reason);
    (told, guarded.message.clone())
}

#[test]
fn what_leads_clients_elsewhere_is_said_and_an_instance_of_the_cluster_is_not_to_be_stopped() {
    for (name, sample, reason) in [of_the_same_cluster(), led_elsewhere(), well()].concat() {
        let (told, message) = guarded(&sample);
        assert_eq!(told, reason, "{name}: {message}");
        if reason != Some(reasons::OTHER_SERVER_SELECTED) {
            assert_stops_nothing(name, &message);
        }
    }
}

#[test]
fn no_operator_is_told_to_stop_an_instance() {
    for operator in OPERATORS {
        let (name, ..) = operator;
        let (told, message) = guarded(&instance_of(operator, 0, 1));
        assert_eq!(told, None, "{name}: {message}");
        let (told, message) = guarded(&instance_of(operator, 1, 0));
        assert_eq!(told, Some(reasons::PRIMARY_NOT_NAMED), "{name}: {message}");
        assert_stops_nothing(name, &message);
    }
}

fn assert_stops_nothing(name: &str, message: &str) {
    for command in ["--replicas=0", "delete pod", "stop it:"] {
        assert!(!message.contains(command), "{name}: {message}");
    }
}

/// Whoever selects the pods by their labels has all instances.
#[test]
fn what_is_advised_for_the_primary_selects_it() {
    for operator in OPERATORS {
        let (_, cluster, roles) = operator;
        let Sample(observed) = instance_of(operator, 1, 0);
        let (_, message) = guarded(&Sample(observed.clone()));
        let selector = PodLabels::of(&cluster[..1]).query().unwrap_or_default();
        let words = selector.replace('=', ": ");
        assert!(message.contains(&words), "{words}: {message}");
        let words = format!("{}: {}", roles[0].0, roles[0].1);
        assert!(message.contains(&words), "{words}: {message}");
    }
}
