//! Tests of `restore_rows_split`: archives of real servers, split between few and many sessions.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use super::*;
use crate::agent::restore_rows_plan::{SHARED_FROM, plan_rows};
use crate::postgres::{ArchiveParser, ContentsEntry, parse_head};

/// The rows of each entry, and the bytes of large objects.
#[derive(Debug, Default, PartialEq, Eq)]
struct Content {
    rows: BTreeMap<i64, Vec<u8>>,
    objects: Vec<u8>,
}

impl Content {
    fn read(archive: &[u8]) -> Self {
        let (mut content, mut current) = (Self::default(), None);
        let mut parser = ArchiveParser::default();
        parser
            .push_and_see(archive, &mut |part| match part {
                ArchivePart::TableBegins(entry) => {
                    current = Some(entry);
                    assert_eq!(content.rows.insert(entry, Vec::new()), None);
                }
                ArchivePart::Rows(bytes) => {
                    let rows = content.rows.get_mut(&current.unwrap()).unwrap();
                    rows.extend_from_slice(bytes);
                }
                ArchivePart::TableEnds => current = None,
                ArchivePart::Objects(bytes) => content.objects.extend_from_slice(bytes),
                ArchivePart::Head { .. } => {}
            })
            .unwrap();
        assert_eq!(current, None, "each table has its end");
        content
    }

    /// The rows of each entry, sorted, without its end mark.
    fn sorted(&self) -> BTreeMap<i64, Vec<Vec<u8>>> {
        let lines = |rows: &Vec<u8>| -> Vec<Vec<u8>> {
            let rows = rows.strip_suffix(END_OF_ROWS).unwrap();
            let lines = rows.split_inclusive(|byte| *byte == b'\n');
            let mut lines: Vec<_> = lines.map(<[u8]>::to_vec).collect();
            lines.sort_unstable();
            lines
        };
        let all = self.rows.iter();
        all.map(|(entry, rows)| (*entry, lines(rows))).collect()
    }
}

fn fixture(version: &str) -> Vec<u8> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/archives");
    std::fs::read(format!("{directory}/version-{version}.pgc")).unwrap()
}

/// The archives that an archive is split into.
fn split(archive: &[u8], plan: &RowsPlan, turn: usize, piece: usize) -> Vec<Vec<u8>> {
    let mut splitter = RowSplitter::new(plan.clone());
    splitter.turn = turn;
    let mut parser = ArchiveParser::default();
    let mut archives = vec![Vec::new(); plan.entries.len()];
    for bytes in archive.chunks(piece) {
        parser
            .push_and_see(bytes, &mut |part| splitter.take(part))
            .unwrap();
        for (session, ready) in splitter.take_ready() {
            archives[session].extend(ready);
        }
    }
    parser.finish().unwrap();
    archives
}

#[test]
fn every_row_is_in_one_archive_and_each_archive_has_its_tables() {
    for version in ["1.14", "1.16"] {
        let archive = fixture(version);
        let (head, head_length) = parse_head(&archive).unwrap();
        let whole = Content::read(&archive);
        assert!(
            whole.rows.len() > 1 && !whole.objects.is_empty(),
            "{version}"
        );
        let all_are_large = |_: &ContentsEntry| SHARED_FROM;
        let some_are_large = |entry: &ContentsEntry| {
            if entry.dump_id % 2 == 0 {
                SHARED_FROM
            } else {
                1
            }
        };
        let plans = [
            plan_rows(&head.entries, all_are_large, 2).unwrap(),
            plan_rows(&head.entries, all_are_large, 5).unwrap(),
            plan_rows(&head.entries, some_are_large, 3).unwrap(),
        ];
        for (plan, turn, piece) in plans.iter().flat_map(|plan| {
            [1, 2, 7, 40, 1_000, TURN]
                .into_iter()
                .flat_map(move |turn| [1, 13, 4_096].map(|piece| (plan, turn, piece)))
        }) {
            let case = format!("{version}, {plan:?}, turns of {turn}, pieces of {piece}");
            let archives = split(&archive, plan, turn, piece);
            let mut together: BTreeMap<i64, Vec<Vec<u8>>> = BTreeMap::new();
            for (session, own) in archives.iter().enumerate() {
                assert_eq!(own[..head_length], archive[..head_length], "{case}");
                let content = Content::read(own);
                let tables: Vec<i64> = content.rows.keys().copied().collect();
                let mut planned = plan.entries[session].clone();
                planned.retain(|entry| whole.rows.contains_key(entry));
                planned.sort_unstable();
                assert_eq!(tables, planned, "{case}");
                let objects: &[u8] = if session == 0 { &whole.objects } else { b"" };
                assert_eq!(content.objects, objects, "{case}");
                for (entry, rows) in content.sorted() {
                    together.entry(entry).or_default().extend(rows);
                }
            }
            for rows in together.values_mut() {
                rows.sort_unstable();
            }
            assert_eq!(together, whole.sorted(), "{case}");
        }
    }
}

#[test]
fn a_row_that_is_longer_than_a_turn_is_not_kept_and_stays_with_one_session() {
    let plan = plan_rows(
        &[ContentsEntry {
            dump_id: 3,
            has_data: true,
            description: "TABLE DATA".to_owned(),
            copy_statement: "COPY".to_owned(),
            ..ContentsEntry::default()
        }],
        |_| SHARED_FROM,
        1,
    );
    assert_eq!(plan, None, "one session shares nothing");
    let archive = fixture("1.14");
    let (head, _) = parse_head(&archive).unwrap();
    let plan = plan_rows(&head.entries, |_| SHARED_FROM, 2).unwrap();
    let entry = *Content::read(&archive).rows.keys().next().unwrap();
    let mut splitter = RowSplitter::new(plan);
    splitter.take(ArchivePart::TableBegins(entry));
    splitter.take(ArchivePart::Rows(b"short\n"));
    let row = vec![b'x'; TURN];
    let mut longest = 0;
    for _ in 0..8 {
        splitter.take(ArchivePart::Rows(&row));
        longest = longest.max(splitter.held.len());
    }
    splitter.take(ArchivePart::Rows(b"\nnext\n\\.\n\n\n"));
    splitter.take(ArchivePart::TableEnds);
    assert!(longest < 2 * TURN, "{longest}");
    let ready: Vec<_> = splitter.take_ready().collect();
    let has_row = |bytes: &Vec<u8>| bytes.windows(9).any(|part| part == b"xxxxxxxxx");
    let with_row = ready.iter().filter(|(_, bytes)| has_row(bytes)).count();
    assert_eq!((ready.len(), with_row), (2, 1));
}
