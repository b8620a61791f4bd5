//! What the tables of a database take on disk, as far as the catalog knows: an estimate of what a dump of them
//! has. No table is opened, so nobody waits for a lock.

use super::{PostgresError, Session};

/// Below it are the objects that initdb has made.
const FIRST_OWN: i64 = 16_384;
/// Where large objects are, which are dumped.
const LARGE_OBJECTS: i64 = 2_613;

/// What the catalog says of a database.
struct Pages {
    /// Of what initdb has made.
    system: i64,
    /// Of tables that are dumped, with what they keep out of line.
    tables: i64,
    /// Of indexes, and of what is not dumped.
    others: i64,
    page_bytes: i64,
}

/// Estimates the bytes of all tables but these, from what the database takes on disk. None if nothing is
/// known.
pub async fn fetch_table_bytes(
    session: &Session,
    database_bytes: i64,
    without: &[i64],
) -> Result<Option<i64>, PostgresError> {
    let row = session.fetch_row(&build_query(without)).await?;
    let number = |column| session.number(&row, column);
    let pages = Pages {
        system: number("system")?,
        tables: number("tables")?,
        others: number("others")?,
        page_bytes: number("page_bytes")?,
    };
    Ok(estimate(database_bytes, &pages))
}

fn build_query(without: &[i64]) -> String {
    let without: Vec<String> = without.iter().map(ToString::to_string).collect();
    let without = format!("'{{{}}}'::pg_catalog.oid[]", without.join(","));
    format!(
        "select coalesce(pg_catalog.sum(p.pages) filter (where p.kind = 's'), 0)::bigint::text as system, \
         coalesce(pg_catalog.sum(p.pages) filter (where p.kind = 't'), 0)::bigint::text as tables, \
         coalesce(pg_catalog.sum(p.pages) filter (where p.kind = 'o'), 0)::bigint::text as others, \
         pg_catalog.current_setting('block_size') as page_bytes from (select c.relpages::bigint as pages, \
         case when c.oid = {LARGE_OBJECTS} then 't' when c.oid < {FIRST_OWN} then 's' when c.relkind in \
         ('r', 't') and c.oid <> all ({without}) and not exists (select from pg_catalog.pg_class as l where \
         l.oid = any ({without}) and l.reltoastrelid = c.oid) then 't' else 'o' end as kind from \
         pg_catalog.pg_class as c where c.relpages > 0) as p"
    )
}

/// The share of the tables in what is on disk: pages are as of the last VACUUM or ANALYZE, and the size is of
/// now.
fn estimate(database_bytes: i64, pages: &Pages) -> Option<i64> {
    let own = database_bytes.saturating_sub(pages.system.saturating_mul(pages.page_bytes));
    if own <= 0 {
        return None;
    }
    let known = pages.tables.saturating_add(pages.others);
    if known == 0 {
        return Some(own);
    }
    let share = i128::from(own) * i128::from(pages.tables) / i128::from(known);
    i64::try_from(share).ok().filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_is_the_share_of_tables_in_what_is_on_disk() {
        let of = |database_bytes, tables, others| {
            let pages = Pages {
                system: 1_000,
                tables,
                others,
                page_bytes: 8_192,
            };
            estimate(database_bytes, &pages)
        };
        let system = 1_000 * 8_192;
        assert_eq!(of(system + 4_000_000, 300, 100), Some(3_000_000));
        assert_eq!(
            of(system + 4_000_000, 0, 0),
            Some(4_000_000),
            "never analyzed"
        );
        assert_eq!(of(system + 4_000_000, 0, 100), None);
        assert_eq!(of(0, 300, 100), None, "its size is not known");
    }
}
