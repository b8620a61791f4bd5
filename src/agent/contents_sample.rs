//! Entries of tables of contents, for tests.

use crate::postgres::ContentsEntry;

/// One that is owned by `keeper` in the schema `app`.
pub fn entry(dump_id: i64, description: &str, name: &str) -> ContentsEntry {
    ContentsEntry {
        dump_id,
        has_data: description == "TABLE DATA",
        description: description.to_owned(),
        schema: "app".to_owned(),
        name: name.to_owned(),
        owner: "keeper".to_owned(),
        ..ContentsEntry::default()
    }
}
