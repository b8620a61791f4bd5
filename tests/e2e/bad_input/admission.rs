//! What the API server refuses by schema and rules, naming the field. Nothing is stored: every try
//! but the last is a dry run.

use holdfast::api::{DatabaseBackup, DatabaseCheck, DatabaseRestore};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Resource};
use serde_json::{Value, json};

use super::storage_fields::storage_mistakes;
use crate::support::{NAME, Scene, Server, assert_tells, beside_others, build_database};

/// Where in the spec (a JSON pointer), what is written there, and what the answer says. Null takes
/// the field out.
fn all_mistakes() -> impl Iterator<Item = (&'static str, Value, Vec<&'static str>)> {
    let of_parts = mistakes_of_agents().into_iter().chain(storage_mistakes());
    mistakes().into_iter().chain(of_parts)
}

/// The same, of what has no table of its own.
#[expect(clippy::too_many_lines, reason = "one table of cases")]
fn mistakes() -> Vec<(&'static str, Value, Vec<&'static str>)> {
    let tables = |rule: Value| json!([rule]);
    let files = |wrong: Value| {
        let mut rule = json!({"claim": "uploads", "query": "select path from trends"});
        rule.as_object_mut()
            .expect("a rule")
            .extend(wrong.as_object().expect("fields").clone());
        json!([rule])
    };
    vec![
        ("/workload", Value::Null, vec!["spec.workload"]),
        ("/workload/name", json!(""), vec!["spec.workload.name"]),
        (
            "/workload/kind",
            json!("DaemonSet"),
            vec!["spec.workload.kind", "StatefulSet", "Deployment"],
        ),
        (
            "/connection/database",
            Value::Null,
            vec!["spec.connection.database"],
        ),
        (
            "/connection/database",
            json!("x".repeat(64)),
            vec!["spec.connection.database", "63"],
        ),
        ("/connection/port", json!(0), vec!["spec.connection.port"]),
        (
            "/connection/port",
            json!(70000),
            vec!["spec.connection.port", "65535"],
        ),
        (
            "/connection/port",
            json!("5432"),
            vec!["spec.connection.port", "integer"],
        ),
        (
            "/connection/credentialsSecret",
            Value::Null,
            vec!["spec.connection.credentialsSecret"],
        ),
        (
            "/connection/credentialsSecret",
            json!({"name": ""}),
            vec!["spec.connection.credentialsSecret.name"],
        ),
        (
            "/connection/clientCertificateSecret",
            json!({"name": "pg-client"}),
            vec!["spec.connection.clientCertificateSecret needs spec.connection.tls.mode Require"],
        ),
        (
            "/connection",
            json!({"database": "knowledge_os", "clientCertificateSecret": {"name": "pg-client"}, "tls": {"mode": "Require"}}),
            vec!["spec.connection.credentialsSecret is missing"],
        ),
        (
            "/connection/additionalDatabases",
            json!(["knowledge_os"]),
            vec![
                "spec.connection.additionalDatabases repeats",
                "list each database once",
            ],
        ),
        (
            "/connection/additionalDatabases",
            json!(["a", "a"]),
            vec!["spec.connection.additionalDatabases", "Duplicate"],
        ),
        (
            "/connection/tls",
            json!({"mode": "VerifyFull"}),
            vec!["spec.connection.tls.mode VerifyFull needs spec.connection.tls.caSecret"],
        ),
        (
            "/connection/tls",
            json!({"mode": "verify-full"}),
            vec!["spec.connection.tls.mode", "VerifyFull"],
        ),
        (
            "/verification/tables",
            tables(json!({"name": "experts"})),
            vec!["spec.verification.tables[0].name"],
        ),
        (
            "/verification/tables",
            tables(json!({"name": "public.experts; DROP TABLE experts"})),
            vec!["spec.verification.tables[0].name"],
        ),
        (
            "/verification/tables",
            tables(json!({"name": "public.\"experts\""})),
            vec!["spec.verification.tables[0].name"],
        ),
        (
            "/verification/tables",
            tables(json!({"name": "a.b.c"})),
            vec!["spec.verification.tables[0].name"],
        ),
        (
            "/verification/tables",
            tables(json!({"name": "public.experts", "minRows": -1})),
            vec!["spec.verification.tables[0].minRows"],
        ),
        (
            "/verification/tables",
            tables(json!({"name": "public.experts", "maxDropPercent": 101})),
            vec!["spec.verification.tables[0].maxDropPercent", "100"],
        ),
        (
            "/verification/baseline",
            json!({"maxDropPercent": 101}),
            vec!["spec.verification.baseline.maxDropPercent must be 0 to 100, or \"Off\""],
        ),
        (
            "/verification/baseline",
            json!({"maxDropPercent": -1}),
            vec!["spec.verification.baseline.maxDropPercent must be 0 to 100"],
        ),
        (
            "/verification/baseline",
            json!({"maxDropPercent": "on"}),
            vec!["spec.verification.baseline.maxDropPercent must be 0 to 100, or \"Off\""],
        ),
        (
            "/verification/timeout",
            json!("1 minute"),
            vec!["spec.verification.timeout"],
        ),
        (
            "/verification/timeout",
            json!("1d"),
            vec!["spec.verification.timeout"],
        ),
        (
            "/verification/timeout",
            json!("2h"),
            vec!["spec.verification.timeout must be 1s to 1h"],
        ),
        (
            "/verification/timeout",
            json!("0s"),
            vec!["spec.verification.timeout must be 1s to 1h"],
        ),
        (
            "/verification/countingBudget",
            json!("0ms"),
            vec!["spec.verification.countingBudget must be 1ms to 1h"],
        ),
        (
            "/verification/countingBudget",
            json!("61m"),
            vec!["spec.verification.countingBudget must be 1ms to 1h"],
        ),
        (
            "/verification/gate",
            json!({"timeout": "48h", "whenUnverifiable": "Open"}),
            vec!["spec.verification.gate.timeout must be 1s to 24h"],
        ),
        (
            "/verification/gate",
            json!({"timeout": "0s"}),
            vec!["spec.verification.gate.timeout must be 1s to 24h"],
        ),
        (
            "/verification/schedule",
            json!("every night"),
            vec!["spec.verification.schedule"],
        ),
        (
            "/verification/schedule",
            json!("@fortnightly"),
            vec!["spec.verification.schedule"],
        ),
        (
            "/verification/files",
            files(json!({"root": "a/../.."})),
            vec!["spec.verification.files: root must not contain `..`"],
        ),
        (
            "/verification/files",
            files(json!({"root": ".."})),
            vec!["spec.verification.files: root must not contain `..`"],
        ),
        (
            "/verification/files",
            files(json!({"prefix": "../a"})),
            vec!["spec.verification.files: prefix must not contain `..`"],
        ),
        (
            "/verification/files",
            files(json!({"timeout": "2h"})),
            vec!["spec.verification.files: timeout must be 1s to 1h"],
        ),
        (
            "/verification/files",
            files(json!({"timeout": "0s"})),
            vec!["spec.verification.files: timeout must be 1s to 1h"],
        ),
        (
            "/verification/files",
            files(json!({"timeout": "soon"})),
            vec!["spec.verification.files[0].timeout"],
        ),
        (
            "/verification/files",
            files(json!({"runAsUser": 0})),
            vec!["spec.verification.files[0].runAsUser"],
        ),
        (
            "/verification/files",
            files(json!({"runAsGroup": 0})),
            vec!["spec.verification.files[0].runAsGroup"],
        ),
        (
            "/verification/files",
            files(json!({"claim": ""})),
            vec!["spec.verification.files[0].claim"],
        ),
        (
            "/verification/files",
            files(json!({"query": ""})),
            vec!["spec.verification.files[0].query"],
        ),
        (
            "/guard",
            json!({"deletion": "off"}),
            vec!["spec.guard.deletion", "Off"],
        ),
        (
            "/guard",
            json!({"deletion": false}),
            vec!["spec.guard.deletion"],
        ),
        (
            "/extraClaims",
            json!(["a", "a"]),
            vec!["spec.extraClaims", "Duplicate"],
        ),
        ("/extraClaims", json!([""]), vec!["spec.extraClaims[0]"]),
        ("/suspend", json!("yes"), vec!["spec.suspend", "boolean"]),
        (
            "/backup/schedule",
            json!("0 3 * *"),
            vec!["spec.backup.schedule"],
        ),
        (
            "/backup/deadline",
            json!("soon"),
            vec!["spec.backup.deadline"],
        ),
        (
            "/backup/retention",
            json!({}),
            vec!["spec.backup.retention needs at least one rule"],
        ),
        (
            "/restore",
            json!({}),
            vec!["spec.restore.credentialsSecret"],
        ),
        (
            "/restore",
            json!({"credentialsSecret": {"name": ""}}),
            vec!["spec.restore.credentialsSecret.name"],
        ),
        (
            "/restore",
            json!({"credentialsSecret": {"name": "pg"}, "deadline": "8d"}),
            vec!["spec.restore.deadline"],
        ),
        (
            "/restore",
            json!({"credentialsSecret": {"name": "pg"}, "deadline": "1s"}),
            vec!["spec.restore.deadline must be 1m to 168h"],
        ),
        (
            "/restore",
            json!({"credentialsSecret": {"name": "pg"}, "identitySecret": {"name": "key"}}),
            vec!["spec.restore.identitySecret.key"],
        ),
        (
            "/restore",
            json!({
                "credentialsSecret": {"name": "pg"}, "identitySecret": {"name": "pg", "key": "password"},
            }),
            vec!["spec.restore.identitySecret must not be"],
        ),
        (
            "/drill",
            json!({"schedule": "sometimes"}),
            vec!["spec.drill.schedule"],
        ),
        (
            "/drill",
            json!({"schedule": "@weekly", "deadline": "1s"}),
            vec!["spec.drill.deadline must be 1m to 168h"],
        ),
        (
            "/drill",
            json!({"schedule": "@weekly", "storage": {"storageClassName": "fast"}}),
            vec!["spec.drill.storage.size is missing"],
        ),
        (
            "/drill",
            json!({"schedule": "@weekly", "queries": [{"name": "orders", "query": "select 1"}]}),
            vec!["spec.drill.queries: each query needs minimum, maximum or both"],
        ),
        (
            "/drill",
            json!({"schedule": "@weekly", "queries": [{"name": "orders", "query": "select 1",
                "minimum": 2, "maximum": 1}]}),
            vec!["spec.drill.queries: minimum must not be above maximum"],
        ),
        (
            "/drill",
            json!({"schedule": "@weekly", "freshness": [{"table": "public.orders", "column": "made",
                "within": "0s"}]}),
            vec!["spec.drill.freshness: within must be 1s to 87600h"],
        ),
    ]
}

