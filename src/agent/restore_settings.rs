//! The statements that give a database what hangs on its object id: settings, permissions, connection
//! limit. Pure.

use crate::postgres::{DatabaseSetting, quote_identifier, quote_literal};

/// Settings that are lists: Postgres keeps each element quoted as a name.
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// One permission on a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Who has given it.
    pub grantor: String,
    /// Who has it; none for all.
    pub grantee: Option<String>,
    /// Such as `CONNECT`.
    pub privilege: String,
    /// Whether it may be passed on.
    pub grantable: bool,
}

/// Reads `name=value` as `pg_db_role_setting` has it.
#[must_use]
pub fn read_setting(role: &str, setting: &str) -> DatabaseSetting {
    let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
    DatabaseSetting {
        role: Some(role.to_owned()).filter(|role| !role.is_empty()),
        name: name.to_owned(),
        value: Some(value.to_owned()),
    }
}

/// The statement for one setting; none where its value is not known.
#[must_use]
pub fn build_setting(database: &str, setting: &DatabaseSetting) -> Option<String> {
    let value = setting.value.as_deref()?;
    let value = if LISTS.contains(&setting.name.to_lowercase().as_str()) {
        let elements: Vec<String> = split_list(value)?
            .iter()
            .map(|element| quote_literal(element))
            .collect();
        if elements.is_empty() {
            "''".to_owned()
        } else {
            elements.join(", ")
        }
    } else {
        quote_literal(value)
    };
    let of = match &setting.role {
        Some(role) => format!(
            "alter role {} in database {}",
            quote_identifier(role),
            quote_identifier(database)
        ),
        None => format!("alter database {}", quote_identifier(database)),
    };
    // A name with dots is one of an extension or application, and each part a name.
    let name: Vec<String> = setting.name.split('.').map(quote_identifier).collect();
    Some(format!("{of} set {} to {value}", name.join(".")))
}

/// Splits a list at the commas outside of quotes, as Postgres does.
fn split_list(text: &str) -> Option<Vec<String>> {
    let mut elements = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let after;
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut element = String::new();
            let mut characters = quoted.char_indices().peekable();
            let end = loop {
                match characters.next()? {
                    (_, '"') if characters.next_if(|(_, next)| *next == '"').is_some() => {
                        element.push('"');
                    }
                    (position, '"') => break position + 1,
                    (_, other) => element.push(other),
                }
            };
            elements.push(element);
            after = quoted[end..].trim_start();
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            elements.push(rest[..end].trim_end().to_owned());
            after = &rest[end..];
        }
        rest = match after.strip_prefix(',') {
            Some(next) => next.trim_start(),
            None if after.is_empty() => after,
            None => return None,
        };
    }
    Some(elements)
}

/// The statements after which a database of this owner has exactly these permissions. What somebody
/// else has given is then given by the owner.
#[must_use]
pub fn build_grants(database: &str, owner: &str, grants: &[Grant]) -> Vec<String> {
    let on = format!("on database {}", quote_identifier(database));
    let who = |grantee: &Option<String>| {
        grantee
            .as_ref()
            .map_or_else(|| "public".to_owned(), |role| quote_identifier(role))
    };
    let mut statements = vec![format!(
        "revoke all {on} from public, {}",
        quote_identifier(owner)
    )];
    for grant in grants {
        let with = if grant.grantable {
            " with grant option"
        } else {
            ""
        };
        statements.push(format!(
            "grant {} {on} to {}{with}",
            grant.privilege,
            who(&grant.grantee)
        ));
    }
    statements
}

/// Reads permissions in Postgres' own form, such as `{=Tc/o,"a b=c*/o"}`.
#[must_use]
pub fn read_grants(text: &str) -> Vec<Grant> {
    let inner = text.trim().trim_start_matches('{').trim_end_matches('}');
    split_array(inner)
        .iter()
        .flat_map(|item| read_item(item))
        .collect()
}

