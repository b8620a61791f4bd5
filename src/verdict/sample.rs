//! A database as in `incidents/002`, and small changes to it: what the tests of the verdict are
//! made of.
#![allow(
    clippy::expect_used,
    reason = "a sample that can't be built is a fault of the test"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use super::chain::{CHAIN, NOTES, judge_by};
use super::input::{Baseline, Input, Verdict};
use super::{judge, refuse_declared};
use crate::api::{
    AgentFailure, BestCount, CheckTarget, CountKind, DatabaseEvidence, Evidence, Identity,
    ImageEvidence, LoginMethod, MountedVolume, OtherBackups, ProtectedDatabaseSpec,
    SequenceEvidence, TableEvidence, WithoutLogin, reasons,
};

/// The second of initdb of the cluster with the data: 2026-01-19.
const INITIALIZED: u64 = 1_768_826_096;

/// An input that owns its parts.
#[derive(Clone, Debug)]
pub struct Sample {
    pub spec: ProtectedDatabaseSpec,
    pub baseline: Option<(Vec<MountedVolume>, Evidence)>,
    pub evidence: Option<Evidence>,
    pub failure: Option<AgentFailure>,
    pub before_login: Option<WithoutLogin>,
    pub now_login: Option<WithoutLogin>,
    pub replica_volumes: Vec<MountedVolume>,
    pub target: CheckTarget,
    /// What the agent saw of the image where it could read nothing else.
    pub image: Option<ImageEvidence>,
    /// Tables that had more rows within a week.
    pub best: Vec<BestCount>,
    /// A backup of another namespace.
    pub other_backups: Option<OtherBackups>,
}

impl Sample {
    /// 85 experts, 26,337 nodes and a few other tables, a restart later, nothing changed.
    pub fn new() -> Self {
        let before = evidence();
        let volumes = vec![volume(
            "data-knowledge-postgres-0",
            "pvc-a",
            "2026-01-19T12:34:50Z",
        )];
        let target = CheckTarget {
            pod: "knowledge-postgres-0".to_owned(),
            pod_uid: "uid-of-the-pod".to_owned(),
            container: "postgres".to_owned(),
            container_id: "containerd://2".to_owned(),
            attempt: 0,
            database_generation: 1,
            volumes: volumes.clone(),
            configured_directory: String::new(),
            other_mounts: Vec::new(),
            host: None,
            addresses: Vec::new(),
            started_at: None,
        };
        let mut now = before.clone();
        now.identity.postmaster_started_at = time("2026-02-01T08:59:58Z");
        now.observed_at = time("2026-02-01T09:00:00Z");
        Self {
            spec: spec(),
            baseline: Some((volumes, before)),
            evidence: Some(now),
            failure: None,
            before_login: Some(without_login()),
            now_login: Some(without_login()),
            replica_volumes: Vec::new(),
            image: None,
            target,
            best: Vec::new(),
            other_backups: None,
        }
    }

    /// No check came before.
    pub fn first(mut self) -> Self {
        self.baseline = None;
        self
    }

    /// Changes what is there now.
    pub fn now(mut self, change: impl FnOnce(&mut Evidence)) -> Self {
        change(self.evidence.as_mut().expect("evidence"));
        self
    }

    /// Changes what was there and is there.
    pub fn both(self, change: impl Fn(&mut Evidence)) -> Self {
        self.before(&change).now(&change)
    }

    /// Changes what was there at the last good check.
    pub fn before(mut self, change: impl FnOnce(&mut Evidence)) -> Self {
        change(&mut self.baseline.as_mut().expect("a baseline").1);
        self
    }

    /// Changes what is expected.
    pub fn wanted(mut self, change: impl FnOnce(&mut ProtectedDatabaseSpec)) -> Self {
        change(&mut self.spec);
        self
    }

    /// The check asks a host instead of the pod.
    pub fn at_host(mut self, host: &str) -> Self {
        self.target.host = Some(host.to_owned());
        self
    }

    /// The server that answered at the host has this address, and the pod has that of the sample.
    pub fn answered_by(mut self, address: &str) -> Self {
        self.target.addresses = vec!["10.0.0.7".to_owned()];
        self.target.started_at = Some(time("2026-02-01T08:59:00Z"));
        self.now(|evidence| address.clone_into(&mut evidence.server_address))
    }

    /// The image mounts a volume of its own there, now and at the last good check.
    pub fn in_image_volume(self, path: &str) -> Self {
        let look = |evidence: &mut Evidence| {
            evidence.image = Some(ImageEvidence {
                volumes: vec![path.to_owned()],
                data_directory: path.to_owned(),
            });
        };
        self.now(look).before(look)
    }

    /// The claim is mounted there, now and at the last good check.
    pub fn mounted_at(mut self, path: &str) -> Self {
        let before = &mut self.baseline.as_mut().expect("a baseline").0;
        for volume in before.iter_mut().chain(&mut self.target.volumes) {
            path.clone_into(&mut volume.mount_path);
        }
        self
    }

    /// The pod mounts something else than a claim there.
    pub fn beside(mut self, path: &str) -> Self {
        self.target.other_mounts = vec![path.to_owned()];
        self
    }

