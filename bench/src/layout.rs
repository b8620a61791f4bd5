//! Which tables the measured databases have, with how many rows and which rules. Pure.

use holdfast::api::TableRule;

/// What a row of one number takes on disk, its place in the page's directory included.
const BYTES_OF_A_ROW: u64 = 37;
/// What a table takes besides its rows, in the catalog and for its maps.
const BYTES_OF_A_TABLE: u64 = 64 * 1024;
/// The rows that a rule asks for: as many as in the README's example.
const MINIMUM: u64 = 10_000;

/// A table of one number a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name, in the schema `public`.
    pub name: String,
    pub rows: u64,
    /// What is expected of it.
    pub rule: Option<Expectation>,
}

/// A rule, as people write them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The fewest rows.
    pub minimum: u64,
    /// The largest loss in percent, if that is asked about.
    pub largest_drop: Option<i32>,
}

/// The large database: one table of more than 80 %, six of 2.5 %, and twenty of 0.1 % of the rows.
pub fn large_database(rows: u64) -> Vec<Table> {
    let (middle, small) = (rows / 40, rows / 1000);
    let at_least = |minimum| {
        Some(Expectation {
            minimum,
            largest_drop: None,
        })
    };
    let huge = Table {
        name: "events".to_owned(),
        rows: rows - 6 * middle - 20 * small,
        rule: at_least(MINIMUM),
    };
    let middle_tables = (1..=6).map(|number| Table {
        name: format!("middle_{number}"),
        rows: middle,
        // Every second one has a rule; what a large table has lost is asked about none: that needs
        // all of its rows.
        rule: if number % 2 == 0 {
            at_least(MINIMUM.min(middle))
        } else {
            None
        },
    });
    let small_tables = (1..=20).map(|number| Table {
        name: format!("small_{number}"),
        rows: small,
        rule: (number % 5 == 0).then_some(Expectation {
            minimum: small / 10,
            largest_drop: Some(20),
        }),
    });
    std::iter::once(huge)
        .chain(middle_tables)
        .chain(small_tables)
        .collect()
}

/// A database of many tables with ten rows each, without rules.
pub fn many_tables(count: u64) -> Vec<Table> {
    (1..=count)
        .map(|number| Table {
            name: format!("table_{number}"),
            rows: 10,
            rule: None,
        })
        .collect()
}

/// Of so many partitions one has rows.
const ONE_WITH_ROWS_OF: u64 = 100;
/// How many rows that is.
const ROWS_OF_A_PARTITION: u64 = 10;

/// A partitioned table, nearly all of whose partitions are empty, as those made ahead of time are.
/// Partitions are made and filled by [`partition_statements`].
pub fn many_partitions(count: u64) -> Vec<Table> {
    vec![Table {
        name: "events".to_owned(),
        rows: count.div_ceil(ONE_WITH_ROWS_OF) * ROWS_OF_A_PARTITION,
        rule: None,
    }]
}

/// What makes that table.
pub fn partition_statements(count: u64) -> Vec<String> {
    let create = "create table public.events (id bigint not null) partition by list (id)";
    let partition = |number: u64| {
        let create = format!(
            "create table public.events_{number} partition of public.events for values in ({number})"
        );
        if number.is_multiple_of(ONE_WITH_ROWS_OF) {
            format!(
                "{create}; insert into public.events_{number} select {number} from \
                 generate_series(1, {ROWS_OF_A_PARTITION})"
            )
        } else {
            create
        }
    };
    std::iter::once(create.to_owned())
        .chain((0..count).map(partition))
        .collect()
}

/// The rows of all tables.
pub fn total_rows(tables: &[Table]) -> u64 {
    tables.iter().map(|table| table.rows).sum()
}

/// What the tables take on disk, roughly.
pub fn size_on_disk(tables: &[Table]) -> u64 {
    total_rows(tables) * BYTES_OF_A_ROW + tables.iter().map(|_| BYTES_OF_A_TABLE).sum::<u64>()
}

/// The rules as a check is asked for them.
pub fn rules(database: &str, tables: &[Table]) -> Vec<TableRule> {
    let rule = |table: &Table| {
        table.rule.map(|rule| TableRule {
            name: format!("public.{}", table.name),
            database: Some(database.to_owned()),
            min_rows: i64::try_from(rule.minimum).ok(),
            max_drop_percent: rule.largest_drop,
            volatile: false,
        })
    };
    tables.iter().filter_map(rule).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_a_table_and_most_are_in_one() {
        for rows in [2_000_000, 99_999_999, 100_000_000] {
            let tables = large_database(rows);
            assert_eq!((tables.len(), total_rows(&tables)), (27, rows));
            assert!(tables[0].rows * 100 >= rows * 80);
            assert!(
                tables
                    .iter()
                    .all(|table| table.rule.is_none_or(|rule| rule.minimum <= table.rows)),
                "a check of it is green"
            );
        }
    }

    #[test]
    fn the_rules_are_those_of_their_database() {
        let rules = rules("large", &large_database(100_000_000));
        assert_eq!(rules.len(), 8);
        assert_eq!(
            (
                rules[0].name.as_str(),
                rules[0].min_rows,
                rules[0].max_drop_percent
            ),
            ("public.events", Some(10_000), None)
        );
        assert!(
            rules
                .iter()
                .all(|rule| rule.database.as_deref() == Some("large"))
        );
        assert!(super::rules("many", &many_tables(10)).is_empty());
    }
}
