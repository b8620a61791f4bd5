//! Golden tests of the script, and that no name leaves its quotes.

use super::*;

fn request() -> GrantRequest {
    GrantRequest {
        role: "holdfast".to_owned(),
        databases: vec!["knowledge_os".to_owned(), "metrics".to_owned()],
        before_fourteen: false,
        schemas: vec!["public".to_owned()],
        owners: Vec::new(),
        bypass_row_security: false,
        large_objects: false,
        restore: false,
    }
}

fn usage() -> Use {
    Use {
        namespace: "atra".to_owned(),
        protected: Some("knowledge".to_owned()),
        workload: "statefulset/knowledge-postgres".to_owned(),
        secret: CredentialsSecret {
            name: "knowledge-holdfast".to_owned(),
            username_key: "username".to_owned(),
            password_key: "password".to_owned(),
        },
        context_flag: String::new(),
    }
}

#[test]
fn the_script_reads() {
    let older = GrantRequest {
        before_fourteen: true,
        schemas: vec!["public".to_owned(), "app".to_owned()],
        owners: vec!["migrator".to_owned()],
        databases: vec!["knowledge_os".to_owned()],
        ..request()
    };
    let restore = GrantRequest {
        role: "holdfast_restore".to_owned(),
        restore: true,
        ..request()
    };
    let all = GrantRequest {
        bypass_row_security: true,
        large_objects: true,
        ..request()
    };
    let texts = [
        describe_grants(&request(), &usage()),
        describe_grants(
            &all,
            &Use {
                protected: None,
                context_flag: " --context production".to_owned(),
                ..usage()
            },
        ),
        describe_grants(&older, &usage()),
        describe_grants(&restore, &usage()),
    ];
    insta::assert_snapshot!(texts.join("\n=====\n\n"));
}

#[test]
fn a_name_stays_a_name() {
    let odd = "we\"ird'; drop role x; --\n$(reboot)\ndrop table y;";
    let request = GrantRequest {
        role: odd.to_owned(),
        databases: vec![odd.to_owned()],
        large_objects: true,
        ..request()
    };
    let text = describe_grants(&request, &usage());
    let mut quoted = false;
    for (number, line) in text.lines().enumerate() {
        // Inside of a quoted name a line may begin with anything; outside every line is a
        // statement, a comment or a command of psql.
        let known = [
            "--",
            "\\set",
            "\\connect",
            "CREATE ROLE",
            "GRANT",
            "ALTER ROLE",
            "SELECT format",
        ];
        assert!(
            quoted || line.is_empty() || known.iter().any(|start| line.starts_with(start)),
            "line {number}: {line}"
        );
        if quoted || !line.starts_with("--") {
            quoted ^= line.matches('"').count() % 2 == 1;
        }
    }
    assert!(
        text.contains(r#"'\password "we""ird'\''; drop role x; -- $(reboot) drop table y;"'"#),
        "{text}"
    );
}
