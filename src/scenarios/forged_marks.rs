//! Marks that came with a copied object, or that somebody wrote by hand: they belong to nobody, multiply
//! no work, and put no text into what others read.

use serde_json::{Value, json};

use super::cluster::{Cluster, volume};

async fn operate(cluster: &Cluster) {
    let operator = cluster.operator(None);
    cluster.operate(&operator).await;
}

fn copied(owner: &str) -> Value {
    json!({"metadata": {
        "labels": {"holdfast.dev/protected": "true"},
        "annotations": {"holdfast.dev/protected-by": owner},
        "finalizers": ["holdfast.dev/keep"],
    }})
}

fn assert_settled(cluster: &Cluster, what: &str) {
    let is = |type_: &str| cluster.condition(type_).map(|(status, _)| status);
    assert_eq!(is("Guarded").as_deref(), Some("True"), "{what}");
    assert_eq!(is("DataVerified").as_deref(), Some("True"), "{what}");
    assert_eq!(is("Ready").as_deref(), Some("True"), "{what}");
}

/// Claim, volume, workload and ProtectedDatabase were made from the manifests of another namespace.
#[tokio::test]
async fn what_was_copied_with_its_marks_is_guarded_as_what_it_is_now() {
    for owner in [
        "shop/knowledge",
        "shop/orders",
        "x; kubectl delete pvc --all #/y",
    ] {
        let cluster = Cluster::new();
        let objects = [
            ("persistentvolumeclaims", "atra", "data"),
            ("persistentvolumes", "", "pv-data"),
            ("statefulsets", "atra", "pg"),
            ("protecteddatabases", "atra", "knowledge"),
        ];
        for (plural, namespace, name) in objects {
            let mut marks = copied(owner);
            if plural == "statefulsets" {
                marks["metadata"]["finalizers"].take();
            }
            cluster.change(plural, namespace, name, &marks);
        }
        let noted = json!({"metadata": {"annotations": {"holdfast.dev/namespace-uid": "u-shop"}}});
        cluster.change("persistentvolumes", "", "pv-data", &noted);
        operate(&cluster).await;
        if owner.starts_with("shop") {
            assert_settled(&cluster, owner);
            for (plural, namespace, name) in objects {
                let object = cluster.get(plural, namespace, name);
                let by = &object["metadata"]["annotations"]["holdfast.dev/protected-by"];
                // Whose a workload is, no annotation says.
                let wanted = (plural != "statefulsets").then_some("atra/knowledge");
                assert_eq!(by.as_str(), wanted, "{owner} {plural}");
            }
        }
        let database = cluster.get("protecteddatabases", "atra", "knowledge");
        assert!(
            !database["status"].to_string().contains("delete pvc"),
            "{database}"
        );
    }
}

/// A copy of a ProtectedDatabase under another name of the namespace carries the mark of the first.
#[tokio::test]
async fn a_protected_database_is_marked_as_itself() {
    let cluster = Cluster::new();
    cluster.change(
        "protecteddatabases",
        "atra",
        "knowledge",
        &copied("atra/template"),
    );
    operate(&cluster).await;
    assert_settled(&cluster, "a copy within the namespace");
}

#[tokio::test]
async fn many_claims_with_forged_marks_cost_a_pass_no_more_than_a_few() {
    let cluster = Cluster::new();
    operate(&cluster).await;
    let reads_of_a_pass = async |cluster: &Cluster| {
        let operator = cluster.operator(None);
        cluster.server.store().reads = 0;
        crate::engine::reconcile(&operator, "atra", "knowledge")
            .await
            .expect("a pass");
        cluster.server.store().reads
    };
    let before = reads_of_a_pass(&cluster).await;
    for number in 0..200 {
        let name = format!("forged-{number}");
        let volume_name = format!("pv-{name}");
        let key = (
            "persistentvolumes".to_owned(),
            String::new(),
            volume_name.clone(),
        );
        cluster
            .server
            .store()
            .create(key, volume(&volume_name, &name));
        let mut claim = copied("atra/knowledge");
        claim["metadata"]["name"] = name.as_str().into();
        claim["metadata"]["namespace"] = "atra".into();
        claim["spec"] = json!({"volumeName": volume_name});
        let key = ("persistentvolumeclaims".to_owned(), "atra".to_owned(), name);
        cluster.server.store().create(key, claim);
    }
    cluster.settle_kubernetes();
    let after = reads_of_a_pass(&cluster).await;
    assert!(after <= before + 40, "{before} -> {after}");
}

