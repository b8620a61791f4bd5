//! Everything that stands against a set is named, all at once; a manifest of any content is refused or
//! taken, and nothing panics.
#![allow(clippy::unwrap_used, reason = "a test")]

use super::super::restore_server_facts::{OfferedExtension, SessionFact};
use super::*;
use crate::agent::contents_sample;
use crate::postgres::DatabaseDescription;
use crate::store::{ObjectEncryption, is_object_name};

const MANIFEST: &str = r#"{"formatVersion": 2, "state": "good", "backup": "b",
    "protectedDatabase": {"namespace": "n", "name": "shop", "uid": "u"},
    "identity": {"systemIdentifier": "7", "initializedAt": "2026-01-01T00:00:00Z", "timeline": 1,
        "walPosition": "0/1", "nextTransactionId": "9", "snapshotTime": "2026-01-01T00:00:00Z",
        "inRecovery": false},
    "serverVersion": "16.2", "clientVersion": "16.2", "holdfastVersion": "0.1.0",
    "databases": [{"name": "shop", "object": "dump.pgc.zst", "rows": 3,
        "tables": [{"schema": "public", "name": "t", "rows": 3, "bytes": 6, "blake3": "00"}],
        "largeObjects": {"count": 0, "bytes": 0},
        "extensions": [{"name": "plpgsql", "version": "1.0"}, {"name": "pg_trgm", "version": "1.6"}],
        "description": {"oid": 5, "encoding": "UTF8", "localeProvider": "c", "collate": "C", "ctype": "C",
            "owner": "keeper", "connectionLimit": -1, "acl": "{=c/keeper,reader=c/keeper}",
            "roles": ["keeper", "writer"], "sequences": 0, "extensions": [],
            "settings": [{"role": "setter", "name": "work_mem", "value": "1MB"}]}}],
    "objects": [{"name": "dump.pgc.zst", "size": 1, "sha256": "00", "storeChecksum": "", "rawSize": 1,
        "compression": "zstd"}],
    "recipients": [], "durations": {"startedAt": "2026-01-01T00:00:00Z",
        "completedAt": "2026-01-01T00:00:00Z", "dumpSeconds": 1, "globalsSeconds": 1}}"#;

fn manifest() -> Manifest {
    serde_json::from_str(MANIFEST).unwrap()
}

#[test]
fn a_database_that_nobody_has_confirmed_is_not_replaced() {
    let refused = |databases: &[&str]| {
        let request = serde_json::json!({
            "namespace": "n", "database": "shop", "databaseUid": "u", "restore": "r", "restoreUid": "v",
            "server": {
                "port": 5432, "databases": databases, "tlsMode": "Disable", "tlsCa": false,
                "credentialsSecret": "", "usernameKey": "", "passwordKey": "",
            },
            "storage": {"bucket": "b", "region": "r"}, "path": "n/shop/s", "manifestSha256": "00",
            "into": "Replace", "retrySeconds": 1, "deadlineSeconds": 1,
        });
        let request: crate::api::RestoreRequest = serde_json::from_value(request).unwrap();
        let found = super::super::restore_preflight_asked::not_asked_for(&manifest(), &request);
        found.is_some_and(|why| why.contains("'shop'") || why.contains("\"shop\""))
    };
    assert!(refused(&["other"]) && !refused(&["shop", "other"]));
}

fn server() -> ServerFacts {
    let offered = |name: &str, version: &str, for_superusers| OfferedExtension {
        name: name.to_owned(),
        version: version.to_owned(),
        is_default: true,
        for_superusers,
    };
    ServerFacts {
        major: 16,
        role: "restorer".to_owned(),
        is_superuser: true,
        roles: ["restorer", "keeper", "reader", "writer", "setter"]
            .map(|role| (role.to_owned(), true))
            .into(),
        tablespaces: ["pg_default".to_owned()].into(),
        extensions: vec![
            offered("plpgsql", "1.0", false),
            offered("pg_trgm", "1.6", false),
        ],
        ..ServerFacts::default()
    }
}

fn entry(change: impl FnOnce(&mut ContentsEntry)) -> ContentsEntry {
    let mut entry = ContentsEntry {
        schema: "public".to_owned(),
        ..contents_sample::entry(1, "TABLE", "t")
    };
    change(&mut entry);
    entry
}

fn look(
    contents: Vec<ContentsEntry>,
    change: impl FnOnce(&mut Manifest, &mut ServerFacts),
) -> Preflight {
    let (mut manifest, mut server) = (manifest(), server());
    change(&mut manifest, &mut server);
    look_ahead(&manifest, &[contents], &server, RestoreTarget::Replace)
}

