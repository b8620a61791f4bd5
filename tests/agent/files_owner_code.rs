//! What the owner of a table may try so that a query of `spec.verification.files` runs his code. The
//! code leaves a line in the server's log, which says as whom it ran.

use std::fs;

use holdfast::api::reasons;

use crate::files::{Scene, message, reason, rule};

/// What is there before the owner begins.
const BEFORE: &str = "create role owner login; grant create on schema public to owner; drop table \
    trends; set role owner; create table trends (path varchar, tags text[], spans int4range); \
    insert into trends values ('a', '{a}', '[1,5)'); create function public.code(int) returns int language plpgsql immutable as \
    $$begin raise log 'code ran as %', current_user; return 1; end$$;";

const PLAIN: &str = "select path from trends where path <> 'b'";

/// What the owner makes, and the user's query.
const TRAPS: [(&str, &str); 12] = [
    ("create index on trends ((public.code(1) + 1))", PLAIN),
    (
        "create index on trends (path) where public.code(1) = 1",
        PLAIN,
    ),
    (
        "create statistics seen on (public.code(1) + 1), (path || 'x') from trends",
        PLAIN,
    ),
    (
        "create table more () inherits (trends); create index on more ((public.code(1) + 1))",
        PLAIN,
    ),
    (
        "drop table trends; create table trends (path varchar) partition by list \
         ((public.code(1)::text || path)); create table trends_1 partition of trends default",
        "select path from trends where path = 'a'",
    ),
    (
        "create function public.lower(varchar) returns text language plpgsql as $$begin perform \
         public.code(1); return 'a'; end$$",
        "select lower(path) from trends",
    ),
    (
        "create function public.alike(varchar, varchar) returns boolean language plpgsql as $$begin \
         perform public.code(1); return true; end$$; create operator public.~~ (leftarg = varchar, \
         rightarg = varchar, function = public.alike)",
        "select path from trends where path like 'a%'",
    ),
    (
        "create type public.mood as enum ('a'); create function public.say(public.mood) returns \
         text language plpgsql immutable as $$begin perform public.code(1); return 'a'; end$$; \
         create cast (public.mood as text) with function public.say(public.mood); alter table \
         trends alter column path type public.mood using 'a'",
        "select path from trends",
    ),
    (
        "create domain public.tag as text check (public.code(1) = 1); alter table trends alter \
         column tags type public.tag[] using '{}'",
        "select path from trends where tags = '{a}'",
    ),
    (
        "alter table trends rename column path to other; create function public.path(trends) \
         returns text language plpgsql as $$begin perform public.code(1); return 'a'; end$$",
        "select t.path from trends as t",
    ),
    (
        "create domain public.tag as text check (public.code(1) = 1); alter table trends rename to \
         kept; create view trends as select path, '{a}'::public.tag[] as tags from kept",
        "select path from trends where tags = '{a}'",
    ),
    (
        "create function public.gap(int, int) returns float8 language plpgsql immutable as $$begin \
         perform public.code(1); return $1 - $2; end$$; create type public.span as range (subtype = \
         int, subtype_diff = public.gap); alter table trends alter column spans type public.span \
         using public.span(lower(spans), upper(spans)); insert into trends select 'a', '{a}', \
         public.span(g, g + 5) from generate_series(1, 1000) as g; analyze trends",
        "select path from trends where spans && '[1,5)'",
    ),
];

async fn start() -> Scene {
    let scene = Scene::start().await;
    scene.server.execute("postgres", BEFORE).await;
    scene
}

fn has_run(scene: &Scene, role: &str) -> bool {
    fs::read_to_string(scene.server.file("log"))
        .unwrap()
        .contains(&format!("code ran as {role}"))
}

#[tokio::test]
async fn a_query_that_would_run_code_of_the_owner_is_not_run() {
    for (trap, query) in TRAPS {
        let scene = start().await;
        let found = scene.look(rule("", "", query)).await;
        assert_eq!(found.paths, 1, "{query}: {}", message(&found));
        scene
            .server
            .execute("postgres", &format!("set role owner; {trap}"))
            .await;
        let found = scene.look(rule("", "", query)).await;
        assert!(!has_run(&scene, "agent"), "{trap}");
        assert_eq!(
            reason(&found),
            reasons::OWNER_CODE,
            "{trap}: {}",
            message(&found)
        );
    }
}

#[tokio::test]
async fn each_of_these_traps_works_on_those_who_ask_plainly() {
    for (trap, query) in TRAPS {
        let scene = start().await;
        scene
            .server
            .execute("postgres", &format!("set role owner; {trap}"))
            .await;
        scene
            .server
            .execute(
                "postgres",
                &format!(
                    "set role agent; set default_transaction_read_only = on; set search_path = \
                     pg_catalog, public; select path::text from ({query}) as named(path)"
                ),
            )
            .await;
        assert!(has_run(&scene, "agent"), "{trap}");
    }
}

#[tokio::test]
async fn a_type_that_a_query_names_must_be_of_a_superuser() {
    let scene = start().await;
    let query = "select path::public.url from trends";
    scene
        .server
        .execute("postgres", "create domain public.url as varchar")
        .await;
    let found = scene.look(rule("", "", query)).await;
    assert_eq!((found.paths, message(&found)), (1, ""));
    for owned in [
        "alter domain public.url owner to owner",
        "set role owner; alter domain public.url add check (public.code(1) = 1)",
    ] {
        scene.server.execute("postgres", owned).await;
        let found = scene.look(rule("", "", query)).await;
        assert_eq!(reason(&found), reasons::OWNER_CODE, "{owned}");
        assert!(
            message(&found).contains("public.url"),
            "{}",
            message(&found)
        );
    }
    assert!(!has_run(&scene, "agent"));
}

#[tokio::test]
async fn words_of_a_query_that_happen_to_name_a_function_elsewhere_do_not_matter() {
    let scene = start().await;
    scene
        .server
        .execute(
            "postgres",
            "create schema app authorization owner; set role owner; create function \
             app.path(trends) returns text language sql as 'select 1'; create function public.a(int) \
             returns int language sql as 'select 1'",
        )
        .await;
    let found = scene.look(rule("", "", PLAIN)).await;
    assert_eq!((found.paths, message(&found)), (1, ""));
}
