//! An API server in memory, as far as Holdfast needs one: objects, versions, patches with their
//! tests, finalizers. It answers the real client, so that readers, rules and executor are the real
//! ones. It can stop answering at any write, as for an operator that was killed there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::http::{Method, Request, Response, StatusCode};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use crate::guard;

/// Where an object is: plural of its kind, namespace (empty for none), name.
pub type Key = (String, String, String);

/// Whether the write at which the client dies still happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Before,
    After,
}

/// The write, counted from 1, at which the client dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashPoint {
    pub write: usize,
    pub moment: Moment,
}

#[derive(Clone, Default)]
pub struct Store {
    objects: BTreeMap<Key, Value>,
    version: u64,
    /// Every write that was asked for, `VERB plural`.
    pub writes: Vec<String>,
    /// How many reads there were.
    pub reads: usize,
    /// Of which kinds all objects were read, by how many times.
    pub lists: BTreeMap<String, usize>,
    crash: Option<CrashPoint>,
    is_dead: bool,
    /// What is refused: by verb and plural, with the answer.
    refused: BTreeMap<(String, String), (u16, String)>,
    /// What admission makes of every write to a kind.
    changed: BTreeMap<String, fn(&mut Value)>,
    /// By how many seconds its clock is ahead of that of the operator.
    pub clock_ahead: i64,
    /// Whether it asks no admission policy any more.
    pub asks_no_policy: bool,
}

/// The server; clones share its objects.
#[derive(Clone, Default)]
pub struct ApiServer(Arc<Mutex<Store>>);

impl ApiServer {
    pub fn store(&self) -> MutexGuard<'_, Store> {
        self.0.lock().expect("no test has failed within a request")
    }

    /// A client of a new process: it lives until the crash point.
    pub fn client(&self, crash: Option<CrashPoint>) -> Client {
        let mut store = self.store();
        store.writes.clear();
        store.crash = crash;
        store.is_dead = false;
        drop(store);
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await.expect("a body");
                let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
                let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                let content_type = parts.headers.get("content-type");
                let content_type = content_type.and_then(|value| value.to_str().ok());
                let mut store = server.store();
                let (status, answer) =
                    store.answer(&parts.method, path, content_type.unwrap_or_default(), &body);
                let date = store
                    .now()
                    .strftime("%a, %d %b %Y %H:%M:%S GMT")
                    .to_string();
                drop(store);
                let mut response = Response::new(Body::from(answer.to_string().into_bytes()));
                *response.status_mut() = status;
                let date = date.parse().expect("a date is a header");
                response.headers_mut().insert("date", date);
                Ok::<_, std::convert::Infallible>(response)
            }
        });
        Client::new(service, "atra")
    }

    /// Another server with the same objects.
    pub fn fork(&self) -> Self {
        Self(Arc::new(Mutex::new(self.store().clone())))
    }

    /// Whether the last client has died.
    pub fn has_crashed(&self) -> bool {
        self.store().is_dead
    }
}

type Answer = (StatusCode, Value);

fn refusal(status: StatusCode, reason: &str, message: &str) -> Answer {
    let code = status.as_u16();
    let answer = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code,
        "message": message, "metadata": {},
    });
    (status, answer)
}

fn not_found() -> Answer {
    refusal(StatusCode::NOT_FOUND, "NotFound", "it does not exist")
}

/// A request's path in parts.
struct Target {
    plural: String,
    namespace: String,
    name: Option<String>,
    subresource: Option<String>,
}

impl Target {
    fn parse(path: &str) -> Self {
        let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        // `api/v1`, or `apis/GROUP/VERSION`.
        parts.drain(..if parts[0] == "api" { 2 } else { 3 });
        let namespace = if parts[0] == "namespaces" && parts.len() > 2 && parts[2] != "finalize" {
            let namespace = parts[1].to_owned();
            parts.drain(..2);
            namespace
        } else {
            String::new()
        };
        let part = |index: usize| parts.get(index).map(|part| (*part).to_owned());
        Self {
            plural: parts[0].to_owned(),
            namespace,
            name: part(1),
            subresource: part(2),
        }
    }

    fn key(&self, name: &str) -> Key {
        (self.plural.clone(), self.namespace.clone(), name.to_owned())
    }
}

