//! The script that is printed, a comment before each statement, and what is left to do after it.
//! Pure.

use std::fmt::Write as _;

use serde_json::json;

use super::{GrantRequest, Statement, build_database_statements, build_server_statements};
use crate::api::CredentialsSecret;
use crate::postgres::{bounded_line, quote_identifier};
use crate::wording::shell_word;

const MANUAL: &str = "https://www.postgresql.org/docs/current/";
const WIDTH: usize = 120;

/// Where the role is to be used, as far as that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    pub namespace: String,
    /// The ProtectedDatabase, if there is one.
    pub protected: Option<String>,
    /// The workload as kubectl takes it, `statefulset/knowledge-postgres`.
    pub workload: String,
    /// The Secret that the role's name and password go into, and its keys.
    pub secret: CredentialsSecret,
    /// The context of the command line, as a flag with a blank before it.
    pub context_flag: String,
}

/// The whole script: SQL, and comments.
pub fn describe_grants(request: &GrantRequest, usage: &Use) -> String {
    let scope = format!("-n {}{}", usage.namespace, usage.context_flag);
    let psql = format!("{} {scope} -- psql -U postgres", usage.workload);
    let mut text = String::new();
    let what = if request.restore {
        "A role for restoring backups with Holdfast. What belongs to others than the owner of the database, \
         event triggers, and extensions that only a superuser may create are restored only by a superuser: \
         where you have such, and accept that, make it one. Read it, then run it as a superuser: save it as \
         grants.sql, then"
    } else {
        "A role for the checks and backups of Holdfast, with what they need and no more. Read it, \
         then run it as a superuser: save it as grants.sql, then"
    };
    comment(&mut text, what);
    let _ = writeln!(
        text,
        "--   kubectl exec -i {psql} < grants.sql\n\\set ON_ERROR_STOP on\n"
    );
    for statement in build_server_statements(request) {
        write_statement(&mut text, &statement);
    }
    let inside = build_database_statements(request);
    for database in request.databases.iter().filter(|_| !inside.is_empty()) {
        let _ = writeln!(
            text,
            "\\connect {}\n",
            quote_identifier(&bounded_line(database))
        );
        for statement in &inside {
            write_statement(&mut text, statement);
        }
    }
    if request.before_fourteen && !request.restore {
        comment(
            &mut text,
            "A schema that is not named here is not read, and pg_dump fails on it: \\dn lists \
             them, --schema names them. Default privileges are those of the role that runs this, \
             or of those that --owner names.",
        );
        text.push('\n');
    }
    comment(
        &mut text,
        "Then set the password, on a terminal. psql sends it hashed, and it is in no history and \
         no log:",
    );
    let _ = writeln!(
        text,
        "--   kubectl exec -it {psql} -c {}",
        shell(&format!("\\password {}", quote_identifier(&request.role)))
    );
    comment(
        &mut text,
        "Put it into a file of its own, create the Secret from that, and delete the file:",
    );
    let secret = &usage.secret;
    let _ = writeln!(
        text,
        "--   kubectl create secret generic {} {scope} --from-literal={}={} --from-file={}=FILE",
        secret.name,
        secret.username_key,
        shell(&request.role),
        secret.password_key
    );
    if let Some(protected) = &usage.protected {
        let reference = json!({"name": secret.name, "usernameKey": secret.username_key, "passwordKey": secret.password_key});
        let part = if request.restore {
            "restore"
        } else {
            "connection"
        };
        let patch = json!({"spec": {part: {"credentialsSecret": reference}}});
        comment(
            &mut text,
            if request.restore {
                "Let Holdfast use it for restores. Whether it can says the next one, before anything is made:"
            } else {
                "Let Holdfast use it. The next check says whether it can:"
            },
        );
        let _ = writeln!(
            text,
            "--   kubectl patch protdb {protected} {scope} --type=merge -p {}",
            shell(&patch.to_string())
        );
    }
    text
}

fn write_statement(text: &mut String, statement: &Statement) {
    comment(text, statement.why);
    let _ = writeln!(text, "-- {MANUAL}{}\n{}\n", statement.page, statement.sql);
}

/// Words as comments, in lines that fit.
fn comment(text: &mut String, words: &str) {
    let mut line = "--".to_owned();
    for word in words.split(' ') {
        if line.chars().count() + word.chars().count() >= WIDTH {
            text.push_str(&line);
            text.push('\n');
            "--".clone_into(&mut line);
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}

/// A word as a shell takes it. It stands in a comment, so it is one line.
fn shell(word: &str) -> String {
    shell_word(&bounded_line(word))
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
