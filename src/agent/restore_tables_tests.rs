//! What tables need comes with them, what belongs to others does not; and a table of contents of any shape
//! ends in some selection.
#![allow(clippy::unwrap_used, reason = "a test")]

use super::*;
use crate::agent::contents_sample;

fn entry(dump_id: i64, description: &str, name: &str, dependencies: &[i64]) -> ContentsEntry {
    let schema = if ["EXTENSION", "SCHEMA"].contains(&description) {
        ""
    } else {
        "app"
    };
    ContentsEntry {
        schema: schema.to_owned(),
        dependencies: dependencies.to_vec(),
        ..contents_sample::entry(dump_id, description, name)
    }
}

/// A shop: orders of customers, with items, and a log in two partitions; as `pg_dump` 14 and newer write it.
fn shop() -> Vec<ContentsEntry> {
    let saying = |mut entry: ContentsEntry, definition: &str| {
        definition.clone_into(&mut entry.definition);
        entry
    };
    let owned = "ALTER SEQUENCE app.orders_id_seq OWNED BY app.orders.id;\n";
    vec![
        entry(1, "SCHEMA", "app", &[]),
        entry(2, "EXTENSION", "citext", &[]),
        entry(3, "EXTENSION", "pg_trgm", &[]),
        entry(4, "TYPE", "state", &[]),
        entry(5, "COMMENT", "TYPE state", &[4]),
        entry(6, "FUNCTION", "touch()", &[]),
        entry(7, "ACL", "FUNCTION touch()", &[6]),
        entry(8, "FUNCTION", "unrelated()", &[]),
        entry(9, "ACL", "SCHEMA app", &[9_999]),
        entry(10, TABLE, "customers", &[2]),
        entry(11, TABLE, "orders", &[4]),
        entry(12, TABLE, "items", &[]),
        entry(13, TABLE, "log", &[]),
        entry(14, TABLE, "log_1", &[13]),
        entry(15, TABLE, "log_1_a", &[14]),
        entry(16, TABLE, "notes", &[]),
        entry(17, TABLE_ATTACH, "log_1", &[13, 14]),
        entry(18, TABLE_ATTACH, "log_1_a", &[14, 15]),
        entry(19, "VIEW", "open_orders", &[11, 4]),
        entry(20, "SEQUENCE", "orders_id_seq", &[11]),
        saying(
            entry(21, "SEQUENCE OWNED BY", "orders_id_seq", &[20]),
            owned,
        ),
        entry(22, "SEQUENCE", "numbers", &[12]),
        entry(23, "DEFAULT", "orders id", &[11, 20]),
        entry(24, "DEFAULT", "notes id", &[16, 20]),
        entry(25, "FUNCTION", "to_state(int)", &[4]),
        entry(26, "CAST", "CAST (integer AS app.state)", &[4, 25]),
        entry(27, "CAST", "CAST (integer AS app.other)", &[8, 28]),
        entry(28, "TYPE", "other", &[]),
        entry(30, TABLE_DATA, "customers", &[10]),
        entry(31, TABLE_DATA, "orders", &[11]),
        entry(32, TABLE_DATA, "items", &[12]),
        entry(33, TABLE_DATA, "log_1_a", &[15]),
        entry(34, TABLE_DATA, "notes", &[16]),
        entry(35, "SEQUENCE SET", "orders_id_seq", &[20]),
        entry(36, "SEQUENCE SET", "numbers", &[22]),
        entry(37, TABLE_DATA, "spelling", &[9_998]),
        entry(40, "CONSTRAINT", "customers customers_pkey", &[10]),
        entry(41, "CONSTRAINT", "orders orders_pkey", &[11]),
        entry(42, INDEX, "log_at", &[13]),
        entry(43, INDEX, "log_1_a_at", &[15, 42]),
        entry(44, INDEX_ATTACH, "log_1_a_at", &[43, 42, 15, 13]),
        entry(45, "TRIGGER", "orders touch", &[11, 6]),
        entry(46, "RULE", "open_orders _RETURN", &[19, 11]),
        entry(47, FOREIGN_KEY, "orders orders_customer", &[11, 10, 40]),
        entry(48, FOREIGN_KEY, "items items_order", &[12, 11, 41]),
        entry(49, "COMMENT", "TABLE orders", &[11]),
        entry(50, "PUBLICATION TABLE", "changes orders", &[51, 11]),
        entry(51, "PUBLICATION", "changes", &[]),
        entry(52, "MATERIALIZED VIEW", "totals", &[11]),
        entry(60, TABLE, "bookings", &[]),
        saying(
            entry(61, "CONSTRAINT", "bookings once", &[60]),
            "ALTER TABLE ONLY app.bookings ADD CONSTRAINT once EXCLUDE USING gist (seat WITH =);\n",
        ),
    ]
}

fn spelling() -> BTreeMap<String, String> {
    [("app.spelling".to_owned(), "citext".to_owned())].into()
}

fn selected(tables: &[&str]) -> (Vec<i64>, Selection) {
    let tables: Vec<String> = tables.iter().map(|&table| format!("app.{table}")).collect();
    let selection = select(&shop(), &tables, &spelling());
    let ids = selection.entries.iter().map(|entry| entry.dump_id);
    (ids.collect(), selection)
}