/// While no pod runs, the mark is all that ties the claims of a database to it: those that it knew stay,
/// however many there are, and `Guarded` names how many are not followed.
#[tokio::test]
async fn more_claims_than_are_followed_for_their_mark_are_not_forgotten() {
    let cluster = Cluster::new();
    operate(&cluster).await;
    let create = |name: &str| {
        let volume_name = format!("pv-{name}");
        cluster.create("persistentvolumes", "", volume(&volume_name, name));
        let mut claim = copied("atra/knowledge");
        claim["metadata"]["name"] = name.into();
        claim["metadata"]["namespace"] = "atra".into();
        claim["spec"] = json!({"volumeName": volume_name});
        cluster.create("persistentvolumeclaims", "atra", claim);
    };
    let known: Vec<String> = (0..40).map(|number| format!("member-{number}")).collect();
    for name in &known {
        create(name);
    }
    cluster.settle_kubernetes();
    let database = cluster.get("protecteddatabases", "atra", "knowledge");
    let mut claims = database["status"]["claims"]
        .as_array()
        .cloned()
        .expect("claims");
    let seen = known.iter().map(|name| {
        let claim = cluster.get("persistentvolumeclaims", "atra", name);
        let uid = &claim["metadata"]["uid"];
        json!({"name": name, "uid": uid, "volume": format!("pv-{name}"), "guarded": true, "mounted": true})
    });
    claims.extend(seen);
    let status = json!({"status": {"claims": claims}});
    cluster.change("protecteddatabases", "atra", "knowledge", &status);
    operate(&cluster).await;
    let listed = || {
        let database = cluster.get("protecteddatabases", "atra", "knowledge");
        let claims = database["status"]["claims"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let guarded = claims.iter().filter(|claim| claim["guarded"] == true);
        (claims.len(), guarded.count())
    };
    assert_eq!(listed(), (41, 41));
    assert_settled(&cluster, "41 claims");
    for number in 0..10 {
        create(&format!("forged-{number}"));
    }
    operate(&cluster).await;
    assert_eq!(listed(), (41, 41));
    let is = cluster.condition("Guarded");
    let expected = ("False".to_owned(), "TooManyClaims".to_owned());
    assert_eq!(is, Some(expected));

    // Of none the mark is left behind when the database goes.
    let database = cluster.get("protecteddatabases", "atra", "knowledge");
    let uid = database["metadata"]["uid"].as_str().expect("a UID");
    let now = jiff::Timestamp::now();
    let going = json!({"metadata": {
        "annotations": {"holdfast.dev/confirm-deletion": format!("{uid}/{now:.0}")},
        "deletionTimestamp": now.to_string(),
    }});
    cluster.change("protecteddatabases", "atra", "knowledge", &going);
    operate(&cluster).await;
    let claims = cluster.server.store().all("persistentvolumeclaims");
    let is_marked = |claim: &Value| claim["metadata"].to_string().contains("holdfast.dev/keep");
    let marked = claims.iter().filter(|(_, claim)| is_marked(claim));
    assert_eq!(marked.count(), 0);
}

/// Anybody may write any text as the name of a volume into a claim.
#[tokio::test]
async fn a_text_that_is_no_name_of_a_volume_is_not_quoted() {
    let cluster = Cluster::new();
    operate(&cluster).await;
    cluster.lose_claim();
    let text = "pv'; kubectl delete pvc --all; echo '";
    cluster.create(
        "persistentvolumeclaims",
        "atra",
        json!({
            "metadata": {"name": "data", "namespace": "atra"},
            "spec": {"storageClassName": "fast", "volumeName": text},
            "status": {"phase": "Lost"},
        }),
    );
    operate(&cluster).await;
    let database = cluster.get("protecteddatabases", "atra", "knowledge");
    assert!(
        !database["status"].to_string().contains("delete pvc"),
        "{database}"
    );
}
