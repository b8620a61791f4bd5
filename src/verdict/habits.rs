//! What the name of a table says about its rows: that they come and go is no loss. Only tables
//! without a rule are judged by their name, and only together with others.

/// Words of tables that tools create beside a table and drop again: dbt, `pg_repack`, pg-osc, loaders
/// and migrations by hand.
const STAGING: [&str; 18] = [
    "tmp",
    "temp",
    "temporary",
    "staging",
    "scratch",
    "preview",
    "bak",
    "backup",
    "old",
    "ci",
    "pr",
    "shadow",
    "swap",
    "import",
    "load",
    "airbyte",
    "fivetran",
    "sqlmesh",
];

/// Words of tables whose rows are used up: queues, sessions, caches, locks.
const USED_UP: [&str; 48] = [
    "queue",
    "queues",
    "queued",
    "job",
    "jobs",
    "pgboss",
    "pgmq",
    "oban",
    "river",
    "hangfire",
    "qrtz",
    "celery",
    "kombu",
    "taskmeta",
    "sidekiq",
    "resque",
    "que",
    "procrastinate",
    "graphile",
    "outbox",
    "inbox",
    "deadletter",
    "dlq",
    "session",
    "sessions",
    "token",
    "tokens",
    "nonce",
    "nonces",
    "otp",
    "otps",
    "cache",
    "caches",
    "cached",
    "lock",
    "locks",
    "lease",
    "leases",
    "throttle",
    "throttles",
    "ratelimit",
    "ratelimits",
    "idempotency",
    "ephemeral",
    "executions",
    "presence",
    "cart",
    "carts",
];

/// Words of tables whose oldest rows are deleted: logs, histories, measurements.
const PRUNED: [&str; 38] = [
    "log",
    "logs",
    "logging",
    "audit",
    "audits",
    "history",
    "histories",
    "activity",
    "activities",
    "trace",
    "traces",
    "span",
    "spans",
    "metric",
    "metrics",
    "telemetry",
    "measurement",
    "measurements",
    "reading",
    "readings",
    "sample",
    "samples",
    "heartbeat",
    "heartbeats",
    "notification",
    "notifications",
    "visit",
    "visits",
    "impression",
    "impressions",
    "click",
    "clicks",
    "pageview",
    "pageviews",
    "ahoy",
    "hits",
    "archive",
    "archives",
];

/// Parts of the names of tables that only a tool names so: dbt, pg-osc, Large Hadron Migrator.
const TOOL_TABLES: [&str; 4] = ["__dbt_tmp", "__dbt_backup", "pgosc_", "lhma_"];

/// Beginnings of the names of schemas that a tool makes for a moment.
const TOOL_SCHEMAS: [&str; 3] = ["repack.", "pgosc.", "dbt_cloud_pr_"];

/// Words in the names of what is left of a table beside the one that is kept.
const LEFT: [&str; 9] = [
    "legacy",
    "prev",
    "previous",
    "deprecated",
    "copy",
    "orig",
    "retired",
    "old",
    "archived",
];

/// Words beside the number of a partition or a version.
const NUMBERED: [&str; 10] = ["p", "part", "partition", "v", "y", "q", "m", "w", "d", "h"];

/// Words of tables that rows are moved into.
const KEPT: [&str; 9] = [
    "archive", "archives", "archived", "history", "old", "cold", "backup", "bak", "deleted",
];

/// Whether a tool or a migration drops the table again. Its schema says nothing: a schema named
/// `staging` or `import` may have all tables of an application.
pub(super) fn is_staging(name: &str) -> bool {
    is_made_by_tool(name) || says(table_of(name), &STAGING)
}

/// Whether a tool has made the table for a moment: nobody wants to hear of it.
pub(super) fn is_made_by_tool(name: &str) -> bool {
    let name = name.to_lowercase();
    let table = table_of(&name);
    TOOL_SCHEMAS.iter().any(|schema| name.starts_with(schema))
        || TOOL_TABLES
            .iter()
            .any(|part| table.starts_with(part) || part.starts_with("__") && table.contains(part))
}

/// Whether a table is by its name a partition, a version or an old copy of the one that is kept.
pub(super) fn is_leftover_of(name: &str, kept: &str) -> bool {
    let (name, kept) = (stem(name), stem(kept));
    let Some(start) = part_of(&name, &kept) else {
        return false;
    };
    let (before, rest) = name.split_at(start);
    let left = format!("{before}_{}", rest.get(kept.len()..).unwrap_or_default());
    let has_number = left.chars().any(|one| one.is_ascii_digit());
    let words: Vec<String> = split(&left)
        .into_iter()
        .filter(|word| !word.is_empty())
        .collect();
    let is_left = |word: &String| LEFT.contains(&word.as_str());
    let is_numbered = |word: &String| has_number && NUMBERED.contains(&word.as_str());
    (has_number || words.iter().any(is_left))
        && words.iter().all(|word| is_left(word) || is_numbered(word))
}