    /// The pod mounts this volume at the place of the data.
    pub fn on_volume(mut self, claim: &str, name: &str) -> Self {
        self.target.volumes = vec![volume(claim, name, "2026-01-21T08:00:00Z")];
        self
    }

    /// It is the second pod of the StatefulSet, with the claim of its own.
    pub fn on_pod_one(mut self) -> Self {
        "knowledge-postgres-1".clone_into(&mut self.target.pod);
        self.on_volume("data-knowledge-postgres-1", "pvc-b")
    }

    /// No claim is mounted, neither now nor before.
    pub fn on_no_volume(mut self) -> Self {
        self.target.volumes.clear();
        self.baseline.as_mut().expect("a baseline").0.clear();
        self
    }

    /// Another initdb.
    pub fn other_cluster(self) -> Self {
        self.now(|now| {
            now.identity.system_identifier = identifier(INITIALIZED + 172_800);
            now.identity.initialized_at = time("2026-01-21T12:34:56Z");
        })
    }

    /// The agent gives up for this reason.
    pub fn failed(mut self, reason: &str, message: &str) -> Self {
        self.failure = Some(AgentFailure {
            reason: reason.to_owned(),
            message: message.to_owned(),
        });
        self
    }

    /// The login is refused.
    pub fn refused(self) -> Self {
        self.failed(
            reasons::AUTHENTICATION_FAILED,
            "Postgres at 10.0.0.7:5432 refused the login of role \"holdfast\". Set its password \
             with ALTER ROLE",
        )
        .without_evidence()
    }

    /// What the server says before a login is another thing.
    pub fn says(mut self, change: impl FnOnce(&mut WithoutLogin)) -> Self {
        change(self.now_login.as_mut().expect("an answer before the login"));
        self
    }

    /// The agent found nothing.
    pub fn without_evidence(mut self) -> Self {
        self.evidence = None;
        self
    }

    pub fn judge(&self) -> Verdict {
        judge(&self.input(&self.replicas()))
    }

    /// Why a change that was declared is not accepted.
    pub fn refuse_declared(&self) -> Option<String> {
        refuse_declared(&self.input(&self.replicas()))
    }

    /// The verdict of a chain that lacks one check.
    pub fn judge_without(&self, check: &str) -> Verdict {
        judge_by(
            &self.input(&self.replicas()),
            CHAIN
                .iter()
                .chain(&NOTES)
                .filter(|(name, _)| *name != check)
                .map(|(_, check)| *check),
        )
    }

    fn replicas(&self) -> Vec<&MountedVolume> {
        self.replica_volumes.iter().collect()
    }

    fn input<'a>(&'a self, replica_volumes: &'a [&'a MountedVolume]) -> Input<'a> {
        Input {
            namespace: "atra",
            database: "knowledge",
            check: "knowledge-2",
            spec: &self.spec,
            baseline: self.baseline.as_ref().map(|(volumes, evidence)| Baseline {
                source: "DatabaseCheck knowledge-1",
                volumes,
                other_mounts: &[],
                evidence,
                best: &self.best,
                without_login: self.before_login.as_ref(),
            }),
            evidence: self.evidence.as_ref(),
            failure: self.failure.as_ref(),
            other_backups: self.other_backups,
            without_login: self.now_login.as_ref(),
            image: self
                .evidence
                .as_ref()
                .and_then(|evidence| evidence.image.as_ref())
                .or(self.image.as_ref()),
            replica_volumes,
            target: &self.target,
        }
    }
}

/// Gives a table that many rows, counted completely.
pub fn set_rows(evidence: &mut Evidence, name: &str, rows: i64) {
    set_count(evidence, name, rows, CountKind::Exact);
}

/// Gives a table that many rows, known that well.
pub fn set_count(evidence: &mut Evidence, name: &str, rows: i64, count: CountKind) {
    let table = evidence
        .tables
        .iter_mut()
        .find(|table| table.name == name)
        .expect("a table of the sample");
    (table.rows, table.count) = (rows, count);
}

/// Gives a table an estimate, and rows that were counted before the time was up.
pub fn set_lower_bound(evidence: &mut Evidence, name: &str, estimate: i64, lower_bound: i64) {
    set_count(evidence, name, estimate, CountKind::Estimated);
    evidence
        .tables
        .iter_mut()
        .find(|table| table.name == name)
        .expect("a table of the sample")
        .lower_bound = Some(lower_bound);
}

/// Gives a table another name.
pub fn rename(evidence: &mut Evidence, name: &str, to: &str) {
    find(evidence, name).name = to.to_owned();
}

/// Drops a table and creates it again, with its rows.
pub fn recreate(evidence: &mut Evidence, name: &str) {
    let table = find(evidence, name);
    table.oid += 2_000_000_000;
    table.relfilenode = Some(table.oid);
}

/// Makes a table unlogged.
pub fn unlog(evidence: &mut Evidence, name: &str) {
    find(evidence, name).unlogged = true;
}

