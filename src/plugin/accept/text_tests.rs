//! Golden tests of what the user reads.
#![allow(
    clippy::unwrap_used,
    reason = "a sample that can't be built is a fault of the test"
)]

use super::*;
use crate::plugin::accept::build_acceptance;
use crate::plugin::accept::sample::{check, database};

fn reference() -> DatabaseReference {
    DatabaseReference {
        namespace: "atra".to_owned(),
        name: "knowledge".to_owned(),
        context_flag: " --context production".to_owned(),
    }
}

#[test]
fn what_is_accepted_reads() {
    let now: Timestamp = "2026-02-01T12:00:00Z".parse().unwrap();
    let declared = DeclaredChange {
        since: "knowledge-1a2b3c".to_owned(),
        until: "2026-02-01T14:00:00Z".parse().unwrap(),
    };
    let mut many = check();
    let evidence = many.status.as_mut().unwrap().evidence.as_mut().unwrap();
    let mut odd = evidence.tables[0].clone();
    odd.name = "public.line\nbreak\u{1b}[31m".to_owned();
    evidence.tables = vec![odd; 25];
    let mut lost = database("True");
    lost.status.as_mut().unwrap().last_good_backup = None;
    let mut marked = database("True");
    json_patch_apply(
        &mut marked,
        &build_acceptance(&database("True").metadata, "knowledge-9z8y7x"),
    );
    let texts = [
        describe_check(&reference(), &database("True"), &check(), now),
        describe_check(&reference(), &lost, &many, now),
        describe_accepted(&reference(), "knowledge-9z8y7x"),
        describe_declaration(&reference(), &declared, now),
        describe_declared(&reference(), &declared),
        describe_withdrawn(&reference(), &marked.metadata),
        describe_withdrawn(&reference(), &database("True").metadata),
    ];
    insta::assert_snapshot!(texts.join("=====\n"));
}

fn json_patch_apply(database: &mut ProtectedDatabase, patch: &json_patch::Patch) {
    let mut value = serde_json::to_value(&*database).unwrap();
    json_patch::patch(&mut value, patch).unwrap();
    *database = serde_json::from_value(value).unwrap();
}