/// What no agent gets.
fn mistakes_of_agents() -> Vec<(&'static str, Value, Vec<&'static str>)> {
    let context = |context: Value| json!({"securityContext": context});
    vec![
        (
            "/agents",
            json!({"labels": {"holdfast.dev/database": "other"}}),
            vec!["spec.agents.labels: labels of holdfast.dev"],
        ),
        (
            "/agents",
            json!({"annotations": {"batch.kubernetes.io/x": "y"}}),
            vec!["spec.agents.annotations: annotations of holdfast.dev"],
        ),
        (
            "/agents",
            json!({"env": [{"name": "PGPASSWORD", "value": "x"}]}),
            vec!["spec.agents.env", "are used by the agent itself"],
        ),
        (
            "/agents",
            json!({"env": [{"name": "A", "value": "x"}, {"name": "A", "value": "y"}]}),
            vec!["spec.agents.env", "Duplicate"],
        ),
        (
            "/agents",
            json!({"env": [{"name": "A-B", "value": "x"}]}),
            vec!["spec.agents.env[0].name"],
        ),
        (
            "/agents",
            json!({"nodeSelector": {"kubernetes.io/os": "windows"}}),
            vec!["agents run on Linux"],
        ),
        (
            "/agents",
            json!({"resources": {"limits": {"cpu": "much"}}}),
            vec!["spec.agents.resources.limits.cpu"],
        ),
        (
            "/agents",
            context(json!({"privileged": true})),
            vec!["an agent is never privileged"],
        ),
        (
            "/agents",
            context(json!({"allowPrivilegeEscalation": true})),
            vec!["allowPrivilegeEscalation"],
        ),
        (
            "/agents",
            context(json!({"runAsNonRoot": false})),
            vec!["an agent never runs as root"],
        ),
        (
            "/agents",
            context(json!({"runAsUser": 0})),
            vec!["spec.agents.securityContext.runAsUser"],
        ),
        (
            "/agents",
            context(json!({"capabilities": {"add": ["NET_ADMIN"]}})),
            vec!["an agent has none"],
        ),
        (
            "/agents",
            context(json!({"seccompProfile": {"type": "Unconfined"}})),
            vec!["seccompProfile: Pod Security restricted allows"],
        ),
        (
            "/agents",
            context(json!({"seLinuxOptions": {"type": "spc_t"}})),
            vec!["seLinuxOptions: Pod Security restricted allows"],
        ),
        (
            "/agents",
            json!({"assignedUser": true, "securityContext": {"fsGroup": 1}}),
            vec!["spec.agents.assignedUser leaves user and groups to the cluster"],
        ),
    ]
}

