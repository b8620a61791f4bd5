//! Tests of the command line: what the help says, and what is refused as misunderstood.
#![allow(clippy::unwrap_used, reason = "a test")]

use clap::CommandFactory as _;

use super::*;

fn refused(words: &str) -> String {
    let parsed = Plugin::try_parse_from([PLUGIN_NAME].into_iter().chain(words.split(' ')));
    let error = parsed.unwrap_err();
    assert_eq!(error.exit_code(), 2, "{words}");
    error.to_string()
}

#[test]
fn the_command_line_is_consistent() {
    Plugin::command().debug_assert();
}

#[test]
fn the_help_reads() {
    // As wide everywhere, whatever terminal the tests run in.
    let mut command = Plugin::command().term_width(100);
    command.build();
    let mut pages = vec![command.render_long_help().to_string()];
    for subcommand in command.get_subcommands_mut() {
        if subcommand.get_name() != "help" {
            pages.push(subcommand.render_long_help().to_string());
        }
    }
    insta::assert_snapshot!(pages.join("\n=====\n\n"));
}

#[test]
fn the_name_alone_decides() {
    for (program, wanted) in [
        ("kubectl-holdfast", true),
        ("/usr/local/bin/kubectl-holdfast", true),
        ("holdfast", false),
        ("/kubectl-holdfast/holdfast", false),
    ] {
        assert_eq!(
            is_plugin_name(Some(OsStr::new(program))),
            wanted,
            "{program}"
        );
    }
    assert!(!is_plugin_name(None));
}

#[test]
fn what_was_not_understood_is_said() {
    assert!(
        refused("unlock pvc/data --yes").contains("--uid"),
        "a script must say which object it has seen"
    );
    assert!(refused("unlock secret/data").contains("pvc, pv, statefulset"));
    assert!(refused("unlock pvc").contains("KIND/NAME"));
    assert!(refused("unlock pvc/").contains("KIND/NAME"));
    assert!(refused("unlock pvc/data --revoke --yes --uid 1").contains("--revoke"));
    assert!(refused("status knowledge -A").contains("--all-namespaces"));
    assert!(refused("bring-back knowledge").contains("bring-back"));
    assert!(
        refused("accept knowledge").contains("--next"),
        "which of the three is meant must be said"
    );
    assert!(refused("accept knowledge knowledge-1 --next").contains("--next"));
    assert!(refused("accept knowledge --revoke --yes").contains("--revoke"));
    assert!(refused("accept knowledge --next --duration 8d").contains("give between 1m and 7d"));
    assert!(refused("grant-sql").contains("--database"));
    assert!(refused("grant-sql knowledge --database x").contains("--database"));
    assert!(refused("report knowledge").contains("--output"));
    assert!(refused("report knowledge -o html --force").contains("--file"));
    assert!(refused("recover knowledge --timeout 0").contains("1..=86400"));
    assert!(refused("adopt backups/prod").contains("s3://BUCKET/PREFIX"));
    assert!(refused("adopt s3://backups --database a/b").contains("--into"));
    assert!(refused("adopt s3://backups --into knowledge").contains("--database"));
    assert!(refused("adopt s3://backups --database a --into b").contains("NAMESPACE/NAME"));
    assert!(
        refused("adopt s3://backups --database a/b --into c --accept-suspect").contains("--set")
    );
}

/// Each command offers a table exactly where it has one, and refuses it everywhere else.
#[test]
fn a_table_is_taken_only_where_there_is_one() {
    let mut command = Plugin::command();
    command.build();
    let subcommands = command.get_subcommands();
    for subcommand in subcommands.filter(|subcommand| subcommand.get_name() != "help") {
        let name = subcommand.get_name();
        let output = subcommand
            .get_arguments()
            .find(|argument| argument.get_long() == Some("output"));
        let Some(output) = output else {
            assert!(
                refused(&format!("{name} -o table")).contains("-o"),
                "{name}"
            );
            continue;
        };
        let values = output.get_possible_values();
        let offers = values.iter().any(|value| value.get_name() == "table");
        assert_eq!(offers, matches!(name, "status" | "doctor"), "{name}");
        if !offers {
            let error = refused(&format!("{name} knowledge -o table"));
            assert!(error.contains("possible values: "), "{name}: {error}");
        }
    }
}
