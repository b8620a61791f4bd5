//! What a role is given so that it can check and back up databases: each statement with its reason.
//! Pure.

use crate::postgres::quote_identifier;

/// How many sessions the role may have: a check and one more; a backup with its snapshot, that of a
/// further database, `pg_dump`, the watch beside it, and one more of each.
const CONNECTIONS: u8 = 10;
/// The same for restores, which build up to 16 indexes at a time.
const RESTORE_CONNECTIONS: u8 = 24;

/// What the role is for.
#[expect(clippy::struct_excessive_bools, reason = "flags of the command line")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRequest {
    /// Its name.
    pub role: String,
    pub databases: Vec<String>,
    /// Whether the server is older than Postgres 14, which has no `pg_read_all_data`.
    pub before_fourteen: bool,
    /// The schemas, for servers before Postgres 14.
    pub schemas: Vec<String>,
    /// The roles that create tables, for servers before Postgres 14; none for the one that runs the
    /// script.
    pub owners: Vec<String>,
    /// Whether it is to see the rows that row security hides.
    pub bypass_row_security: bool,
    /// Whether it is to read large objects.
    pub large_objects: bool,
    /// Whether it is the role of restores, which is another one than that of checks and backups.
    pub restore: bool,
}

/// A statement and why it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// What it is for, in one sentence or two.
    pub why: &'static str,
    /// The page of the manual, after `https://www.postgresql.org/docs/current/`.
    pub page: &'static str,
    /// The statement with its end.
    pub sql: String,
}

/// What is run once for the server, in any database.
pub fn build_server_statements(request: &GrantRequest) -> Vec<Statement> {
    if request.restore {
        return build_restore_statements(request);
    }
    let role = quote_identifier(&request.role);
    let mut statements = vec![Statement {
        why: "A role that may log in. It is no superuser and has no password yet, so nobody can \
            log in with one.",
        page: "sql-createrole.html",
        sql: format!(
            "CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION CONNECTION \
             LIMIT {CONNECTIONS};"
        ),
    }];
    if !request.before_fourteen {
        statements.push(Statement {
            why: "Reads every table, view and sequence, also those that are created later: for \
                counting rows, and for pg_dump.",
            page: "predefined-roles.html",
            sql: format!("GRANT pg_read_all_data TO {role};"),
        });
    }
    statements.push(Statement {
        why: "Reads the setting data_directory: so a check sees that the files are on the volume, \
            and not in the container.",
        page: "predefined-roles.html",
        sql: format!("GRANT pg_read_all_settings TO {role};"),
    });
    statements.extend(request.databases.iter().map(|database| Statement {
        why: "Connects to the database, also where PUBLIC may not.",
        page: "ddl-priv.html",
        sql: format!(
            "GRANT CONNECT ON DATABASE {} TO {role};",
            quote_identifier(database)
        ),
    }));
    statements.push(Statement {
        why: "Writes nothing, even what PUBLIC may write. Checks and pg_dump ask for read-only \
            transactions themselves; this is for everything else.",
        page: "runtime-config-client.html",
        sql: format!("ALTER ROLE {role} SET default_transaction_read_only = on;"),
    });
    if request.bypass_row_security {
        statements.push(Statement {
            why: "Sees the rows that row security hides from others. Without it a table with \
                  policies can't be counted, and pg_dump refuses to dump it. It is for all tables \
                  of all databases, so give it only where there are such tables.",
            page: "ddl-rowsecurity.html",
            sql: format!("ALTER ROLE {role} BYPASSRLS;"),
        });
    }
    statements
}

