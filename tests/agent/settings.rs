//! The settings of a check: those of the owner do not reach it, its own do not stay behind, and a
//! pooler that drops them is noticed.

use std::fs;
use std::time::Duration;

use holdfast::agent::gather;
use holdfast::api::reasons;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::check::{check_request, mounted};
use crate::support::postgres::{PASSWORD, TestPostgres};

/// Passes everything on to the server but the options of a session, as poolers do that are told to
/// ignore them.
async fn start_pooler(server: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass_on(client, server));
        }
    });
    port
}

async fn pass_on(mut client: TcpStream, server: u16) -> std::io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", server)).await?;
    let mut message = read_start(&mut client).await?;
    if message.len() == 4 {
        // It asks for encryption.
        client.write_all(b"N").await?;
        message = read_start(&mut client).await?;
    }
    let (version, parameters) = message.split_at(4);
    let words: Vec<&[u8]> = parameters.split(|byte| *byte == 0).collect();
    let mut kept = version.to_vec();
    for pair in words.chunks(2) {
        if let [name, value] = pair
            && !name.is_empty()
            && *name != b"options"
        {
            kept.extend([*name, b"\0", *value, b"\0"].concat());
        }
    }
    kept.push(0);
    server
        .write_all(&u32::try_from(kept.len() + 4).unwrap().to_be_bytes())
        .await?;
    server.write_all(&kept).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

async fn read_start(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let length = client.read_u32().await?;
    let mut message = vec![0; usize::try_from(length).unwrap() - 4];
    client.read_exact(&mut message).await?;
    Ok(message)
}

#[tokio::test]
async fn a_pooler_that_drops_the_settings_is_refused() {
    let server = TestPostgres::start();
    let (mut request, credentials) = server.request(&["postgres"], "postgres", PASSWORD);
    request.port = start_pooler(server.port()).await;
    let found = gather(&check_request(request, &[]), &mounted(&credentials)).await;
    assert_eq!(found.evidence, None);
    let failure = found.failure.unwrap();
    assert_eq!(failure.reason, reasons::SETTINGS_IGNORED);
    assert!(
        failure.message.contains("search_path") && failure.message.contains("pooler"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn nothing_that_a_check_sets_outlives_its_transaction() {
    let mut server = TestPostgres::prepare("log_statement = all\n");
    server.launch();
    server
        .execute("postgres", "create table t as select generate_series(1, 9)")
        .await;
    let before = fs::read_to_string(server.file("log")).unwrap().len();
    let (request, credentials) = server.request(&["postgres"], "postgres", PASSWORD);
    let found = gather(
        &check_request(request, &["public.t"]),
        &mounted(&credentials),
    )
    .await;
    assert_eq!(found.failure, None);
    let log = fs::read_to_string(server.file("log")).unwrap();
    let said = log[before..].to_lowercase();
    assert!(said.contains("set_config("), "{said}");
    assert_eq!(
        said.matches("set_config(").count(),
        said.matches("', true)").count(),
        "each of them ends with the transaction"
    );
    for lasting in ["statement: set ", "; set ", "reset "] {
        assert!(!said.contains(lasting), "{lasting}: {said}");
    }
}

#[tokio::test]
async fn settings_of_the_owner_make_a_check_neither_wait_nor_work_more() {
    let server = TestPostgres::start();
    server
        .execute(
            "postgres",
            "create role agent login password 'secret'; grant pg_read_all_settings, pg_read_all_data to \
             agent; create table t as select generate_series(1, 100000) as id",
        )
        .await;
    for setting in [
        "default_transaction_isolation = 'serializable'",
        "default_transaction_deferrable = on",
        "max_parallel_workers_per_gather = 8",
        "min_parallel_table_scan_size = 0",
        "parallel_setup_cost = 0",
        "parallel_tuple_cost = 0",
        "jit = on",
        "jit_above_cost = 0",
        "standard_conforming_strings = off",
        "bytea_output = escape",
        "client_encoding = 'LATIN1'",
        "search_path = public",
    ] {
        for of in ["database postgres", "role agent"] {
            server
                .execute("postgres", &format!("alter {of} set {setting}"))
                .await;
        }
    }
    // A deferrable transaction waits until this one has ended.
    let writer = server.superuser("postgres").await;
    writer
        .batch_execute(
            "begin isolation level serializable; select count(*) from t; update t set id = 0 where \
             id = 1",
        )
        .await
        .unwrap();
    let (request, credentials) = server.request(&["postgres"], "agent", "secret");
    let begun = Instant::now();
    let found = gather(
        &check_request(request, &["public.t"]),
        &mounted(&credentials),
    )
    .await;
    assert_eq!(found.failure, None);
    assert_eq!(found.evidence.unwrap().total_rows, 100_000);
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn the_owner_of_a_database_can_not_choose_as_whom_a_check_runs() {
    let server = TestPostgres::start();
    server
        .execute(
            "postgres",
            "create role boss superuser login password 'secret'; create role agent login password \
             'secret'; create role owner; grant owner to agent; grant pg_read_all_data to agent",
        )
        .await;
    server
        .execute("postgres", "create database shop owner owner")
        .await;
    server
        .execute(
            "shop",
            "create table t as select 1 as id; set role owner; alter database shop set role = \
             'owner'",
        )
        .await;
    for role in ["boss", "agent"] {
        let (request, credentials) = server.request(&["shop"], role, "secret");
        let found = gather(
            &check_request(request, &["public.t"]),
            &mounted(&credentials),
        )
        .await;
        assert_eq!(found.failure, None, "{role} reads what it was granted");
        let evidence = found.evidence.unwrap();
        assert_eq!(evidence.superuser, role == "boss");
        assert_eq!(evidence.total_rows, 1);
    }
}