#[test]
fn a_set_that_the_server_can_take_has_nothing_against_it() {
    assert_eq!(problems_of(&manifest()), Vec::<String>::new());
    assert_eq!(look(vec![entry(|_| {})], |_, _| {}), Preflight::default());
}

#[test]
fn everything_that_stands_against_it_is_named() {
    let problems = |change: fn(&mut Manifest, &mut ServerFacts)| look(Vec::new(), change).problems;
    let weak = |server: &mut ServerFacts| server.is_superuser = false;
    let cases: [(&str, Vec<String>); 10] = [
        (
            "may not create databases",
            problems(|_, server| server.is_superuser = false),
        ),
        (
            "is a replica",
            problems(|_, server| server.in_recovery = true),
        ),
        (
            "the set is of Postgres 16",
            problems(|_, server| server.major = 15),
        ),
        (
            "does not have extension \"pg_trgm\"",
            problems(|_, server| drop(server.extensions.pop())),
        ),
        (
            "only in version \"1.7\"",
            problems(|_, server| server.extensions[1].version = "1.7".to_owned()),
        ),
        (
            "prepared transactions",
            problems(|_, server| {
                server.prepared = vec![
                    ("p".to_owned(), "shop".to_owned()),
                    ("q".to_owned(), "other".to_owned()),
                ];
            }),
        ),
        (
            "subscriptions that are enabled: \"s\"",
            problems(|_, server| {
                server.subscriptions = vec![("s".to_owned(), "shop".to_owned(), true)];
            }),
        ),
        (
            "nobody can create: \"pg_new\"",
            problems(|manifest, _| {
                let description = manifest.databases[0].description.as_mut().unwrap();
                description.roles.push("pg_new".to_owned());
            }),
        ),
        (
            "may not create roles: \"setter\"",
            problems(|_, server| {
                server.is_superuser = false;
                server.may_create_databases = true;
                server.roles.remove("setter");
            }),
        ),
        (
            "only a superuser can create extension \"pg_trgm\"",
            problems(|_, server| {
                server.is_superuser = false;
                server.may_create_databases = true;
                server.extensions[1].for_superusers = true;
            }),
        ),
    ];
    for (text, found) in cases {
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].contains(text), "{text}: {found:?}");
    }
    let trigger = entry(|entry| entry.for_superusers = Some("event trigger"));
    let all = look(vec![trigger], |_, server| {
        weak(server);
        server.in_recovery = true;
        server.roles.clear();
    });
    assert_eq!(all.problems.len(), 4, "{:?}", all.problems);
}

#[test]
fn what_will_not_be_as_it_was_is_named() {
    let found = look(
        vec![entry(|entry| {
            entry.owner = "late".to_owned();
            entry.tablespace = "fast".to_owned();
        })],
        |manifest, server| {
            manifest.databases[0].without_rows = vec!["public.log".to_owned()];
            server.major = 17;
            server.extensions[1].version = "1.7".to_owned();
            server.slots = vec![("s".to_owned(), "shop".to_owned())];
            server.subscriptions = vec![("off".to_owned(), "shop".to_owned(), false)];
        },
    );
    assert_eq!(found.problems, Vec::<String>::new());
    assert_eq!(found.missing_roles, ["late"]);
    for text in [
        "\"late\"",
        "\"fast\"",
        "\"public.log\"",
        "\"1.7\"",
        "slots",
        "\"off\"",
    ] {
        let named = found
            .warnings
            .iter()
            .filter(|warning| warning.contains(text))
            .count();
        assert_eq!(named, 1, "{text}: {:?}", found.warnings);
    }
}

#[test]
fn a_manifest_that_no_backup_writes_is_refused() {
    let refused = |change: fn(&mut Manifest)| {
        let mut manifest = manifest();
        change(&mut manifest);
        problems_of(&manifest)
    };
    let cases: [fn(&mut Manifest); 12] = [
        |of| of.format_version = FORMAT_VERSION + 1,
        |of| of.format_version = 0,
        |of| of.objects[0].encryption = Some(ObjectEncryption::Age),
        |of| of.databases.clear(),
        |of| of.databases[0].name = "template1".to_owned(),
        |of| of.databases[0].name = String::new(),
        |of| of.databases[0].name = "a".repeat(64),
        |of| of.databases[0].name = "a\0b".to_owned(),
        |of| of.databases[0].object = "other".to_owned(),
        |of| of.databases.push(of.databases[0].clone()),
        |of| of.databases[0].extensions[0].name = "pg_cron".to_owned(),
        |of| {
            of.objects[0].name = "../x".to_owned();
            of.databases[0].object = "../x".to_owned();
        },
    ];
    for (number, change) in cases.into_iter().enumerate() {
        assert_ne!(refused(change), Vec::<String>::new(), "case {number}");
    }
}