/// What a role needs that restores backups.
fn build_restore_statements(request: &GrantRequest) -> Vec<Statement> {
    let role = quote_identifier(&request.role);
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let names: Vec<String> = request.databases.iter().map(|name| literal(name)).collect();
    let mut statements = vec![Statement {
        why: "A role that may log in and create databases, for restores alone: only their Jobs get its \
            password. It is no superuser and has no password yet, so nobody can log in with one.",
        page: "sql-createrole.html",
        sql: format!(
            "CREATE ROLE {role} LOGIN NOSUPERUSER CREATEDB NOCREATEROLE NOREPLICATION CONNECTION LIMIT \
             {RESTORE_CONNECTIONS};"
        ),
    }];
    if !request.before_fourteen {
        statements.push(Statement {
            why: "Reads every table: what was restored is dumped again, and compared row by row.",
            page: "predefined-roles.html",
            sql: format!("GRANT pg_read_all_data TO {role};"),
        });
    }
    statements.push(Statement {
        why: "Ends the sessions of the database for the moment in which it is renamed.",
        page: "predefined-roles.html",
        sql: format!("GRANT pg_signal_backend TO {role};"),
    });
    statements.push(Statement {
        why: "Reads how large the write-ahead log is: so a restore sees how full the disk is.",
        page: "predefined-roles.html",
        sql: format!("GRANT pg_monitor TO {role};"),
    });
    statements.push(Statement {
        why: "Acts as the owner of the databases, who alone may rename them, and to whom what is restored \
            belongs. Where that is a superuser, the role can become one too; give the database to another \
            owner first if you do not want that.",
        page: "role-membership.html",
        sql: format!(
            "SELECT format('GRANT %I TO %I', pg_catalog.pg_get_userbyid(datdba), {}) FROM \
             pg_catalog.pg_database WHERE datname IN ({}) \\gexec",
            literal(&request.role),
            names.join(", ")
        ),
    });
    statements
}

/// What is run in each of the databases.
pub fn build_database_statements(request: &GrantRequest) -> Vec<Statement> {
    if request.restore {
        return Vec::new();
    }
    let role = quote_identifier(&request.role);
    let mut statements = Vec::new();
    if request.before_fourteen {
        for schema in &request.schemas {
            statements.extend(build_schema_statements(&role, schema, &request.owners));
        }
    }
    if request.large_objects {
        let literal = format!("'{}'", request.role.replace('\'', "''"));
        statements.push(Statement {
            why: "Reads the large objects that are there, which no predefined role reaches; \
                  pg_dump fails without it. Run it again when there are more. From Postgres 18 on, \
                  ALTER DEFAULT PRIVILEGES … GRANT SELECT ON LARGE OBJECTS does it for later ones.",
            page: "largeobjects.html",
            sql: format!(
                "SELECT format('GRANT SELECT ON LARGE OBJECT %s TO %I', oid, {literal}) FROM \
                 pg_catalog.pg_largeobject_metadata \\gexec"
            ),
        });
    }
    statements
}

fn build_schema_statements(role: &str, schema: &str, owners: &[String]) -> Vec<Statement> {
    let schema = quote_identifier(schema);
    let grant = |why, sql| Statement {
        why,
        page: "sql-grant.html",
        sql,
    };
    let mut statements = vec![
        grant(
            "Finds what is in the schema.",
            format!("GRANT USAGE ON SCHEMA {schema} TO {role};"),
        ),
        grant(
            "Reads the tables and views that are there: for counting rows, and for pg_dump.",
            format!("GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role};"),
        ),
        grant(
            "Reads the sequences that are there, which pg_dump does.",
            format!("GRANT SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role};"),
        ),
    ];
    let makers: Vec<String> = if owners.is_empty() {
        vec![String::new()]
    } else {
        owners
            .iter()
            .map(|owner| format!("FOR ROLE {} ", quote_identifier(owner)))
            .collect()
    };
    for maker in makers {
        let default = |why, what: &str| Statement {
            why,
            page: "sql-alterdefaultprivileges.html",
            sql: format!(
                "ALTER DEFAULT PRIVILEGES {maker}IN SCHEMA {schema} GRANT SELECT ON {what} TO \
                 {role};"
            ),
        };
        statements.push(default(
            "The same for tables that this role creates later.",
            "TABLES",
        ));
        statements.push(default(
            "The same for sequences that this role creates later.",
            "SEQUENCES",
        ));
    }
    statements
}
