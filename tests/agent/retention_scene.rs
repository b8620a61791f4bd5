//! A bucket with sets of a database, of different ages, and what its cluster would say.

use std::fs::{self, File};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use holdfast::agent::{CatalogSource, ClusterView, KnownBackup, look_at_sets};
use holdfast::api::{CatalogReport, CatalogRequest, Retention};
use holdfast::store::{
    Held, S3Store, SetContents, Standing, StoredVerdict, fetch_catalog, set_suffix, store_verdict,
};

use crate::catalog::{StoredSet, confirmed, put, store_set_of};
use crate::support::object_store::TestObjectStore;

pub const UID: &str = "uid-1";
pub const FOLDER: &str = "prod/atra/knowledge";

/// The name of a directory of a ProtectedDatabase.
pub fn name_of(number: u32, uid: &str) -> String {
    let suffix = set_suffix(uid, &number.to_string());
    format!("202602{:02}T090000Z-{suffix:08x}", number + 1)
}

/// Sets the time at which the server stored everything below a directory.
pub fn age(server: &TestObjectStore, path: &str, days: u64) {
    let time = SystemTime::now() - Duration::from_hours(24 * days);
    for entry in fs::read_dir(server.file(path)).unwrap() {
        let file = File::open(entry.unwrap().path()).unwrap();
        file.set_modified(time).unwrap();
    }
}

/// Stores a set of a day, and says how old it is.
pub async fn store_aged(server: &TestObjectStore, number: u32, uid: &str) -> KnownBackup {
    let (path, sha256) = store_on(&server.open(), number, uid).await;
    age(server, &path, 40 - u64::from(number));
    KnownBackup {
        path,
        manifest_sha256: Some(sha256),
        verdict: Some(confirmed()),
    }
}

async fn store_on(store: &S3Store, number: u32, uid: &str) -> (String, String) {
    let set = StoredSet {
        name: &name_of(number, uid),
        position: &format!("0/{}", number + 1),
        uid,
        cluster: Some("cluster-1"),
        taken: &format!("2026-02-{:02}T09:00:00Z", number + 1),
    };
    store_set_of(store, &set).await
}

/// Sets of `uid-1` that are confirmed, the oldest first.
pub async fn store_sets(server: &TestObjectStore, count: u32) -> Vec<KnownBackup> {
    let mut sets = Vec::new();
    for number in 0..count {
        let set = store_aged(server, number, UID).await;
        let sha256 = set.manifest_sha256.clone().unwrap();
        let verdict = StoredVerdict::new(&confirmed(), &sha256);
        store_verdict(&server.open(), &set.path, &verdict)
            .await
            .unwrap();
        age(server, &set.path, 40 - u64::from(number));
        sets.push(set);
    }
    sets
}

/// A directory without a manifest.
pub async fn store_unfinished(
    server: &TestObjectStore,
    number: u32,
    uid: &str,
    days: u64,
) -> String {
    let path = format!("{FOLDER}/{}", name_of(number, uid));
    put(&server.open(), format!("{path}/globals.sql.zst"), b"x").await;
    age(server, &path, days);
    path
}

/// What runs before the cluster is asked the so-manieth time.
type Meanwhile = Box<dyn Fn(usize, &mut ClusterView) + Send + Sync>;

/// A cluster that says this.
pub struct Says {
    view: ClusterView,
    meanwhile: Meanwhile,
    asked: Mutex<usize>,
    /// What was noted.
    pub notes: Mutex<Vec<CatalogReport>>,
    /// Whether a note fails.
    pub is_deaf: bool,
}

impl Says {
    pub fn new(taken: &[KnownBackup]) -> Self {
        Self::with(ClusterView {
            taken: taken.to_vec(),
            newest_confirmed: taken.last().map(|set| set.path.clone()),
            ..ClusterView::default()
        })
    }

    /// A cluster that says exactly this.
    pub fn with(view: ClusterView) -> Self {
        Self {
            view,
            meanwhile: Box::new(|_, _| ()),
            asked: Mutex::default(),
            notes: Mutex::default(),
            is_deaf: false,
        }
    }

    /// Something happens while the sets are looked at: the number says how often the cluster was asked.
    pub fn while_asked(
        mut self,
        meanwhile: impl Fn(usize, &mut ClusterView) + Send + Sync + 'static,
    ) -> Self {
        self.meanwhile = Box::new(meanwhile);
        self
    }

    pub fn held(self, held: Held) -> Self {
        self.while_asked(move |_, view| view.held = Some(held))
    }
}

impl CatalogSource for Says {
    async fn fetch_view(&self) -> ClusterView {
        let mut view = self.view.clone();
        let asked = {
            let mut asked = self.asked.lock().unwrap();
            *asked += 1;
            *asked
        };
        (self.meanwhile)(asked, &mut view);
        view
    }

    async fn note(&self, report: &CatalogReport) -> Result<(), String> {
        self.notes.lock().unwrap().push(report.clone());
        if self.is_deaf {
            return Err("the API server does not answer".to_owned());
        }
        Ok(())
    }
}

pub fn request(server: &TestObjectStore, keep_last: i32) -> CatalogRequest {
    CatalogRequest {
        namespace: "atra".to_owned(),
        database: "knowledge".to_owned(),
        database_uid: UID.to_owned(),
        kubernetes_cluster: Some("cluster-1".to_owned()),
        backup: "newest".to_owned(),
        storage: server.storage(),
        backup_storage: None,
        deadline_seconds: 60,
        retention: Some(Retention {
            keep_last: Some(keep_last),
            keep_days: None,
            keep_weekly: None,
            keep_monthly: None,
            credentials_secret: None,
        }),
        removes: true,
        removing: Vec::new(),
        sample_bytes: 0,
        verdicts_only: false,
    }
}

/// Looks once.
pub async fn look(store: &S3Store, request: &CatalogRequest, says: &Says) -> CatalogReport {
    let mut report = CatalogReport::default();
    look_at_sets(store, request, says, &mut report).await;
    report
}

/// The directories that have a manifest, and whether they count.
pub async fn visible(server: &TestObjectStore) -> Vec<(String, Standing)> {
    let store = server.open();
    let sets = fetch_catalog(&store, "prod", "atra", "knowledge");
    let sets = sets.await.unwrap();
    sets.iter()
        .filter_map(|set| match &set.facts.contents {
            SetContents::Set(record) => Some((set.facts.path.clone(), record.standing)),
            _ => None,
        })
        .collect()
}

/// How many objects of a directory the server has.
pub fn objects_of(server: &TestObjectStore, path: &str) -> usize {
    let directory = format!("{path}/");
    let objects = server.objects();
    objects
        .iter()
        .filter(|key| key.starts_with(&directory))
        .count()
}
