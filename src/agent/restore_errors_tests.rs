//! Which errors of `pg_restore` end a restore.

use super::*;
use crate::agent::contents_sample;

const PROGRAM: &str = "pg_restore";

fn entry(dump_id: i64, description: &str, name: &str) -> ContentsEntry {
    ContentsEntry {
        schema: "public".to_owned(),
        ..contents_sample::entry(dump_id, description, name)
    }
}

fn contents() -> Vec<ContentsEntry> {
    vec![
        entry(1, "TABLE", "orders"),
        entry(2, "TABLE DATA", "orders"),
        entry(3, "MATERIALIZED VIEW DATA", "sums"),
        entry(4, "COMMENT", "EXTENSION pg_trgm"),
        entry(5, "ACL", "TABLE orders"),
        entry(6, "ACL", "FUNCTION f()"),
        entry(7, "POLICY", "orders own"),
        entry(8, "EVENT TRIGGER", "watch"),
        entry(9, "ACL", "SCHEMA public"),
    ]
}

/// What becomes of these lines, and whether the program was ended at one.
fn judged(contents: &[ContentsEntry], lines: &str, code: i32) -> (Verdict, bool) {
    let mut said = Said::new(contents);
    let mut is_ended = false;
    for line in lines.lines() {
        is_ended |= said.take(PROGRAM, line);
    }
    (said.judge(code == 0, Some(code)), is_ended)
}

fn error_of(number: i64, text: &str) -> String {
    format!(
        "pg_restore: while PROCESSING TOC:\npg_restore: from TOC entry {number}; 2606 16401 WHAT public x \
         keeper\npg_restore: error: could not execute query: ERROR:  {text}\nCommand was: SELECT 1;\n\n"
    )
}

fn ignored(count: u32) -> String {
    format!("pg_restore: warning: errors ignored on restore: {count}\n")
}

#[test]
fn what_concerns_no_rows_is_named_and_does_not_end_it() {
    for number in [3, 4, 5, 8] {
        let lines = error_of(number, "relation \"t\" does not exist") + &ignored(1);
        let (verdict, is_ended) = judged(&contents(), &lines, 1);
        let Verdict::Restored(left) = verdict else {
            panic!("{number}: {verdict:?}");
        };
        assert_eq!(left.len(), 1);
        assert!(left[0].contains("does not exist"), "{left:?}");
        assert_eq!(left[0].contains("SECURITY"), number == 8, "{left:?}");
        assert!(!is_ended);
    }
    let two = error_of(3, "one") + &error_of(5, "two") + &ignored(2);
    let (verdict, _) = judged(&contents(), &two, 1);
    let Verdict::Restored(left) = verdict else {
        panic!("{verdict:?}");
    };
    assert_eq!(
        left,
        [
            "MATERIALIZED VIEW DATA public.sums: \"ERROR: one\"",
            "ACL public.TABLE orders: \"ERROR: two\""
        ]
    );
    assert_eq!(
        judged(&contents(), "", 0),
        (Verdict::Restored(Vec::new()), false)
    );
}

#[test]
fn rows_and_what_protects_them_end_it_at_once() {
    for number in [1, 2, 6, 7, 9, 77] {
        let lines = error_of(number, "no") + &ignored(1);
        let (verdict, is_ended) = judged(&contents(), &lines, 1);
        assert_eq!(verdict, Verdict::Failed, "{number}");
        assert!(is_ended, "{number}");
    }
    let copy = "pg_restore: from TOC entry 2; 0 16401 TABLE DATA public orders keeper\n\
        pg_restore: error: COPY failed for table \"orders\": ERROR:  value too long";
    assert_eq!(judged(&contents(), copy, 1), (Verdict::Failed, true));
    // Before any entry.
    let first = "pg_restore: error: input file does not appear to be a valid archive";
    assert_eq!(judged(&contents(), first, 1), (Verdict::Failed, true));
    // One after one that is forgiven.
    let both = error_of(3, "one") + &error_of(7, "two") + &ignored(2);
    assert_eq!(judged(&contents(), &both, 1), (Verdict::Failed, true));
}

#[test]
fn every_error_must_be_accounted_for() {
    let error = error_of(3, "no");
    for (lines, code) in [
        // It ended before its end.
        (error.clone(), 1),
        (error.clone() + &ignored(2), 1),
        (error.clone() + &ignored(0), 1),
        (error.clone() + &ignored(1), 2),
        (ignored(1), 1),
        (String::new(), 1),
        // It could not read on, which it says of no entry.
        (
            error.clone() + "pg_restore: error: unexpected end of file\n",
            1,
        ),
        (
            error.clone() + "pg_restore: error: unexpected end of file\n" + &ignored(1),
            1,
        ),
        // A notice of the server says how many there will be.
        (
            error + &ignored(2) + "pg_restore: error: unexpected end of file\n",
            1,
        ),
    ] {
        let (verdict, _) = judged(&contents(), &lines, code);
        assert_eq!(verdict, Verdict::Failed, "{lines}");
    }
}

#[test]
fn names_that_look_like_lines_of_the_program_forgive_nothing() {
    let mut crafted = contents();
    crafted.push(entry(
        10,
        "TABLE",
        "x\npg_restore: from TOC entry 4; 0 0 COMMENT y",
    ));
    assert!(!Said::new(&crafted).goes_on());
    let (verdict, is_ended) = judged(&crafted, &(error_of(3, "no") + &ignored(1)), 1);
    assert_eq!((verdict, is_ended), (Verdict::Failed, true));
    assert!(!Said::new(&[]).goes_on());
    assert!(Said::new(&contents()).goes_on());
}

#[test]
fn a_lost_connection_is_no_error_of_what_was_restored() {
    for lines in [
        error_of(3, "x") + "server closed the connection unexpectedly\n\tThis probably means",
        "pg_restore: from TOC entry 2; 0 1 TABLE DATA public orders keeper\npg_restore: error: COPY failed \
         for table \"orders\": server closed the connection unexpectedly"
            .to_owned(),
        "pg_restore: from TOC entry 3; 0 1 MATERIALIZED VIEW DATA public sums keeper\npg_restore: error: \
         could not execute query: FATAL:  terminating connection due to administrator command\nserver \
         closed the connection unexpectedly\npg_restore: error: could not execute query: no connection to \
         the server\n"
            .to_owned()
            + &ignored(2),
    ] {
        let (verdict, is_ended) = judged(&contents(), &lines, 1);
        assert_eq!(verdict, Verdict::Broken, "{lines}");
        assert!(is_ended, "{lines}");
    }
}

#[test]
fn no_more_is_listed_than_somebody_reads() {
    let many: String = (0..50).map(|_| error_of(3, "no")).collect();
    let (verdict, _) = judged(&contents(), &(many + &ignored(50)), 1);
    let Verdict::Restored(left) = verdict else {
        panic!("{verdict:?}");
    };
    assert_eq!(left.len(), NOT_RESTORED_LIMIT);
    assert!(left[NOT_RESTORED_LIMIT - 1].ends_with("(and 30 more)"));
    let long = error_of(3, &"x".repeat(10_000)) + &ignored(1);
    let (verdict, _) = judged(&contents(), &long, 1);
    let Verdict::Restored(left) = verdict else {
        panic!("{verdict:?}");
    };
    assert!(left[0].len() < 1_000);
}