#[test]
fn a_spec_that_can_be_judged_by_itself_is_refused_with_its_field() {
    beside_others("bad-admission", async |scene| {
        let server = Server::new(scene);
        let right = serde_json::to_value(build_database(scene, &server)).expect("JSON");
        dry_run(scene, "ProtectedDatabase", &right)
            .await
            .expect("what the mistakes are made of is right");
        for (pointer, value, tells) in all_mistakes() {
            let mut wrong = right.clone();
            write(&mut wrong["spec"], pointer, value.clone());
            let answer = dry_run(scene, "ProtectedDatabase", &wrong).await;
            let complaint = answer.expect_err(&format!("{pointer} {value} should be refused"));
            assert_tells(&complaint, &tells);
            assert!(
                !complaint.contains("AGE-SECRET-KEY"),
                "a private key is not repeated: {complaint}"
            );
        }
        let mut long = right;
        long["metadata"]["name"] = json!("x".repeat(41));
        let complaint = dry_run(scene, "ProtectedDatabase", &long)
            .await
            .expect_err("a name of 41 characters");
        assert_tells(
            &complaint,
            &["metadata.name must have at most 40 characters"],
        );
        long["metadata"]["name"] = json!("x".repeat(40));
        dry_run(scene, "ProtectedDatabase", &long)
            .await
            .expect("a name of 40 characters");
    });
}

