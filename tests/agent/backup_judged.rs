//! The rows of a dump are compared with the last good check before the set is called good, and with
//! what nobody can read of the dump.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use holdfast::agent::{Interrupt, KnownGood, SetOrder, TakenSet, build_evidence, take_set};
use holdfast::api::Finding;
use holdfast::store::{CountedBy, Manifest, SetState};

use crate::backup_scene::{FOLDER, Says, Scene};
use crate::support::postgres::PASSWORD;

const FILLED: &str = "create table experts (id int); insert into experts select generate_series(1, 85); \
    create table knowledge_nodes (id int, body text); insert into knowledge_nodes select n, md5(n::text) \
    from generate_series(1, 26337) n;";

/// What a ProtectedDatabase says whose last good check has found what is in that set.
fn says_of(scene: &Scene, known: &Manifest) -> Says {
    let says = scene.says();
    let known = KnownGood {
        baseline: Some(("knowledge-41".to_owned(), build_evidence(known))),
        ..says.known.clone().unwrap()
    };
    Says {
        known: Ok(known),
        ..says
    }
}

async fn take(order: &SetOrder<'_>, says: &Says) -> TakenSet {
    take_set(order, says, &Interrupt::by_hand().1)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_of_emptied_data_is_suspect_although_no_check_has_seen_it() {
    let scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    scene.postgres.execute("postgres", FILLED).await;
    let good = take(&scene.order_number(1), &scene.says()).await.manifest;
    assert_eq!(good.state, SetState::Good, "{:?}", good.why);
    let says = says_of(&scene, &good);
    let same = take(&scene.order_number(2), &says).await.manifest;
    assert_eq!(same.state, SetState::Good, "{:?}", same.why);
    assert_eq!(same.compared_with.as_deref(), Some("knowledge-41"));

    for (number, (emptied, named)) in [
        (
            "truncate knowledge_nodes",
            "public.knowledge_nodes: 26,337 -> 0 rows",
        ),
        ("drop table knowledge_nodes", "public.knowledge_nodes"),
    ]
    .into_iter()
    .enumerate()
    {
        scene.postgres.execute("postgres", emptied).await;
        let order = scene.order_number(u32::try_from(number).unwrap() + 3);
        let suspect = take(&order, &says).await.manifest;
        assert_eq!(suspect.state, SetState::Suspect, "{emptied}");
        let why = suspect.why.unwrap();
        assert!(
            why.contains("the rows of the dump itself") && why.contains(named),
            "{emptied}: {why}"
        );
        assert!(
            matches!(
                suspect.findings.first(),
                Some(Finding::TablesEmptied { .. } | Finding::TablesMissing { .. })
            ),
            "{emptied}: {:?}",
            suspect.findings
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_that_could_not_be_compared_is_suspect_and_an_unverified_one_says_so() {
    let scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    scene.postgres.execute("postgres", FILLED).await;
    let unknown = Says {
        known: Err("DatabaseCheck knowledge-41 could not be read".to_owned()),
        ..scene.says()
    };
    let set = take(&scene.order_number(1), &unknown).await.manifest;
    assert_eq!(set.state, SetState::Suspect);
    assert!(set.why.unwrap().contains("knowledge-41 could not be read"));

    let mut unverified = scene.says();
    if let Ok(known) = &mut unverified.known {
        known.unverified = Some("DataVerified was Unknown (Checking): m".to_owned());
    }
    let set = take(&scene.order_number(2), &unverified).await.manifest;
    assert_eq!(set.state, SetState::Good);
    assert_eq!(
        set.unverified.as_deref(),
        Some("DataVerified was Unknown (Checking): m")
    );
}

/// A stand-in for `pg_dump` that writes what the real one does, in a version of the format that nobody
/// here knows.
fn newer_program(scene: &Scene) -> std::path::PathBuf {
    let program = scene.files.work.join("newer");
    let real = holdfast::postgres::find_program("pg_dump").unwrap();
    let script = format!(
        "#!/bin/sh\n\"{}\" \"$@\" | {{ head -c 6; head -c 1 > {}; printf '\\021'; cat; }}\n",
        real.display(),
        scene.files.work.join("version").display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_of_an_unknown_version_is_stored_and_counted_in_its_snapshot() {
    let scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    scene.postgres.execute("postgres", FILLED).await;
    let good = take(&scene.order_number(1), &scene.says()).await.manifest;
    let says = says_of(&scene, &good);
    let program = newer_program(&scene);
    let order = |number| SetOrder {
        dump_program: Some(program.clone()),
        ..scene.order_number(number)
    };
    let set = take(&order(7), &says).await.manifest;
    assert_eq!(set.state, SetState::Good, "{:?}", set.why);
    let database = &set.databases[0];
    assert_eq!(
        (
            database.archive_version.as_deref(),
            database.counted_by,
            database.rows
        ),
        (Some("1.17"), CountedBy::Query, 85 + 26_337)
    );
    assert_eq!(database.tables[0].blake3, None, "nobody has read its bytes");
    let stored = scene.bucket.read(&format!("{FOLDER}/dump.pgc.zst"));
    let archive = zstd::decode_all(stored.as_slice()).unwrap();
    assert_eq!(&archive[..7], b"PGDMP\x01\x11");
    assert!(archive.len() > 1 << 20, "all of it is stored");

    scene
        .postgres
        .execute("postgres", "truncate knowledge_nodes")
        .await;
    let suspect = take(&order(8), &says).await.manifest;
    assert_eq!(suspect.state, SetState::Suspect, "it is judged, too");
}