#[test]
fn a_table_has_its_indexes_constraints_types_and_sequences_and_nothing_else() {
    let (ids, selection) = selected(&["orders"]);
    assert_eq!(
        ids,
        [1, 4, 5, 6, 7, 9, 11, 20, 21, 23, 25, 26, 31, 35, 41, 45, 49]
    );
    assert_eq!(selection.found, ["app.orders".to_owned()].into());
    assert_eq!(selection.without_rows, Vec::<String>::new());
    assert_eq!(
        selection.left_out,
        [
            "FK CONSTRAINT \"app.orders orders_customer\": it needs table \"app.customers\", which is not among the \
          tables that are asked for"
        ]
    );
}

#[test]
fn a_foreign_key_comes_with_both_tables() {
    let (ids, selection) = selected(&["orders", "customers", "items"]);
    for id in [2, 10, 12, 22, 30, 32, 36, 40, 47, 48] {
        assert!(ids.contains(&id), "{id}");
    }
    assert_eq!(selection.left_out, Vec::<String>::new());
    assert!(
        !ids.contains(&3) && !ids.contains(&19) && !ids.contains(&46),
        "{ids:?}"
    );
}

#[test]
fn a_partitioned_table_is_all_its_partitions_and_a_partition_is_a_table() {
    let (ids, selection) = selected(&["log"]);
    assert_eq!(ids, [1, 9, 13, 14, 15, 17, 18, 33, 42, 43, 44]);
    assert_eq!(selection.left_out, Vec::<String>::new());
    assert_eq!(selection.detached, Vec::<String>::new());
    let (ids, selection) = selected(&["log_1_a"]);
    assert_eq!(ids, [1, 9, 15, 33, 43], "its index is its own");
    assert_eq!(selection.detached, ["app.log_1_a"]);
    assert_eq!(selection.left_out.len(), 1, "{:?}", selection.left_out);
    assert!(
        selection.left_out[0].contains("TABLE ATTACH"),
        "{:?}",
        selection.left_out
    );
}

/// `pg_dump` 13 attaches a partition in its own entry.
#[test]
fn partitions_of_an_older_dump_come_with_their_table() {
    let mut old = vec![
        entry(13, TABLE, "log", &[]),
        entry(14, TABLE, "log_1", &[13]),
        entry(15, TABLE, "inherited", &[13]),
        entry(33, TABLE_DATA, "log_1", &[14]),
    ];
    old[0].definition =
        "CREATE TABLE app.log (\n    at date\n)\nPARTITION BY RANGE (at);\n".to_owned();
    old[1].definition =
        "CREATE TABLE app.log_1 (\n    at date\n);\nALTER TABLE ONLY app.log ATTACH PARTITION \
                         app.log_1 DEFAULT;\n"
            .to_owned();
    let ids = |table: &str| {
        let selection = select(&old, &[table.to_owned()], &spelling());
        let ids = selection.entries.iter().map(|entry| entry.dump_id);
        (ids.collect::<Vec<_>>(), selection.without_rows)
    };
    assert_eq!(ids("app.log"), (vec![13, 14, 33], vec![]));
    assert_eq!(
        ids("app.log_1"),
        (vec![13, 14, 33], vec!["app.log".to_owned()])
    );
}

/// The sequence is of a column of another table, which comes without its rows.
#[test]
fn a_sequence_comes_with_the_table_that_owns_it() {
    let (ids, selection) = selected(&["notes"]);
    assert_eq!(ids, [1, 4, 5, 9, 11, 16, 20, 21, 24, 25, 26, 34, 35]);
    assert_eq!(selection.without_rows, ["app.orders"]);
}

#[test]
fn operators_and_rows_of_extensions_come_with_what_needs_them() {
    let (ids, _) = selected(&["bookings"]);
    assert_eq!(ids, [1, 2, 3, 9, 37, 60, 61]);
    let (ids, _) = selected(&["customers"]);
    assert!(
        ids.contains(&2) && ids.contains(&37) && !ids.contains(&3),
        "{ids:?}"
    );
}

/// A function takes its rows, so it can't be without it.
#[test]
fn what_only_a_definition_needs_comes_without_its_rows() {
    let mut contents = shop();
    let touch = contents
        .iter_mut()
        .find(|entry| entry.dump_id == 6)
        .unwrap();
    touch.dependencies = vec![10];
    let selection = select(&contents, &["app.orders".to_owned()], &spelling());
    assert_eq!(selection.without_rows, ["app.customers"]);
    let ids: Vec<i64> = selection
        .entries
        .iter()
        .map(|entry| entry.dump_id)
        .collect();
    assert!(ids.contains(&10) && ids.contains(&45), "{ids:?}");
    assert!(
        !ids.contains(&30) && !ids.contains(&40) && !ids.contains(&47),
        "{ids:?}"
    );
}

#[test]
fn what_is_no_table_of_the_dump_is_not_found() {
    for name in ["nothing", "open_orders", "orders orders_pkey", "ORDERS", ""] {
        assert_eq!(selected(&[name]).1, Selection::default(), "{name}");
    }
}

/// The table of contents is not trusted.
#[test]
fn circles_and_numbers_of_nothing_end() {
    let mut contents = shop();
    for (index, entry) in contents.iter_mut().enumerate() {
        entry
            .dependencies
            .extend([11, 10, -1, i64::MAX, i64::try_from(index).unwrap()]);
    }
    let selection = select(&contents, &["app.orders".to_owned()], &spelling());
    assert!(selection.found.contains("app.orders"));
    contents[9].dump_id = 10;
    let selection = select(&contents, &["app.orders".to_owned()], &spelling());
    assert!(selection.found.contains("app.orders"));
}