#[test]
fn a_restore_that_could_replace_data_by_accident_is_refused() {
    beside_others("bad-restore", async |scene| {
        let restore = |spec: Value| json!({"metadata": {"name": "restore"}, "spec": spec});
        let set = |path: &str| json!({"path": path, "manifestSha256": "ab".repeat(32)});
        let mistakes = [
            (
                json!({"database": NAME, "from": {"latestGood": true}, "into": "Replace"}),
                "spec.confirm: Replace needs the UID of the ProtectedDatabase",
            ),
            (
                json!({"database": NAME, "from": {"latestGood": true}, "into": "Replace", "confirm": NAME}),
                "spec.confirm: Replace needs the UID of the ProtectedDatabase",
            ),
            (
                json!({"database": NAME, "from": {}, "into": "Beside"}),
                "spec.from needs exactly one of backup, latestGood, set and volume",
            ),
            (
                json!({"database": NAME, "from": {"latestGood": true, "volume": "pv"}, "into": "Beside"}),
                "spec.from needs exactly one",
            ),
            (
                json!({"database": NAME, "from": {"latestGood": true}, "into": "Nowhere"}),
                "spec.into",
            ),
            (
                json!({"from": {"latestGood": true}, "into": "Beside"}),
                "spec.database",
            ),
            (
                json!({"database": NAME, "from": {"latestGood": true}, "into": "Replace", "dryRun": false}),
                "spec.confirm: Replace needs the UID",
            ),
            (
                json!({"database": NAME, "from": {"latestGood": true}, "into": "Scratch", "dryRun": true}),
                "spec.dryRun is for a backup",
            ),
            (
                json!({"database": NAME, "from": {"volume": "pv"}, "into": "Replace", "dryRun": true}),
                "spec.dryRun is for a backup",
            ),
            (
                json!({
                    "database": NAME, "from": {"latestGood": true}, "into": "Beside", "dryRun": true,
                    "files": {"claim": "uploads"},
                }),
                "spec.dryRun is for a backup",
            ),
            (
                json!({"database": NAME, "from": {"volume": "pv"}, "into": "Scratch"}),
                "spec.into must be Replace for a volume",
            ),
            (
                json!({"database": NAME, "from": {"volume": "pv"}, "into": "Beside"}),
                "spec.into must be Replace for a volume",
            ),
            (
                json!({"database": NAME, "from": {"latestGood": false}, "into": "Beside"}),
                "spec.from.latestGood must be true",
            ),
            (
                json!({"database": NAME, "from": {"latestGood": true}, "into": "Beside", "acceptSuspect": true}),
                "spec.acceptSuspect goes with spec.from.backup or spec.from.set only",
            ),
            (
                json!({"database": NAME, "from": {"backup": "A; DROP"}, "into": "Beside"}),
                "spec.from.backup",
            ),
            (
                json!({"database": NAME, "from": {"set": set("prod/../other/one")}, "into": "Beside"}),
                "spec.from.set.path must not contain",
            ),
            (
                json!({"database": NAME, "from": {"set": set("/prod/atra/one")}, "into": "Beside"}),
                "spec.from.set.path",
            ),
            (
                json!({"database": NAME, "from": {"latestGood": true}, "into": "Replace", "confirm": "u-1",
                    "tables": ["public.experts"]}),
                "spec.tables needs into: Beside",
            ),
            (
                json!({"database": NAME, "from": {"latestGood": true}, "into": "Scratch",
                    "tables": ["public.experts"]}),
                "spec.tables needs into: Beside",
            ),
            (
                json!({"database": NAME, "from": {"latestGood": true}, "into": "Beside",
                    "tables": ["experts"]}),
                "spec.tables[0]",
            ),
        ];
        for (spec, tells) in mistakes {
            let complaint = dry_run(scene, "DatabaseRestore", &restore(spec.clone()))
                .await
                .expect_err(&spec.to_string());
            assert_tells(&complaint, &[tells]);
        }
        for right in [
            json!({"database": NAME, "from": {"volume": "pv"}, "into": "Replace", "confirm": "u-1"}),
            json!({"database": NAME, "from": {"latestGood": true}, "into": "Replace", "confirm": "u-1"}),
            json!({"database": NAME, "from": {"latestGood": true}, "into": "Beside"}),
            json!({"database": NAME, "from": {"latestGood": true}, "into": "Replace", "dryRun": true}),
            json!({"database": NAME, "from": {"latestGood": true}, "into": "Beside", "tables": ["a.B", "c.d"]}),
            json!({"database": NAME, "from": {"backup": "one"}, "into": "Beside", "acceptSuspect": true}),
            json!({"database": NAME, "from": {"set": set("prod/atra/one")}, "into": "Beside", "acceptSuspect": true}),
        ] {
            dry_run(scene, "DatabaseRestore", &restore(right.clone()))
                .await
                .unwrap_or_else(|refusal| panic!("{right}: {refusal}"));
        }
    });
}

