//! What is not brought along is named with its command, and versions of collations are compared with what they
//! mean.
#![allow(clippy::unwrap_used, reason = "a test")]

use serde_json::{Value, json};

use super::*;

fn database(description: &Value) -> ManifestDatabase {
    let mut whole = json!({
        "oid": 5, "encoding": "UTF8", "localeProvider": "c", "collate": "en_US.utf8", "ctype": "C",
        "owner": "keeper", "connectionLimit": -1, "sequences": 0,
    });
    for (key, value) in description.as_object().unwrap() {
        whole[key] = value.clone();
    }
    serde_json::from_value(json!({
        "name": "shop", "object": "dump.pgc.zst", "rows": 0, "tables": [],
        "largeObjects": {"count": 0, "bytes": 0}, "extensions": [], "description": whole,
    }))
    .unwrap()
}

#[test]
fn each_subscription_has_the_command_that_creates_it_again() {
    let mut found = Preflight::default();
    look_at_subscriptions(&database(&json!({})), &mut found);
    assert_eq!(found, Preflight::default());
    let subscriptions = json!([
        {"name": "mirror", "enabled": true, "slot": "mirror", "publications": ["news", "Old \"ones\""]},
        {"name": "Odd\n`name`", "enabled": false},
        {"name": "a".repeat(63), "enabled": true, "publications": ["p"]},
    ]);
    look_at_subscriptions(
        &database(&json!({"subscriptions": subscriptions})),
        &mut found,
    );
    insta::assert_snapshot!(found.warnings.join("\n"));
    assert!(slot_of(&"a".repeat(63)).len() <= SLOT);
}

#[test]
fn another_version_of_a_collation_is_said_with_what_it_means() {
    let said = |description: Value, change: fn(&mut ServerFacts)| {
        let mut server = ServerFacts {
            libc_version: Some("2.36".to_owned()),
            ..ServerFacts::default()
        };
        let icu = ("i".to_owned(), "de-DE".to_owned());
        server.collations.insert(icu, "153.120".to_owned());
        change(&mut server);
        let mut found = Preflight::default();
        look_at_collation(&database(&description), &server, &mut found);
        assert!(found.problems.is_empty());
        found.warnings.join("\n")
    };
    let libc = |version: &str| json!({"collationVersion": version});
    let icu = |version: &str| json!({"collationVersion": version, "localeProvider": "i", "locale": "de-DE"});
    assert_eq!(said(libc("2.36"), |_| {}), "");
    assert_eq!(said(icu("153.120"), |_| {}), "");
    // One with the order of its bytes has no version.
    assert_eq!(said(json!({"collate": "C"}), |_| {}), "");
    for other in [
        said(libc("2.31"), |_| {}),
        said(icu("153.14"), |_| {}),
        // What a database of the server has counts before what libc says.
        said(libc("2.36"), |server| {
            let key = ("c".to_owned(), "en_US.utf8".to_owned());
            server.collations.insert(key, "2.41".to_owned());
        }),
    ] {
        assert!(
            other.contains("no REINDEX is needed") && other.contains("another order"),
            "{other}"
        );
    }
    let unknown = said(libc("2.36"), |server| server.libc_version = None);
    assert!(unknown.contains("is not known"), "{unknown}");
}

#[test]
fn a_pooler_is_named_with_what_to_do() {
    let server = ServerFacts {
        poolers: vec![
            ("shop".to_owned(), "PgBouncer 1.23".to_owned()),
            ("other".to_owned(), "pgcat".to_owned()),
        ],
        ..ServerFacts::default()
    };
    let mut found = Preflight::default();
    look_at_poolers(&database(&json!({})), &server, &mut found);
    assert_eq!(found.warnings.len(), 1);
    let said = &found.warnings[0];
    assert!(
        said.contains("\"PgBouncer 1.23\"") && !said.contains("pgcat"),
        "{said}"
    );
    assert!(
        said.contains("server_login_retry") && said.contains("`PAUSE`"),
        "{said}"
    );
}