/// Adds a sequence.
pub fn add_sequence(evidence: &mut Evidence, database: &str, name: &str, last_value: i64) {
    evidence.sequences.push(SequenceEvidence {
        database: database.to_owned(),
        name: name.to_owned(),
        oid: 40_000,
        last_value,
    });
}

fn find<'a>(evidence: &'a mut Evidence, name: &str) -> &'a mut TableEvidence {
    evidence
        .tables
        .iter_mut()
        .find(|table| table.name == name)
        .expect("a table of the sample")
}

/// Removes a table.
pub fn drop_table(evidence: &mut Evidence, name: &str) {
    evidence.tables.retain(|table| table.name != name);
    evidence.table_count -= 1;
}

/// Removes a database with all its tables.
pub fn drop_database(evidence: &mut Evidence, name: &str) {
    evidence.databases.retain(|database| database.name != name);
    evidence.tables.retain(|table| table.database != name);
    evidence.table_count = i64::try_from(evidence.tables.len()).unwrap_or(i64::MAX);
}

/// Adds a database.
pub fn add_database(evidence: &mut Evidence, name: &str) {
    evidence.databases.push(DatabaseEvidence {
        name: name.to_owned(),
        oid: 20_000,
    });
}

/// Adds a table.
pub fn add_table(evidence: &mut Evidence, database: &str, name: &str, rows: i64) {
    evidence.tables.push(table(database, name, rows));
    evidence.table_count += 1;
}

/// A table, counted completely.
pub fn table(database: &str, name: &str, rows: i64) -> TableEvidence {
    let (database, name) = (database.to_owned(), name.to_owned());
    // The same name has the same object id in every sample.
    let oid = name.bytes().fold(16_400, |oid, byte| {
        (oid * 31 + i64::from(byte)) % 1_000_000_007
    });
    TableEvidence {
        database,
        name,
        oid,
        relfilenode: Some(oid),
        rows,
        count: CountKind::Exact,
        lower_bound: None,
        unlogged: false,
    }
}

/// A volume at the place of the data.
pub fn volume(claim: &str, name: &str, created: &str) -> MountedVolume {
    MountedVolume {
        claim: claim.to_owned(),
        claim_uid: format!("uid-of-{claim}-for-{name}"),
        volume: name.to_owned(),
        volume_handle: format!("/volumes/{name}"),
        node: String::new(),
        created_at: Some(time(created)),
        mount_path: "/var/lib/postgresql/data".to_owned(),
        sub_path: String::new(),
    }
}

/// What a server says before a login, as long as nothing changes.
pub fn without_login() -> WithoutLogin {
    WithoutLogin {
        method: LoginMethod::ScramSha256,
        cluster_digest: Some("salt-of-nobody".to_owned()),
        role: Some("name-of-the-role".to_owned()),
        role_digest: Some("salt-of-the-role".to_owned()),
        role_missing: false,
        default_port_digest: None,
        configured_directory: "/var/lib/postgresql/data/pgdata".to_owned(),
    }
}

pub fn time(text: &str) -> Time {
    Time(text.parse::<Timestamp>().expect("a time"))
}

fn identifier(second: u64) -> String {
    (second << 32).to_string()
}

fn spec() -> ProtectedDatabaseSpec {
    serde_json::from_value(json!({
        "workload": { "kind": "StatefulSet", "name": "knowledge-postgres" },
        "connection": { "database": "knowledge_os", "credentialsSecret": { "name": "pg-auth" } },
        "verification": { "tables": [
            { "name": "public.experts", "minRows": 80 },
            { "name": "public.knowledge_nodes", "minRows": 10000, "maxDropPercent": 20 },
        ] },
    }))
    .expect("a spec")
}

fn evidence() -> Evidence {
    let tables = vec![
        table("knowledge_os", "public.knowledge_nodes", 26_337),
        table("knowledge_os", "public.audit", 5_000),
        table("knowledge_os", "public.experts", 85),
        table("knowledge_os", "public.jobs", 12),
        table("knowledge_os", "public.drafts", 0),
    ];
    Evidence {
        server_address: String::new(),
        identity: Identity {
            system_identifier: identifier(INITIALIZED),
            initialized_at: time("2026-01-19T12:34:56Z"),
            timeline: 1,
            wal_position: "0/1A2B3C8".to_owned(),
            next_transaction_id: "1234".to_owned(),
            postmaster_started_at: time("2026-01-30T09:00:00Z"),
            server_version: "15.18".to_owned(),
            data_directory: "/var/lib/postgresql/data/pgdata".to_owned(),
            in_recovery: false,
        },
        databases: [("knowledge_os", 16_384), ("postgres", 5)]
            .map(|(name, oid)| DatabaseEvidence {
                name: name.to_owned(),
                oid,
            })
            .into(),
        table_count: 5,
        total_rows: tables.iter().map(|table| table.rows).sum(),
        tables,
        missing_tables: None,
        coverage: Vec::new(),
        other_databases: Vec::new(),
        sequences: Vec::new(),
        superuser: false,
        partial: false,
        image: None,
        observed_at: time("2026-01-31T09:00:00Z"),
    }
}
