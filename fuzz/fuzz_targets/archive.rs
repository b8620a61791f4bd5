//! A dump of any content: it is read or refused, in pieces of any size, and tables can be selected from what was read.
#![no_main]

use std::collections::BTreeMap;

use holdfast::agent::select_tables;
use holdfast::postgres::{ArchiveParser, new_digest_key, parse_head};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((size, archive)) = bytes.split_first() else {
        return;
    };
    let mut parser = ArchiveParser::in_any_order(new_digest_key());
    let pieces = archive.chunks(usize::from(*size).max(1));
    let mut is_odd = false;
    for piece in pieces {
        if parser.push(piece).is_err() {
            is_odd = true;
            break;
        }
    }
    if !is_odd {
        let _ = parser.finish();
    }
    let Ok((head, length)) = parse_head(archive) else {
        return;
    };
    assert!(length <= archive.len());
    let of = |entry: &holdfast::postgres::ContentsEntry| format!("{}.{}", entry.schema, entry.name);
    let tables: Vec<String> = head.entries.iter().take(3).map(of).collect();
    let selection = select_tables(&head.entries, &tables, &BTreeMap::new());
    assert!(selection.entries.len() <= head.entries.len());
    assert!(selection.found.iter().all(|table| tables.contains(table)));
});
