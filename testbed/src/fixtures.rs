//! Manifests of a Postgres as users have it, for the demo and the tests: Secret, Service,
//! StatefulSet and its claim.

use crate::images::POSTGRES_15_IMAGE;

/// Where the data comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataClaim {
    /// A claim the StatefulSet makes from its template `data`: `data-NAME-0`.
    Template,
    /// A claim of this name, which is made here too.
    Named(String),
}

/// A Postgres with one pod, `NAME-0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postgres {
    /// The namespace.
    pub namespace: String,
    /// The name of the StatefulSet, of its Service, and the value of its label `app`.
    pub name: String,
    /// The image.
    pub image: String,
    /// The database made at the start, by `POSTGRES_DB`.
    pub database: String,
    /// The superuser, by `POSTGRES_USER`.
    pub user: String,
    /// Its password. Both are in the Secret `NAME-auth`, under `username` and `password`.
    pub password: String,
    /// Where the data comes from.
    pub claim: DataClaim,
    /// Whether the pod waits for `holdfast.dev/data-verified` before it gets traffic.
    pub readiness_gate: bool,
}

impl Postgres {
    /// A Postgres 15 with the database `app`, on a claim from a template.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            image: POSTGRES_15_IMAGE.to_owned(),
            database: "app".to_owned(),
            user: "app".to_owned(),
            password: "not-a-secret".to_owned(),
            claim: DataClaim::Template,
            readiness_gate: false,
        }
    }

    /// The same with another image.
    #[must_use]
    pub fn with_image(self, image: &str) -> Self {
        Self {
            image: image.to_owned(),
            ..self
        }
    }

    /// The same with another database.
    #[must_use]
    pub fn with_database(self, database: &str) -> Self {
        Self {
            database: database.to_owned(),
            ..self
        }
    }

    /// The same on a claim of a given name.
    #[must_use]
    pub fn with_claim(self, claim: &str) -> Self {
        Self {
            claim: DataClaim::Named(claim.to_owned()),
            ..self
        }
    }

    /// The same with the readiness gate.
    #[must_use]
    pub fn with_readiness_gate(self) -> Self {
        Self {
            readiness_gate: true,
            ..self
        }
    }

    /// The name of its pod.
    #[must_use]
    pub fn pod(&self) -> String {
        format!("{}-0", self.name)
    }

    /// The name of its claim.
    #[must_use]
    pub fn claim_name(&self) -> String {
        match &self.claim {
            DataClaim::Template => format!("data-{}-0", self.name),
            DataClaim::Named(name) => name.clone(),
        }
    }

    /// The name of its Secret.
    #[must_use]
    pub fn secret(&self) -> String {
        format!("{}-auth", self.name)
    }

    /// Everything, ready to be applied.
    #[must_use]
    pub fn build_manifests(&self) -> String {
        let mut parts = vec![self.build_secret(), self.build_service()];
        if let DataClaim::Named(claim) = &self.claim {
            parts.push(build_claim(&self.namespace, claim));
        }
        parts.push(self.build_stateful_set());
        parts.join("---\n")
    }

    fn build_secret(&self) -> String {
        let Self {
            namespace,
            user,
            password,
            ..
        } = self;
        format!(
            r#"apiVersion: v1
kind: Secret
metadata:
  name: {secret}
  namespace: {namespace}
stringData:
  username: "{user}"
  password: "{password}"
"#,
            secret = self.secret()
        )
    }

    fn build_service(&self) -> String {
        let Self {
            namespace, name, ..
        } = self;
        format!(
            "apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: {namespace}
spec:
  selector:
    app: {name}
  ports:
  - name: postgres
    port: 5432
"
        )
    }

    fn build_stateful_set(&self) -> String {
        let Self {
            namespace,
            name,
            image,
            database,
            ..
        } = self;
        let secret = self.secret();
        let gate = if self.readiness_gate {
            "      readinessGates:\n      - conditionType: holdfast.dev/data-verified\n"
        } else {
            ""
        };
        let data = match &self.claim {
            DataClaim::Template => "  volumeClaimTemplates:
  - metadata:
      name: data
    spec:
      accessModes: [ReadWriteOnce]
      resources:
        requests:
          storage: 1Gi
"
            .to_owned(),
            DataClaim::Named(claim) => format!(
                "      volumes:
      - name: data
        persistentVolumeClaim:
          claimName: {claim}
"
            ),
        };
        format!(
            r#"apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {name}
  namespace: {namespace}
spec:
  serviceName: {name}
  selector:
    matchLabels:
      app: {name}
  template:
    metadata:
      labels:
        app: {name}
    spec:
{gate}      containers:
      - name: postgres
        image: {image}
        imagePullPolicy: IfNotPresent
        ports:
        - name: postgres
          containerPort: 5432
        env:
        - name: POSTGRES_DB
          value: "{database}"
        - name: POSTGRES_USER
          valueFrom:
            secretKeyRef:
              name: {secret}
              key: username
        - name: POSTGRES_PASSWORD
          valueFrom:
            secretKeyRef:
              name: {secret}
              key: password
        readinessProbe:
          exec:
            command: [sh, -c, 'pg_isready --host=127.0.0.1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB"']
          periodSeconds: 1
        volumeMounts:
        - name: data
          mountPath: /var/lib/postgresql/data
{data}"#
        )
    }
}

/// A claim of a given name, made by the default StorageClass.
#[must_use]
pub fn build_claim(namespace: &str, name: &str) -> String {
    format!(
        "apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {name}
  namespace: {namespace}
spec:
  accessModes: [ReadWriteOnce]
  resources:
    requests:
      storage: 1Gi
"
    )
}

/// The statements that make the tables of the incidents: `experts` and `knowledge_nodes`, with as
/// many rows as said.
#[must_use]
pub fn build_knowledge(experts: u32, nodes: u32) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS experts (id integer PRIMARY KEY, name text NOT NULL);
CREATE TABLE IF NOT EXISTS knowledge_nodes (id integer PRIMARY KEY, expert integer, body text NOT NULL);
INSERT INTO experts SELECT n, 'expert ' || n FROM generate_series(1, {experts}) n;
INSERT INTO knowledge_nodes SELECT n, 1 + n % GREATEST({experts}, 1), 'node ' || n FROM generate_series(1, {nodes}) n;
ANALYZE;
"
    )
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_template_and_a_named_claim_lead_to_different_manifests() {
        let template = Postgres::new("atra", "knowledge")
            .with_database("knowledge_os")
            .build_manifests();
        assert!(template.contains("volumeClaimTemplates") && !template.contains("claimName"));
        let named = Postgres::new("atra", "knowledge")
            .with_claim("old")
            .build_manifests();
        assert!(
            named.contains("claimName: old")
                && named.contains("kind: PersistentVolumeClaim")
                && !named.contains("Templates")
        );
    }

    #[test]
    fn the_gate_goes_into_the_pod_template() {
        let manifests = Postgres::new("atra", "knowledge")
            .with_readiness_gate()
            .build_manifests();
        let (before, after) = manifests.split_once("readinessGates").unwrap();
        assert!(before.contains("template:") && after.contains("containers:"));
    }
}
