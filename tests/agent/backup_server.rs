//! One server and one snapshot for a set: whatever answers when, a set is of one server or there is
//! none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use holdfast::agent::{Interrupt, take_set};
use holdfast::api::reasons;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::backup_scene::{BULKY, Scene, bulky};
use crate::support::postgres::{PASSWORD, TestPostgres};

/// What stands before two servers, as a Service does: from some connection on all go to the other one.
struct Service {
    port: u16,
    connections: Arc<AtomicUsize>,
    switch_at: Arc<AtomicUsize>,
    cut: watch::Sender<bool>,
}

impl Service {
    /// `cuts` says whether the connections that are open end with the switch.
    async fn start(first: u16, second: u16, cuts: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let switch_at = Arc::new(AtomicUsize::new(usize::MAX));
        let (cut, _) = watch::channel(false);
        let service = Self {
            port,
            connections: connections.clone(),
            switch_at: switch_at.clone(),
            cut: cut.clone(),
        };
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let number = connections.fetch_add(1, Ordering::SeqCst);
                let is_second = number >= switch_at.load(Ordering::SeqCst);
                let port = if is_second { second } else { first };
                if is_second && cuts {
                    cut.send_replace(true);
                }
                let mut ended = cut.subscribe();
                tokio::spawn(async move {
                    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else {
                        return;
                    };
                    let is_of_first = port == first;
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        _ = ended.wait_for(|ended| *ended && is_of_first) => {}
                    }
                });
            }
        });
        service
    }

    fn switch_after(&self, connections: usize) {
        self.cut.send_replace(false);
        self.connections.store(0, Ordering::SeqCst);
        self.switch_at.store(connections, Ordering::SeqCst);
    }
}

async fn switch_at_every_connection(cuts: bool) {
    let mut scene = Scene::new(&["postgres", "further"], "postgres", PASSWORD);
    let other = TestPostgres::start();
    for server in [&scene.postgres, &other] {
        server.execute("postgres", "create database further").await;
        server
            .execute(
                "postgres",
                "create table t (id int); insert into t values (1)",
            )
            .await;
        server
            .execute(
                "further",
                "create table u (id int); insert into u values (1)",
            )
            .await;
    }
    // A large enough table that connections open and close while it is dumped.
    scene.postgres.execute("further", &bulky(BULKY)).await;
    let service = Service::start(scene.postgres.port(), other.port(), cuts).await;
    scene.request.server.port = service.port;

    service.switch_after(usize::MAX);
    let whole = scene.take_number(0).await.unwrap();
    let connections = service.connections.load(Ordering::SeqCst);
    let of_first = whole.manifest.identity.system_identifier;
    assert!(connections >= 5, "{connections}");
    let before = scene.bucket.objects();

    for switch in 1..connections {
        service.switch_after(switch);
        let failure = scene.take_number(u32::try_from(switch).unwrap() + 1).await;
        let failure = match failure {
            Err(failure) => failure,
            Ok(set) => panic!(
                "switched at connection {switch}: {:?}",
                set.manifest.identity
            ),
        };
        assert_eq!(
            failure.reason,
            reasons::SERVER_CHANGED,
            "switched at connection {switch} of {connections}: {}",
            failure.message
        );
        assert_eq!(
            (scene.bucket.objects(), scene.bucket.unfinished_parts()),
            (before.clone(), 0),
            "switched at connection {switch}"
        );
    }

    service.switch_after(0);
    let whole = scene.take_number(900).await.unwrap();
    assert_ne!(
        whole.manifest.identity.system_identifier, of_first,
        "a set that begins at the other server is that one's"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_is_of_one_server_where_a_service_switches_and_leaves_connections() {
    Box::pin(switch_at_every_connection(false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_is_of_one_server_where_a_switch_ends_connections() {
    Box::pin(switch_at_every_connection(true)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_created_again_meanwhile_is_another_one() {
    let scene = Scene::new(&["postgres", "further"], "postgres", PASSWORD);
    scene.postgres.execute("postgres", &bulky(BULKY)).await;
    scene
        .postgres
        .execute("postgres", "create database further")
        .await;
    let order = scene.order();
    let (says, interrupt) = (scene.says(), Interrupt::by_hand().1);
    let (outcome, ()) = tokio::join!(take_set(&order, &says, &interrupt), async {
        scene.wait_for_parts().await;
        scene
            .postgres
            .execute("postgres", "drop database further")
            .await;
        scene
            .postgres
            .execute("postgres", "create database further")
            .await;
    });
    let failure = outcome.unwrap_err();
    assert_eq!(
        failure.reason,
        reasons::SERVER_CHANGED,
        "{}",
        failure.message
    );
    scene.assert_nothing_is_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_backup_at_once_is_not_begun_and_what_a_killed_one_left_is_ended() {
    let scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    let order = scene.order();
    let lock = order.lock_number();
    let other = scene.postgres.superuser("postgres").await;
    other
        .batch_execute(&format!("select pg_advisory_lock({lock})"))
        .await
        .unwrap();
    let failure = scene.take(None).await.unwrap_err();
    assert_eq!(failure.reason, reasons::ANOTHER_IS_RUNNING);
    scene.assert_nothing_is_left();
    drop(other);

    let left = scene.postgres.superuser("postgres").await;
    let name = format!("{}20200101T000000Z-00000001", order.application_names().0);
    left.batch_execute(&format!("set application_name = '{name}'"))
        .await
        .unwrap();
    scene.take(None).await.unwrap();
    left.batch_execute("select 1")
        .await
        .expect_err("it was ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_ends_no_snapshot() {
    use holdfast::postgres::{Login, Snapshot, fetch_tables};
    let scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    let login = Login::read(
        &scene.request.server,
        "atra",
        "127.0.0.1",
        &scene.files.postgres_credentials,
        std::path::Path::new("/nowhere"),
        std::path::Path::new("/nowhere"),
    )
    .unwrap();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_mins(5);
    let snapshot = Snapshot::open(&login, "postgres", deadline, None)
        .await
        .unwrap()
        .unwrap();
    scene
        .postgres
        .execute("postgres", "create table later (id int)")
        .await;
    snapshot
        .session
        .fetch_rows("select 1 / 0")
        .await
        .unwrap_err();
    let tables = fetch_tables(&snapshot.session).await.unwrap();
    assert_eq!(tables.tables, [], "what came later is not in the snapshot");
    let difference = snapshot
        .find_difference(
            &login,
            &["postgres".to_owned()],
            std::time::Duration::from_mins(1),
        )
        .await;
    assert_eq!(difference, Ok(None));
}