/// The elements of an array's text.
fn split_array(text: &str) -> Vec<String> {
    let mut elements = Vec::new();
    let (mut element, mut is_quoted) = (String::new(), false);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => is_quoted = !is_quoted,
            '\\' if is_quoted => element.extend(characters.next()),
            ',' if !is_quoted => elements.push(std::mem::take(&mut element)),
            other => element.push(other),
        }
    }
    elements.push(element);
    elements.retain(|element| !element.is_empty());
    elements
}

fn read_item(item: &str) -> Vec<Grant> {
    let Some((grantee, rest)) = read_role(item) else {
        return Vec::new();
    };
    let Some((letters, grantor)) = rest.strip_prefix('=').and_then(|rest| rest.split_once('/'))
    else {
        return Vec::new();
    };
    let grantor = read_role(grantor).map(|(role, _)| role).unwrap_or_default();
    let mut grants: Vec<Grant> = Vec::new();
    for letter in letters.chars() {
        let privilege = match letter {
            'C' => "create",
            'T' => "temporary",
            'c' => "connect",
            '*' => {
                if let Some(last) = grants.last_mut() {
                    last.grantable = true;
                }
                continue;
            }
            _ => continue,
        };
        grants.push(Grant {
            grantor: grantor.clone(),
            grantee: Some(grantee.clone()).filter(|role| !role.is_empty()),
            privilege: privilege.to_owned(),
            grantable: false,
        });
    }
    grants
}

/// Reads a role's name, in quotes or not, and what follows.
fn read_role(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(['=', '/']).unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut role = String::new();
    let mut characters = quoted.char_indices().peekable();
    loop {
        match characters.next()? {
            (_, '"') if characters.next_if(|(_, next)| *next == '"').is_some() => role.push('"'),
            (position, '"') => return Some((role, &quoted[position + 1..])),
            (_, other) => role.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(role: &str, text: &str) -> String {
        build_setting("a\"b", &read_setting(role, text)).unwrap_or_default()
    }

    #[test]
    fn settings_become_statements() {
        for (role, text, statement) in [
            (
                "",
                "work_mem=5MB",
                "alter database \"a\"\"b\" set \"work_mem\" to '5MB'",
            ),
            (
                "r",
                "TimeZone=Europe/Rome",
                "alter role \"r\" in database \"a\"\"b\" set \"TimeZone\" to 'Europe/Rome'",
            ),
            (
                "",
                "search_path=\"$user\", public, \"a, \"\"b\"",
                "alter database \"a\"\"b\" set \"search_path\" to '$user', 'public', 'a, \"b'",
            ),
            (
                "",
                "search_path=\"\"",
                "alter database \"a\"\"b\" set \"search_path\" to ''",
            ),
            (
                "",
                "app.key=it's",
                "alter database \"a\"\"b\" set \"app\".\"key\" to 'it''s'",
            ),
        ] {
            assert_eq!(setting(role, text), statement);
        }
        let secret = DatabaseSetting {
            value: None,
            ..read_setting("", "app.key=x")
        };
        assert_eq!(build_setting("d", &secret), None);
        assert_eq!(split_list("\"a\" b"), None);
        assert_eq!(split_list("\"a"), None);
    }

    #[test]
    fn permissions_are_read_and_written() {
        let grants = read_grants("{=Tc/o,o=CTc/o,\"\\\"a b\\\"=c*/o\"}");
        assert_eq!(
            build_grants("d", "o", &grants),
            [
                "revoke all on database \"d\" from public, \"o\"",
                "grant temporary on database \"d\" to public",
                "grant connect on database \"d\" to public",
                "grant create on database \"d\" to \"o\"",
                "grant temporary on database \"d\" to \"o\"",
                "grant connect on database \"d\" to \"o\"",
                "grant connect on database \"d\" to \"a b\" with grant option",
            ]
        );
        for odd in ["", "{}", "{x}", "{\"\\\"a}", "{=}", "{a=Q/o}"] {
            assert_eq!(read_grants(odd), [], "{odd}");
        }
    }
}
