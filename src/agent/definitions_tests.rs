//! Tests of the comparison of definitions.

use super::*;
use crate::agent::contents_sample;

fn entry(kind: &str, name: &str, definition: &str) -> ContentsEntry {
    ContentsEntry {
        definition: definition.to_owned(),
        ..contents_sample::entry(1, kind, name)
    }
}

/// What differs if one entry becomes another.
fn differs(kind: &str, before: &str, after: &str) -> bool {
    let found = compare_definitions(&[entry(kind, "x", before)], &[entry(kind, "x", after)]);
    found != Definitions::default()
}

#[test]
fn what_postgres_writes_differently_is_the_same() {
    for (kind, before, after) in [
        (
            "CHECK CONSTRAINT",
            "ADD CONSTRAINT c CHECK (((status)::text = ANY ((ARRAY['a'::character varying, 'b'::character \
             varying])::text[])))",
            "ADD CONSTRAINT c CHECK (((status)::text = ANY (ARRAY[('a'::character varying)::text, \
             ('b'::character varying)::text])))",
        ),
        (
            "VIEW",
            "SELECT (a.at)::timestamp(3) without time zone FROM a",
            "SELECT a.at FROM a",
        ),
        (
            "DEFAULT",
            "DEFAULT '1.5'::numeric(10,2)",
            "DEFAULT '1.5'::\"app\".\"odd type\"[]",
        ),
        (
            "DEFAULT",
            "DEFAULT '1'::interval day to second(3)",
            "DEFAULT '1'::interval",
        ),
        (
            "TABLE",
            "CREATE TABLE app.t (\n    id integer,\n    what text\n);\n",
            "CREATE TABLE app.t (\n    what text,\n    id integer\n);\n",
        ),
        (
            "POLICY",
            "CREATE POLICY p ON app.t TO a, b USING (true);",
            "CREATE POLICY p ON app.t TO b, a USING (true);",
        ),
        (
            "ACL",
            "GRANT SELECT ON TABLE app.t TO a;\nGRANT ALL ON TABLE app.t TO b;\n",
            "GRANT ALL ON TABLE app.t TO b;\nGRANT SELECT ON TABLE app.t TO a;\n",
        ),
    ] {
        assert!(!differs(kind, before, after), "{before}\n{after}");
    }
}

#[test]
fn what_means_something_else_is_found() {
    for (kind, before, after) in [
        ("VIEW", "SELECT a.x FROM a", "SELECT a.y FROM a"),
        ("VIEW", "SELECT 'a  b'", "SELECT 'a b'"),
        ("VIEW", "SELECT \"A\"", "SELECT \"a\""),
        ("VIEW", "SELECT 'it''s'", "SELECT 'it' 's'"),
        ("DEFAULT", "DEFAULT 1", "DEFAULT 2"),
        (
            "TABLE",
            "CREATE TABLE t (\n    id integer\n);",
            "CREATE TABLE t (\n    id bigint\n);",
        ),
        (
            "TABLE",
            "CREATE TABLE t (\n    id integer\n);",
            "CREATE TABLE t (\n    id integer NOT NULL\n);",
        ),
        (
            "ACL",
            "GRANT SELECT ON TABLE t TO a;",
            "GRANT UPDATE ON TABLE t TO a;",
        ),
        ("FUNCTION", "AS $$ select 1 $$", "AS $$ select 2 $$"),
    ] {
        assert!(differs(kind, before, after), "{before}\n{after}");
    }
}

#[test]
fn what_is_missing_or_more_is_named_and_sequences_by_themselves() {
    let before = [
        entry("TABLE", "orders", "CREATE TABLE app.orders ();"),
        entry("INDEX", "by_day", "CREATE INDEX by_day"),
        entry(
            "SEQUENCE SET",
            "numbers",
            "setval('app.numbers', 41, true);",
        ),
        entry("TABLE DATA", "orders", ""),
        entry("DATABASE", "shop", "CREATE DATABASE shop"),
        entry("COMMENT", "DATABASE shop", "COMMENT ON DATABASE shop"),
    ];
    let mut after = vec![
        entry("TABLE", "orders", "CREATE TABLE app.orders ();"),
        entry("TRIGGER", "more", "CREATE TRIGGER"),
        entry(
            "SEQUENCE SET",
            "numbers",
            "setval('app.numbers', 42, true);",
        ),
        entry("DATABASE", "shop_restore", "CREATE DATABASE shop_restore"),
    ];
    after[0].owner = "other".to_owned();
    assert_eq!(
        compare_definitions(&before, &after),
        Definitions {
            schema: vec![
                "index \"app.by_day\" is not there".to_owned(),
                "table \"app.orders\" belongs to another role".to_owned(),
                "trigger \"app.more\" is not in the backup".to_owned(),
            ],
            sequences: vec!["sequence \"app.numbers\" has another value".to_owned()],
        }
    );
}

#[test]
fn odd_texts_are_compared_without_a_panic() {
    for text in [
        "",
        "'",
        "\"",
        "::",
        "::\"",
        "'a''",
        "::timestamp(",
        "ü::ü[",
        "::interval to",
        "::a.",
        "::a.\"b",
    ] {
        assert!(!simplify_text(text).contains("::"), "{text}");
    }
}