#[test]
fn what_was_asked_for_is_not_changed_afterwards() {
    beside_others("bad-change", async |scene| {
        let spec = json!({"database": "nobody"});
        assert_fixed::<DatabaseCheck>(scene, &spec, &json!({"database": "other"})).await;
        assert_fixed::<DatabaseBackup>(scene, &spec, &json!({"database": "other"})).await;
        let spec = json!({"database": "nobody", "from": {"volume": "one"}, "into": "Replace", "confirm": "u-1"});
        assert_fixed::<DatabaseRestore>(scene, &spec, &json!({"from": {"volume": "two"}})).await;
        let long = json!({"metadata": {"name": "x".repeat(64)}, "spec": {"database": "nobody"}});
        let complaint = dry_run(scene, "DatabaseCheck", &long)
            .await
            .expect_err("a name of 64 characters");
        assert_tells(
            &complaint,
            &["metadata.name must have at most 63 characters"],
        );
    });
}

/// Asserts that an object's spec can't be changed once it is there.
async fn assert_fixed<K>(scene: &Scene, spec: &Value, change: &Value)
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let kind = K::kind(&());
    scene.apply(&[json!({"apiVersion": K::api_version(&()), "kind": kind,
        "metadata": {"name": "asked", "namespace": scene.namespace()}, "spec": spec})]);
    let patch = Patch::Merge(json!({"spec": change}));
    let complaint = scene
        .api::<K>()
        .patch("asked", &PatchParams::default(), &patch)
        .await
        .expect_err("a changed spec");
    assert_tells(
        &complaint.to_string(),
        &[&format!(
            "spec of a {kind} can't be changed; create another one"
        )],
    );
}

/// What the API server says to an object without storing it.
async fn dry_run(scene: &Scene, kind: &str, object: &Value) -> Result<(), String> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("holdfast.dev", "v1alpha1", kind));
    let mut object = object.clone();
    object["apiVersion"] = json!("holdfast.dev/v1alpha1");
    object["kind"] = json!(kind);
    object["metadata"]["namespace"] = json!(scene.namespace());
    let object: DynamicObject = serde_json::from_value(object).expect("an object");
    let api: Api<DynamicObject> =
        Api::namespaced_with(scene.client.clone(), scene.namespace(), &resource);
    let parameters = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    api.create(&parameters, &object)
        .await
        .map(drop)
        .map_err(|error| error.to_string())
}

/// Writes a value where the pointer leads, or takes out what is there.
fn write(spec: &mut Value, pointer: &str, value: Value) {
    let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
    let parent = spec
        .pointer_mut(parent)
        .and_then(Value::as_object_mut)
        .expect("an object");
    match value {
        Value::Null => parent.remove(field),
        value => parent.insert(field.to_owned(), value),
    };
}
