//! Tests of what labels say, with the labels of pods as each operator and chart writes them.

use super::*;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    let owned = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    owned.collect()
}

/// The labels of an instance, by the name of its cluster and whether it is the primary.
type LabelsOf = fn(&str, bool) -> Labels;

/// The labels of an instance of each operator: the name of the cluster, and the role.
fn operators() -> Vec<(&'static str, LabelsOf)> {
    vec![
        ("CloudNativePG", |cluster, is_primary| {
            let role = if is_primary { "primary" } else { "replica" };
            labels(&[
                ("cnpg.io/cluster", cluster),
                ("cnpg.io/instanceName", if is_primary { "a" } else { "b" }),
                ("cnpg.io/instanceRole", role),
                ("cnpg.io/podRole", "instance"),
                ("role", role),
            ])
        }),
        ("Crunchy, Percona", |cluster, is_primary| {
            let role = if is_primary { "master" } else { "replica" };
            labels(&[
                ("postgres-operator.crunchydata.com/cluster", cluster),
                ("postgres-operator.crunchydata.com/data", "postgres"),
                ("postgres-operator.crunchydata.com/role", role),
            ])
        }),
        ("a fork of Crunchy's", |cluster, is_primary| {
            let role = if is_primary { "primary" } else { "replica" };
            labels(&[
                ("pg.example.com/cluster", cluster),
                ("pg.example.com/role", role),
            ])
        }),
        ("Zalando", |cluster, is_primary| {
            let role = if is_primary { "master" } else { "replica" };
            labels(&[
                ("application", "spilo"),
                ("cluster-name", cluster),
                ("spilo-role", role),
                ("team", "data"),
            ])
        }),
        ("Patroni", |cluster, is_primary| {
            let role = if is_primary { "primary" } else { "replica" };
            labels(&[
                ("app", "patroni"),
                ("cluster-name", cluster),
                ("role", role),
            ])
        }),
        ("StackGres", |cluster, is_primary| {
            let role = if is_primary { "master" } else { "replica" };
            labels(&[
                ("app", "StackGresCluster"),
                ("stackgres.io/cluster", "true"),
                ("stackgres.io/cluster-name", cluster),
                ("role", role),
            ])
        }),
        ("KubeDB", |cluster, is_primary| {
            let role = if is_primary { "primary" } else { "standby" };
            labels(&[
                ("app.kubernetes.io/instance", cluster),
                ("app.kubernetes.io/name", "postgreses.kubedb.com"),
                ("kubedb.com/role", role),
            ])
        }),
        ("Kubegres", |cluster, is_primary| {
            let (index, role) = if is_primary {
                ("1", "primary")
            } else {
                ("2", "replica")
            };
            labels(&[
                ("app", cluster),
                ("index", index),
                ("replicationRole", role),
            ])
        }),
    ]
}

#[test]
fn the_role_and_the_cluster_of_each_operator_are_known() {
    for (operator, of) in operators() {
        let (primary, replica) = (of("one", true), of("one", false));
        let role = labelled_role;
        assert_eq!(role(&primary), Some(LabelledRole::Primary), "{operator}");
        assert_eq!(role(&replica), Some(LabelledRole::Replica), "{operator}");
        assert!(primary_label(&primary).is_some(), "{operator}");
        assert!(same_cluster(&primary, &replica).is_some(), "{operator}");
        assert!(same_cluster(&replica, &primary).is_some(), "{operator}");
        // Another cluster of the same operator.
        assert_eq!(same_cluster(&primary, &of("two", true)), None, "{operator}");
        assert_eq!(
            same_cluster(&primary, &of("two", false)),
            None,
            "{operator}"
        );
    }
}

/// What two servers that know nothing of each other may have in common.
#[test]
fn labels_that_anybody_writes_make_no_cluster() {
    for (ours, theirs) in [
        // The name of the Kubernetes cluster.
        (
            labels(&[("cluster", "prod")]),
            labels(&[("cluster", "prod")]),
        ),
        // A chart that was installed under another name.
        (
            labels(&[("app", "postgresql"), ("role", "master")]),
            labels(&[("app", "postgresql"), ("role", "master")]),
        ),
        (
            labels(&[
                ("app.kubernetes.io/instance", "shop"),
                ("app.kubernetes.io/component", "primary"),
            ]),
            labels(&[
                ("app.kubernetes.io/instance", "shop"),
                ("app.kubernetes.io/component", "primary"),
            ]),
        ),
        // Each is of an operator, but not of the same one.
        (
            labels(&[("app", "shop"), ("one.example.com/role", "primary")]),
            labels(&[("app", "shop"), ("two.example.com/role", "replica")]),
        ),
        (
            labels(&[("stackgres.io/cluster", "true"), ("role", "master")]),
            labels(&[("stackgres.io/cluster", "true"), ("role", "master")]),
        ),
    ] {
        assert_eq!(same_cluster(&ours, &theirs), None, "{ours:?}");
    }
}

#[test]
fn a_word_is_a_role_only_in_a_label_for_roles() {
    for (pairs, expected) in [
        ([("role", "Slave")], Some(LabelledRole::Replica)),
        (
            [("spilo-role", "standby_leader")],
            Some(LabelledRole::Replica),
        ),
        ([("component", "read")], Some(LabelledRole::Replica)),
        ([("app", "read")], None),
        ([("cnpg.io/podRole", "pooler")], None),
        ([("role", "database")], None),
    ] {
        assert_eq!(labelled_role(&labels(&pairs)), expected, "{pairs:?}");
    }
    // A label of long ago beside the one that the operator keeps.
    let both = labels(&[("component", "primary"), ("spilo-role", "replica")]);
    assert_eq!(labelled_role(&both), Some(LabelledRole::Replica));
}