impl Store {
    /// The time by the clock of the server.
    pub fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now() + jiff::SignedDuration::from_secs(self.clock_ahead)
    }

    fn answer(&mut self, method: &Method, path: &str, content_type: &str, body: &Value) -> Answer {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        if path == "/version" {
            return (StatusCode::OK, json!({"major": "1"}));
        }
        let target = Target::parse(path);
        if self.is_dead {
            return refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "killed");
        }
        let is_dry_run = body["dryRun"].is_array() || query.contains("dryRun");
        if method == Method::GET {
            self.reads += 1;
            if target.name.is_none() {
                *self.lists.entry(target.plural.clone()).or_default() += 1;
            }
            return self.read(&target, query);
        }
        if target.plural == "events" || is_dry_run {
            return self.write(method, &target, content_type, body, is_dry_run);
        }
        let asked = (method.to_string(), target.plural.clone());
        if let Some((code, message)) = self.refused.get(&asked) {
            self.writes.push(format!("{method} {}", target.plural));
            let code = StatusCode::from_u16(*code).expect("a status code");
            return refusal(code, "Forbidden", message);
        }
        let subresource = target.subresource.as_deref();
        let subresource = subresource.map_or_else(String::new, |name| format!("/{name}"));
        self.writes
            .push(format!("{method} {}{subresource}", target.plural));
        let crash = self.crash.filter(|crash| crash.write == self.writes.len());
        match crash.map(|crash| crash.moment) {
            None => self.write(method, &target, content_type, body, false),
            Some(moment) => {
                if moment == Moment::After {
                    self.write(method, &target, content_type, body, false);
                }
                self.is_dead = true;
                refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "killed")
            }
        }
    }

    fn read(&self, target: &Target, query: &str) -> Answer {
        if let Some(name) = &target.name {
            let found = self.objects.get(&target.key(name));
            let absent = || {
                let (status, mut answer) = not_found();
                answer["details"] = json!({"name": name, "kind": target.plural});
                (status, answer)
            };
            return found.map_or_else(absent, |object| (StatusCode::OK, object.clone()));
        }
        let items: Vec<&Value> = self
            .objects
            .iter()
            .filter(|((plural, namespace, _), object)| {
                *plural == target.plural
                    && (target.namespace.is_empty() || *namespace == target.namespace)
                    && is_selected(object, query)
            })
            .map(|(_, object)| object)
            .collect();
        let list = json!({
            "kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"},
            "items": items,
        });
        (StatusCode::OK, list)
    }

    fn write(
        &mut self,
        method: &Method,
        target: &Target,
        content_type: &str,
        body: &Value,
        is_dry_run: bool,
    ) -> Answer {
        if target.plural == "events" {
            return (StatusCode::CREATED, body.clone());
        }
        let name = target.name.clone();
        let name = name.or_else(|| body["metadata"]["name"].as_str().map(ToOwned::to_owned));
        let key = target.key(&name.unwrap_or_default());
        match *method {
            Method::POST => self.create(key, body.clone()),
            Method::DELETE => self.delete(&key, body, is_dry_run),
            Method::PUT => self.replace(key, target, body.clone()),
            _ => self.patch(key, target, content_type, body),
        }
    }

    /// Creates an object.
    pub fn create(&mut self, key: Key, mut object: Value) -> Answer {
        if self.objects.contains_key(&key) {
            return refusal(StatusCode::CONFLICT, "AlreadyExists", "already exists");
        }
        self.admit(&key, &mut object);
        self.version += 1;
        object["metadata"]["uid"] = format!("u-{}", self.version).into();
        object["metadata"]["creationTimestamp"] = self.now().to_string().into();
        object["metadata"]["generation"] = 1.into();
        self.put(key, object)
    }

    /// Stores an object under a new version; one that is being deleted goes with its last
    /// finalizer.
    fn put(&mut self, key: Key, mut object: Value) -> Answer {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        let metadata = metadata(&object);
        let is_held = metadata
            .finalizers
            .is_some_and(|finalizers| !finalizers.is_empty());
        if metadata.deletion_timestamp.is_some() && !is_held {
            self.objects.remove(&key);
        } else {
            self.objects.insert(key, object.clone());
        }
        (StatusCode::OK, object)
    }

    fn delete(&mut self, key: &Key, options: &Value, is_dry_run: bool) -> Answer {
        let Some(object) = self.objects.get(key) else {
            return not_found();
        };
        let metadata = metadata(object);
        let differs = |field: &str, is: &Option<String>| {
            let wanted = options["preconditions"][field].as_str();
            wanted.is_some_and(|wanted| is.as_deref() != Some(wanted))
        };
        if differs("uid", &metadata.uid) || differs("resourceVersion", &metadata.resource_version) {
            return refusal(
                StatusCode::CONFLICT,
                "Conflict",
                "a precondition does not hold",
            );
        }
        // The operator is refused to delete any claim that is not confirmed, by `holdfast-claim-fence`.
        let is_claim = key.0 == "persistentvolumeclaims";
        let is_guarded =
            (guard::is_labelled(&metadata) || is_claim) && !goes_alone(key, object, options);
        let is_refused = is_guarded && !self.asks_no_policy;
        if is_refused && !guard::deletion_confirmed(&metadata, self.now()) {
            let message = format!("{}delete it", guard::REFUSAL);
            return refusal(StatusCode::FORBIDDEN, "Forbidden", &message);
        }
        let mut object = object.clone();
        if is_dry_run {
            return (StatusCode::OK, object);
        }
        object["metadata"]["deletionTimestamp"] = self.now().to_string().into();
        self.put(key.clone(), object)
    }

    fn replace(&mut self, key: Key, target: &Target, object: Value) -> Answer {
        if target.subresource.as_deref() == Some("finalize") {
            self.objects.remove(&key);
            return (StatusCode::OK, object);
        }
        self.put(key, object)
    }

    fn patch(&mut self, key: Key, target: &Target, content_type: &str, body: &Value) -> Answer {
        let is_apply = content_type.contains("apply");
        let Some(before) = self.objects.get(&key).cloned() else {
            return if is_apply {
                self.create(key, body.clone())
            } else {
                not_found()
            };
        };
        let mut object = before.clone();
        for field in ["uid", "resourceVersion"] {
            let wanted = body
                .get("metadata")
                .and_then(|metadata| metadata[field].as_str());
            if wanted.is_some_and(|wanted| before["metadata"][field] != wanted) {
                return refusal(StatusCode::CONFLICT, "Conflict", "it is another object");
            }
        }
        if content_type.contains("json-patch") {
            let patch: json_patch::Patch = serde_json::from_value(body.clone()).expect("a patch");
            if json_patch::patch(&mut object, &patch).is_err() {
                let code = StatusCode::UNPROCESSABLE_ENTITY;
                return refusal(code, "Invalid", "a test of the patch failed");
            }
        } else if content_type.contains("strategic") {
            let conditions = &body["status"]["conditions"];
            merge_conditions(&mut object["status"]["conditions"], conditions);
        } else if is_apply && target.plural != "databasechecks" && body.get("status").is_some() {
            // The operator owns the whole status of these kinds.
            let report = object["status"]["report"].take();
            object["status"] = body["status"].clone();
            // What the agent of a restore has applied stays. Applied by the operator too, it would be older
            // than what the agent writes meanwhile.
            let is_others = object["status"]["report"].is_null();
            assert!(is_others, "it writes the report of an agent: {body}");
            if report.is_object() {
                object["status"]["report"] = report;
            }
        } else {
            json_patch::merge(&mut object, body);
        }
        object["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"].clone();
        self.admit(&key, &mut object);
        if object == before {
            return (StatusCode::OK, before);
        }
        if is_unbound(&before, &object, self.now()) {
            let message = format!("{}unbind it", guard::REFUSAL);
            return refusal(StatusCode::FORBIDDEN, "Forbidden", &message);
        }
        self.put(key, object)
    }

    /// Changes every write to a kind from now on, as a webhook of others does.
    pub fn change_writes(&mut self, plural: &str, change: fn(&mut Value)) {
        self.changed.insert(plural.to_owned(), change);
    }

    fn admit(&self, key: &Key, object: &mut Value) {
        if let Some(change) = self.changed.get(&key.0) {
            change(object);
        }
    }

    /// Refuses writes from now on, as a quota, a policy or a missing permission does.
    pub fn refuse(&mut self, verb: &str, plural: &str, code: u16, message: &str) {
        let asked = (verb.to_owned(), plural.to_owned());
        self.refused.insert(asked, (code, message.to_owned()));
    }

    /// Ends every refusal, and every change.
    pub fn refuse_nothing(&mut self) {
        self.refused.clear();
        self.changed.clear();
    }

    /// The object, if it exists.
    pub fn get(&self, plural: &str, namespace: &str, name: &str) -> Option<&Value> {
        let key = (plural.to_owned(), namespace.to_owned(), name.to_owned());
        self.objects.get(&key)
    }

    /// Every object.
    pub fn every(&self) -> impl Iterator<Item = (&Key, &Value)> {
        self.objects.iter()
    }

    /// All objects of a kind.
    pub fn all(&self, plural: &str) -> Vec<(Key, Value)> {
        let objects = self.objects.iter();
        let of_kind = objects.filter(|((candidate, ..), _)| candidate == plural);
        of_kind
            .map(|(key, object)| (key.clone(), object.clone()))
            .collect()
    }

    /// What a controller of Kubernetes does to an object.
    pub fn update(&mut self, key: &Key, change: impl FnOnce(&mut Value)) {
        let Some(before) = self.objects.get(key).cloned() else {
            return;
        };
        let mut object = before.clone();
        change(&mut object);
        if object != before {
            self.put(key.clone(), object);
        }
    }

    /// Takes an object away, whatever holds it.
    pub fn remove(&mut self, key: &Key) {
        self.objects.remove(key);
    }

    /// How many writes there were of anybody.
    pub fn version(&self) -> u64 {
        self.version
    }
}

