//! The ProtectedDatabase that would protect a Postgres, as YAML to be read, completed and applied.
//! Pure.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{PostgresTemplate, PostgresWorkload};
use crate::api::names::{DATABASE_NAME_LIMIT, GROUP, VERSION};
use crate::install;

/// One YAML document with comments on what the template does not say, beginning with `---`.
pub fn build_manifest(workload: &PostgresWorkload) -> String {
    let template = &workload.template;
    let named =
        json!({"kind": workload.kind, "name": workload.name, "container": template.container});
    build_manifest_of(
        &workload.namespace,
        (&workload.kind.to_string(), &workload.name),
        (&named, Vec::new()),
        template,
    )
}

/// The same of whatever runs it: its kind and name, `spec.workload`, and what is to be said about that.
pub(super) fn build_manifest_of(
    namespace: &str,
    (kind, runs): (&str, &str),
    (workload, mut comments): (&Value, Vec<String>),
    template: &PostgresTemplate,
) -> String {
    let name = database_name(runs);
    let (login, of_login) = credentials(namespace, runs, template);
    comments.extend(of_login);
    let mut connection = Map::new();
    if let Some(port) = template.port {
        connection.insert("port".to_owned(), port.into());
    }
    connection.insert(
        "database".to_owned(),
        template.database.as_deref().unwrap_or("postgres").into(),
    );
    connection.extend(login);
    let object = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": "ProtectedDatabase",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "workload": workload,
            "connection": connection,
        },
    });
    let mut text = "---\n".to_owned();
    let _ = writeln!(text, "# Protects {kind} {runs} in namespace {namespace}.");
    if template.database.is_none() {
        text.push_str(
            "# The template does not name the database: correct spec.connection.database.\n",
        );
    }
    for comment in comments {
        let _ = writeln!(text, "# {comment}");
    }
    text.push_str(
        "# Without spec.backup no backups are made: see `kubectl explain protdb.spec.backup`.\n",
    );
    // The object is built from words and numbers only, so that writing it can't fail; if it did,
    // the comments would still be right.
    text.push_str(&install::build_document(&object).unwrap_or_default());
    text
}

/// A name that a ProtectedDatabase may have.
fn database_name(workload: &str) -> &str {
    let end = workload.floor_char_boundary(DATABASE_NAME_LIMIT);
    workload
        .get(..end)
        .unwrap_or(workload)
        .trim_end_matches(['-', '.'])
}

/// The Secret to log in with, and what has to be said about it.
fn credentials(
    namespace: &str,
    workload: &str,
    template: &PostgresTemplate,
) -> (Map<String, Value>, Vec<String>) {
    let login = |secret: Value| Map::from_iter([("credentialsSecret".to_owned(), secret)]);
    let Some(password) = &template.password else {
        let name = format!("{workload}-holdfast");
        let comment = format!(
            "The template names no Secret with the password: kubectl -n {namespace} create secret \
             generic {name} --from-literal=username=USER --from-literal=password=PASSWORD"
        );
        return (login(json!({"name": name})), vec![comment]);
    };
    let own_user = "This is the server's own user; a role with pg_monitor and pg_read_all_data is \
        enough."
        .to_owned();
    match (&template.username, &template.username_value) {
        (Some(username), _) if username.name == password.name => {
            let secret = json!({"name": password.name, "usernameKey": username.key, "passwordKey": password.key});
            (login(secret), vec![own_user])
        }
        (_, Some(username)) => {
            let mut login = login(json!({"name": password.name, "passwordKey": password.key}));
            login.insert("username".to_owned(), username.as_str().into());
            (login, vec![own_user])
        }
        _ => {
            let comment = format!(
                "Secret {} contains the password; the template names no Secret for the user name: \
                 write the name into spec.connection.username.",
                password.name
            );
            (
                login(json!({"name": password.name, "passwordKey": password.key})),
                vec![comment],
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit() {
        assert_eq!(database_name("knowledge-postgres"), "knowledge-postgres");
        assert_eq!(
            database_name(&format!("{}-postgres", "a".repeat(39))),
            "a".repeat(39)
        );
        assert_eq!(database_name(&"a".repeat(60)).len(), 40);
    }
}
