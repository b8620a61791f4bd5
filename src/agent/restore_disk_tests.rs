//! What fits, what is tight, what can't fit, and when a restore stops.

use serde_json::json;

use super::*;

const GIB: u64 = 1 << 30;

fn disk(data: u64, wal: Option<u64>) -> Disk {
    Disk {
        capacity: 100 * GIB,
        data: data * GIB,
        wal: wal.map(|wal| wal * GIB),
        wal_limit: GIB,
    }
}

fn need(least: u64, expected: u64) -> Need {
    Need {
        least: least * GIB,
        expected: expected * GIB,
    }
}

fn database(bytes: u64, rows: u64, size: Option<i64>) -> ManifestDatabase {
    let mut of = json!({
        "name": "shop", "object": "dump.pgc.zst", "rows": rows, "extensions": [],
        "tables": [{"schema": "public", "name": "t", "rows": rows, "bytes": bytes}],
        "largeObjects": {"count": 0, "bytes": 0},
    });
    if let Some(size) = size {
        of["description"] = json!({"size": size});
    }
    serde_json::from_value(of).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn what_can_not_fit_is_refused_and_what_is_tight_is_named() {
    for (disk, need, expected) in [
        (disk(30, Some(1)), need(20, 30), "enough"),
        // 20 % are left with the log at its limit.
        (disk(30, Some(1)), need(20, 49), "enough"),
        (disk(30, Some(1)), need(20, 50), "tight"),
        (disk(30, Some(1)), need(20, 500), "tight"),
        (disk(30, Some(40)), need(20, 20), "tight"),
        // 10 % must stay free.
        (disk(30, Some(1)), need(59, 59), "tight"),
        (disk(30, Some(1)), need(60, 60), "too small"),
        (disk(30, None), need(60, 60), "tight"),
        (disk(30, None), need(61, 61), "too small"),
        (disk(91, Some(0)), need(0, 0), "too small"),
        (disk(30, Some(1)), need(u64::MAX / GIB, 1), "too small"),
        // A directory of a larger disk.
        (disk(101, Some(1)), need(1, 1), "not enforced"),
    ] {
        let (found, text) = match disk.judge(need) {
            Space::Enough => ("enough", String::new()),
            Space::Tight(text) => ("tight", text),
            Space::TooSmall(text) => ("too small", text),
            Space::NotEnforced(text) => ("not enforced", text),
        };
        assert_eq!(found, expected, "{disk:?} {need:?} {text}");
        assert!(found == "enough" || text.contains("100.0 GiB"), "{text}");
    }
}

#[test]
fn a_restore_stops_before_the_disk_is_full() {
    assert_eq!(disk(80, Some(10)).must_stop(), None);
    assert!(disk(80, Some(11)).must_stop().is_some());
    assert_eq!(disk(90, None).must_stop(), None);
    let why = disk(91, None).must_stop().unwrap_or_default();
    assert!(
        why.contains("91.0 GiB") && why.contains("not counted"),
        "{why}"
    );
    assert!(disk(500, None).must_stop().is_some());
}

#[test]
fn what_a_set_needs_is_estimated_by_what_it_took_or_by_its_rows() {
    let megabytes = |need: Need| (need.least >> 20, need.expected >> 20);
    // As it was on disk, where its rows say no less.
    let of = database(100 << 20, 0, Some(90 << 20));
    assert_eq!(megabytes(estimate([&of])), (90, 90));
    // Bloat is not restored, and indexes are.
    let of = database(100 << 20, 0, Some(900 << 20));
    assert_eq!(megabytes(estimate([&of])), (108, 900));
    // Narrow rows are larger on disk than in a dump.
    let of = database(10 << 20, 1 << 20, Some(500 << 20));
    assert_eq!(megabytes(estimate([&of])), (46, 500));
    // One of an older version.
    let of = database(100 << 20, 0, None);
    assert_eq!(megabytes(estimate([&of])), (25, 158));
    assert_eq!(megabytes(estimate([&of, &of])), (50, 316));
    let none: [&ManifestDatabase; 0] = [];
    assert_eq!(estimate(none), Need::default());
    let most = database(u64::MAX, u64::MAX, None);
    assert_eq!(estimate([&most, &most]).expected, u64::MAX);
    assert!(estimate([&database(0, 0, Some(-1))]).expected > 0);
}

#[test]
fn sizes_read() {
    for (bytes, text) in [
        (0, "0.0 MiB"),
        (1_572_864, "1.5 MiB"),
        (GIB, "1.0 GiB"),
        (1_500 * GIB, "1.4 TiB"),
    ] {
        assert_eq!(size(bytes), text);
    }
}