/// Whether a workload goes without its guarded claims and without a pod, which `holdfast-deletion-guard`
/// lets through.
fn goes_alone(key: &Key, object: &Value, options: &Value) -> bool {
    let has_no_pods = object["spec"]["replicas"] == 0 && object["status"]["replicas"] == 0;
    ["statefulsets", "deployments"].contains(&key.0.as_str())
        && (options["propagationPolicy"] == "Orphan" || has_no_pods)
        && guard::has_guarded_claims(&metadata(object))
}

/// Whether a guarded volume is given to a claim of another name, which nobody has confirmed.
fn is_unbound(before: &Value, after: &Value, now: jiff::Timestamp) -> bool {
    let claim = |object: &Value| object["spec"]["claimRef"]["name"].clone();
    let metadata = metadata(before);
    claim(before).is_string()
        && claim(before) != claim(after)
        && guard::is_labelled(&metadata)
        && !guard::change_confirmed(&metadata, now)
}

pub fn metadata(object: &Value) -> ObjectMeta {
    serde_json::from_value(object["metadata"].clone()).expect("metadata")
}

fn merge_conditions(present: &mut Value, conditions: &Value) {
    let mut all = present.as_array().cloned().unwrap_or_default();
    for condition in conditions.as_array().cloned().unwrap_or_default() {
        all.retain(|other| other["type"] != condition["type"]);
        all.push(condition);
    }
    *present = Value::Array(all);
}

/// Whether an object is what a list asks for: labels and fields, each equal to a value, or a label that
/// is not.
fn is_selected(object: &Value, query: &str) -> bool {
    let decoded = percent_encoding::percent_decode_str(query).decode_utf8_lossy();
    decoded.split('&').all(|part| {
        let (kind, selector) = part.split_once('=').unwrap_or((part, ""));
        let mut terms = selector.split(',').filter_map(|term| term.split_once('='));
        match kind {
            "labelSelector" => terms.all(|(key, value)| {
                let labels = &object["metadata"]["labels"];
                match key.strip_suffix('!') {
                    Some(key) => labels[key] != *value,
                    None => labels[key] == *value,
                }
            }),
            "fieldSelector" => terms.all(|(field, value)| {
                let pointer = format!("/{}", field.replace('.', "/"));
                object
                    .pointer(&pointer)
                    .is_some_and(|found| *found == *value)
            }),
            _ => true,
        }
    })
}
