//! What tables need comes with them, what belongs to others does not; and a table of contents of any shape
//! ends in some selection.
#![allow(clippy::unwrap_used, reason = "a test")]

use super::*;

fn entry(dump_id: i64, description: &str, name: &str, dependencies: &[i64]) -> ContentsEntry {
    ContentsEntry {
        dump_id,
        oid: None,
        has_data: description == TABLE_DATA,
        description: description.to_owned(),
        schema: if ["EXTENSION", "SCHEMA"].contains(&description) {
            ""
        } else {
            "app"
        }
        .to_owned(),
        name: name.to_owned(),
        copy_statement: String::new(),
        tablespace: String::new(),
        owner: "keeper".to_owned(),
        for_superusers: None,
        forces_row_security: false,
        definition: String::new(),
        dependencies: dependencies.to_vec(),
    }
}

/// A shop: orders of customers, with items, and a log in two partitions.
fn shop() -> Vec<ContentsEntry> {
    let owned = |mut entry: ContentsEntry, by: &str| {
        entry.definition = format!("ALTER SEQUENCE app.{} OWNED BY {by};\n", entry.name);
        entry
    };
    vec![
        entry(1, "SCHEMA", "app", &[]),
        entry(2, "EXTENSION", "citext", &[]),
        entry(3, "EXTENSION", "pg_trgm", &[]),
        entry(4, "TYPE", "state", &[]),
        entry(5, "COMMENT", "TYPE state", &[4]),
        entry(6, "FUNCTION", "touch()", &[]),
        entry(7, "ACL", "FUNCTION touch()", &[6]),
        entry(8, "FUNCTION", "unrelated()", &[]),
        entry(10, TABLE, "customers", &[2]),
        entry(11, TABLE, "orders", &[4]),
        entry(12, TABLE, "items", &[]),
        entry(13, TABLE, "log", &[]),
        entry(14, TABLE, "log_1", &[]),
        entry(15, TABLE, "log_1_a", &[]),
        entry(16, TABLE, "notes", &[]),
        entry(17, TABLE_ATTACH, "log_1", &[13, 14]),
        entry(18, TABLE_ATTACH, "log_1_a", &[14, 15]),
        entry(19, "VIEW", "open_orders", &[11, 4]),
        entry(20, "SEQUENCE", "orders_id_seq", &[]),
        owned(
            entry(21, "SEQUENCE OWNED BY", "orders_id_seq", &[20]),
            "app.orders.id",
        ),
        entry(22, "SEQUENCE", "numbers", &[12]),
        entry(23, "DEFAULT", "orders id", &[11, 20]),
        entry(24, "DEFAULT", "notes id", &[16, 20]),
        entry(30, TABLE_DATA, "customers", &[10]),
        entry(31, TABLE_DATA, "orders", &[11]),
        entry(32, TABLE_DATA, "items", &[12]),
        entry(33, TABLE_DATA, "log_1_a", &[15]),
        entry(34, TABLE_DATA, "notes", &[16]),
        entry(35, "SEQUENCE SET", "orders_id_seq", &[20]),
        entry(36, "SEQUENCE SET", "numbers", &[22]),
        entry(40, "CONSTRAINT", "customers customers_pkey", &[10]),
        entry(41, "CONSTRAINT", "orders orders_pkey", &[11]),
        entry(42, "INDEX", "log_at", &[13]),
        entry(43, "INDEX", "log_1_a_at", &[15]),
        entry(44, "INDEX ATTACH", "log_1_a_at", &[43, 42]),
        entry(45, "TRIGGER", "orders touch", &[11, 6]),
        entry(46, "RULE", "open_orders _RETURN", &[19, 11]),
        entry(47, FOREIGN_KEY, "orders orders_customer", &[11, 10, 40]),
        entry(48, FOREIGN_KEY, "items items_order", &[12, 11, 41]),
        entry(49, "COMMENT", "TABLE orders", &[11]),
        entry(50, "PUBLICATION TABLE", "changes orders", &[51, 11]),
        entry(51, "PUBLICATION", "changes", &[]),
        entry(52, "MATERIALIZED VIEW", "totals", &[11]),
    ]
}

fn selected(tables: &[&str]) -> (Vec<i64>, Selection) {
    let tables: Vec<String> = tables.iter().map(|&table| format!("app.{table}")).collect();
    let selection = select(&shop(), &tables);
    let ids = selection.entries.iter().map(|entry| entry.dump_id);
    (ids.collect(), selection)
}

#[test]
fn a_table_has_its_indexes_constraints_types_and_sequences_and_nothing_else() {
    let (ids, selection) = selected(&["orders"]);
    assert_eq!(ids, [1, 4, 5, 6, 7, 11, 20, 21, 23, 31, 35, 41, 45, 49]);
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
    assert_eq!(ids, [1, 13, 14, 15, 17, 18, 33, 42, 43, 44]);
    assert_eq!(selection.left_out, Vec::<String>::new());
    let (ids, selection) = selected(&["log_1_a"]);
    assert_eq!(ids, [1, 15, 33, 43]);
    let said = selection.left_out.join("; ");
    assert!(
        said.contains("TABLE ATTACH") && said.contains("app.log_1\""),
        "{said}"
    );
}

/// The sequence of another table's column is not given to a table that is not there.
#[test]
fn a_sequence_is_owned_by_a_table_that_is_there() {
    let (ids, _) = selected(&["notes"]);
    assert_eq!(ids, [1, 16, 20, 24, 34, 35]);
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
    let selection = select(&contents, &["app.orders".to_owned()]);
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
    let selection = select(&contents, &["app.orders".to_owned()]);
    assert!(selection.found.contains("app.orders"));
    contents[9].dump_id = 10;
    let selection = select(&contents, &["app.orders".to_owned()]);
    assert!(selection.found.contains("app.orders"));
}