/// Whether rows of other tables are moved into the table.
pub(super) fn is_archive(name: &str) -> bool {
    says(name, &KEPT)
}

/// Whether the rows are used up, down to none.
pub(super) fn is_used_up(name: &str) -> bool {
    says(name, &USED_UP)
}

/// Whether old rows are deleted.
pub(super) fn is_pruned(name: &str) -> bool {
    says(name, &PRUNED)
}

/// Whether the name says that rows come and go, in whatever way.
pub(super) fn is_usual(name: &str) -> bool {
    is_staging(name) || is_used_up(name) || is_pruned(name)
}

fn says(name: &str, words: &[&str]) -> bool {
    split(name)
        .iter()
        .any(|word| words.contains(&word.as_str()))
}

/// The words of `schema.table`, in small letters: `_`, digits and capital letters separate them.
fn split(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for character in name.chars() {
        if !character.is_alphabetic() || character.is_uppercase() && was_small {
            words.push(String::new());
        }
        was_small = character.is_lowercase();
        if let (Some(word), true) = (words.last_mut(), character.is_alphabetic()) {
            word.extend(character.to_lowercase());
        }
    }
    words
}

/// The name without its schema.
fn table_of(name: &str) -> &str {
    name.split_once('.').map_or(name, |(_, table)| table)
}

/// What is compared of the name of a table.
fn stem(name: &str) -> String {
    table_of(name).trim_matches('_').to_lowercase()
}

/// Whether one table has the rows of the other by its name: a partition, an archive, a copy.
pub(super) fn is_related(name: &str, other: &str) -> bool {
    let (one, other) = (stem(name), stem(other));
    one == other || part_of(&one, &other).is_some() || part_of(&other, &one).is_some()
}

/// Where the long name has the short one as words of its own.
fn part_of(long: &str, short: &str) -> Option<usize> {
    let is_border = |character: Option<char>| character.is_none_or(|one| !one.is_alphabetic());
    if short.len() <= 2 {
        return None;
    }
    long.find(short).filter(|start| {
        let (before, rest) = long.split_at(*start);
        let after = rest.get(short.len()..).unwrap_or_default();
        is_border(before.chars().next_back()) && is_border(after.chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_name_says_what_its_table_is_for() {
        let used_up = [
            "public.oban_jobs",
            "public.solid_queue_ready_executions",
            "pgboss.archive",
            "public.delayed_jobs",
            "public.django_session",
            "public.MessageQueue",
            "hangfire.state",
            "public.outbox2",
            "public.oauth_access_tokens",
        ];
        assert!(used_up.iter().all(|name| is_used_up(name)), "{used_up:?}");
        let pruned = [
            "public.audit_log",
            "public.httpLogs",
            "public.ahoy_events",
            "app.metrics_1h",
        ];
        assert!(pruned.iter().all(|name| is_pruned(name)), "{pruned:?}");
        let staging = [
            "analytics.orders__dbt_tmp",
            "analytics.orders__dbt_backup",
            "repack.table_16412",
            "public.users_old",
            "dbt_cloud_pr_12_7.orders",
            "public.pgosc_st_users_815",
            "public.tmp_import",
        ];
        assert!(staging.iter().all(|name| is_staging(name)), "{staging:?}");
        let data = [
            "public.blog",
            "public.catalog",
            "public.orders",
            "public.events",
            "public.users",
            "public.jobber",
            "public.locksmiths",
            "public.golden",
            "public.templates",
            "dbt_prod.orders",
            "staging.customers",
            "old.invoices",
            "public.dbt_customers",
        ];
        for name in data {
            assert!(
                !is_used_up(name) && !is_pruned(name) && !is_staging(name),
                "{name}"
            );
        }
    }

    #[test]
    fn rows_move_between_tables_of_one_stem() {
        for (one, other) in [
            ("public.events", "public.events_p2024_01"),
            ("public.users", "archive.users"),
            ("public.users", "public.old_users"),
            ("public.orders", "public.orders_archive"),
        ] {
            assert!(
                is_related(one, other) && is_related(other, one),
                "{one} {other}"
            );
        }
        for (one, other) in [
            ("public.users", "public.superusers"),
            ("public.id", "public.id_cards"),
            ("public.orders", "public.customers"),
        ] {
            assert!(!is_related(one, other), "{one} {other}");
        }
    }

    #[test]
    fn what_is_left_of_a_table_has_a_number_or_a_word_that_says_so() {
        for name in [
            "public.events_p2024_01",
            "archive.events_2024_01",
            "public.events_legacy",
            "public.old_events",
            "public.events_v1",
            "public.events_20240101",
            "public._events_prev",
        ] {
            assert!(is_leftover_of(name, "public.events"), "{name}");
            assert!(!is_leftover_of("public.events", name), "{name}");
        }
        for name in [
            "public.events",
            "app.events",
            "public.events_days",
            "public.events_3_orders",
            "public.revents_1",
        ] {
            assert!(!is_leftover_of(name, "public.events"), "{name}");
        }
    }
}