/// Whatever is in it: names that lead elsewhere are refused, and everything that is built of the rest is
/// built without a panic.
#[test]
fn a_crafted_manifest_is_refused_or_harmless() {
    let mut seed = 7_u64;
    let mut random = |below: usize| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    let odd: [&[u8]; 12] = [
        b"../",
        b"\\u0000",
        b"\"",
        b"{",
        b"-1",
        b"18446744073709551615",
        b"null",
        b"[]",
        b"'; drop",
        b"\\n",
        b"\xff",
        b"template0",
    ];
    let mut taken = 0;
    for _ in 0..20_000 {
        let mut text = MANIFEST.as_bytes().to_vec();
        for _ in 0..=random(3) {
            let at = random(text.len());
            match random(3) {
                0 => text[at] = u8::try_from(random(256)).unwrap(),
                1 => {
                    let end = (at + random(12)).min(text.len());
                    text.drain(at..end);
                }
                _ => drop(text.splice(at..at, odd[random(odd.len())].iter().copied())),
            }
        }
        let Ok(manifest) = serde_json::from_slice::<Manifest>(&text) else {
            continue;
        };
        if !problems_of(&manifest).is_empty() {
            continue;
        }
        taken += 1;
        assert!(
            manifest
                .objects
                .iter()
                .all(|object| is_object_name(&object.name))
        );
        let found = look_ahead(
            &manifest,
            &[vec![entry(|_| {})]],
            &server(),
            RestoreTarget::Replace,
        );
        assert!(
            found
                .problems
                .iter()
                .chain(&found.warnings)
                .all(|text| !text.contains('\n'))
        );
        for description in manifest
            .databases
            .iter()
            .filter_map(|one| one.description.as_ref())
        {
            for grant in read_grants(description.acl.as_deref().unwrap_or_default()) {
                assert!(["create", "temporary", "connect"].contains(&grant.privilege.as_str()));
            }
        }
    }
    assert!(taken > 100, "{taken}");
}

#[test]
fn what_a_role_without_superuser_may_not_do_is_named_before_anything_is_made() {
    let weak = |server: &mut ServerFacts| {
        server.is_superuser = false;
        server.may_create_databases = true;
    };
    let session = |role: &str, is_superuser, may_be_ended| SessionFact {
        database: "shop".to_owned(),
        role: role.to_owned(),
        is_superuser,
        may_be_ended,
    };
    let held = |change: &dyn Fn(&mut ServerFacts)| {
        let change = |_: &mut Manifest, server: &mut ServerFacts| {
            weak(server);
            server.of_others = vec![("other".to_owned(), "boss".to_owned())];
            change(server);
        };
        look(vec![entry(|one| one.forces_row_security = true)], change)
    };
    let hidden = held(&|_| {}).problems;
    assert!(
        matches!(hidden.as_slice(), [only] if only.contains("policies hide rows") && only.contains("public.t")),
        "{hidden:?}"
    );
    let nothing = held(&|server| {
        server.bypasses_row_security = true;
        server.sessions = vec![session("keeper", false, true)];
    });
    assert_eq!(nothing.problems, Vec::<String>::new());
    let found = held(&|server| {
        server.bypasses_row_security = true;
        server.of_others = vec![("shop".to_owned(), "boss".to_owned())];
        server.sessions = vec![session("app", false, false), session("root", true, false)];
    });
    let problems = found.problems.join("; ");
    for text in ["belongs to \"boss\"", "may not end the sessions", "\"app\""] {
        assert!(problems.contains(text), "{text}: {problems}");
    }
    assert!(!problems.contains("root"), "{problems}");
    assert!(found.warnings.iter().any(|one| one.contains("\"root\"")));
    let elsewhere = held(&|server| {
        server.elsewhere = vec![("shop".to_owned(), "fast".to_owned())];
    });
    assert!(
        elsewhere
            .warnings
            .iter()
            .any(|one| one.contains("tablespace \"fast\""))
    );
    // A superuser may do all of it.
    let all = look(Vec::new(), |_, server| {
        server.of_others = vec![("shop".to_owned(), "boss".to_owned())];
    });
    assert_eq!(all, Preflight::default());
}

#[test]
fn a_setting_with_control_characters_is_refused() {
    let mut manifest = manifest();
    let description = manifest.databases[0].description.as_mut().unwrap();
    let insert = |of: &mut DatabaseDescription, value: &str| {
        of.formats.insert("TimeZone".to_owned(), value.to_owned());
    };
    insert(description, "Asia/Tokyo");
    assert!(problems_of(&manifest).is_empty());
    let description = manifest.databases[0].description.as_mut().unwrap();
    insert(description, "UTC\t-c role=x");
    let problems = problems_of(&manifest);
    assert!(problems[0].contains("control characters"), "{problems:?}");
}
