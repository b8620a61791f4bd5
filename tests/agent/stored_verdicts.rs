//! The short look on a real server: what checks have said is beside the manifests soon, and nothing else is done.

use holdfast::agent::{ClusterView, KnownBackup, store_new_verdicts};
use holdfast::api::{CatalogReport, CatalogRequest};
use holdfast::store::{Held, Standing};

use crate::catalog::{confirmed, demoted};
use crate::retention_scene::{Says, UID, request, store_aged, visible};
use crate::support::object_store::TestObjectStore;

const JOB: &str = "catalog-2";

fn asked(server: &TestObjectStore) -> CatalogRequest {
    CatalogRequest {
        verdicts_only: true,
        ..request(server, 1)
    }
}

/// A cluster that knows these sets, with the report of an earlier look.
fn says(taken: &[KnownBackup], last: Option<CatalogReport>) -> Says {
    Says::with(ClusterView {
        taken: taken.to_vec(),
        newest_confirmed: taken.last().map(|set| set.path.clone()),
        last,
        ..ClusterView::default()
    })
}

fn earlier() -> Option<CatalogReport> {
    Some(CatalogReport {
        job: "catalog-1".to_owned(),
        sets: 7,
        removes: true,
        ..CatalogReport::default()
    })
}

fn names(sets: &[&KnownBackup]) -> Vec<String> {
    let names = sets.iter().map(|set| set.path.rsplit('/').next().unwrap());
    names.map(str::to_owned).collect()
}

async fn standings(server: &TestObjectStore) -> Vec<Standing> {
    let sets = visible(server).await;
    sets.into_iter().map(|(_, standing)| standing).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_cluster_knew_is_in_the_bucket() {
    let server = TestObjectStore::start();
    let mut sets = Vec::new();
    for number in 0..3 {
        sets.push(store_aged(&server, number, UID).await);
    }
    sets[1].verdict = Some(demoted());
    sets[2].verdict = None;
    let before = server.objects().len();
    let asked = asked(&server);
    let says_of = |sets: &[KnownBackup], last| says(sets, last);
    let store = server.open();
    let looked = store_new_verdicts(&store, &asked, &says_of(&sets, earlier()), JOB).await;
    let (report, failure) = looked.unwrap();
    assert_eq!(failure, None);
    let expected = [
        Standing::Confirmed,
        Standing::Demoted,
        Standing::Unconfirmed,
    ];
    assert_eq!(standings(&server).await, expected);
    assert_eq!(
        server.objects().len(),
        before + 2,
        "nothing else is stored or removed"
    );
    // What the last look has found stays as it is.
    let stored = report.verdicts.clone().unwrap();
    assert_eq!(
        (report.job.as_str(), report.sets, report.removes),
        ("catalog-1", 7, true)
    );
    assert_eq!(stored.job, JOB);
    assert_eq!(
        (stored.confirmed, stored.demoted),
        (names(&[&sets[0]]), names(&[&sets[1]]))
    );

    // The next one stores what is new, and looks for nothing else: there it is gone, and stays so.
    let of_first = format!("{}/verdict-", sets[0].path);
    let gone = server
        .objects()
        .into_iter()
        .find(|key| key.starts_with(&of_first));
    std::fs::remove_file(server.file(&gone.unwrap())).unwrap();
    sets[2].verdict = Some(confirmed());
    let looked = store_new_verdicts(&store, &asked, &says_of(&sets, Some(report)), JOB).await;
    let (report, _) = looked.unwrap();
    let expected = [
        Standing::Unconfirmed,
        Standing::Demoted,
        Standing::Confirmed,
    ];
    assert_eq!(standings(&server).await, expected);
    let stored = report.verdicts.unwrap();
    assert_eq!(
        stored.confirmed,
        names(&[&sets[2], &sets[0]]),
        "the newest first"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_stored_or_read_is_not_reported_as_stored() {
    let server = TestObjectStore::start();
    let set = store_aged(&server, 0, UID).await;
    let sets = [set];
    let asked = asked(&server);
    let before = server.objects();
    for says in [
        says(&sets, earlier()).held(Held::ClusterUnread),
        says(&sets, None),
    ] {
        let looked = store_new_verdicts(&server.open(), &asked, &says, JOB).await;
        assert!(looked.is_err(), "{looked:?}");
    }
    assert_eq!(server.objects(), before);
    // The bucket is gone.
    let store = server.open();
    drop(server);
    let looked = store_new_verdicts(&store, &asked, &says(&sets, earlier()), JOB).await;
    let (report, failure) = looked.unwrap();
    assert!(failure.is_some());
    assert!(report.verdicts.unwrap().confirmed.is_empty());
}
