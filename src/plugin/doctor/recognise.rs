//! Recognises a Postgres server in a pod template, and reads from it what it says about the
//! database. Pure.

use k8s_openapi::api::core::v1::{Container, EnvVar, PodSpec, SecretKeySelector};
use serde::Serialize;

use super::not_judged::mounts_claim;
use super::{DataPlace, data_places};
use crate::resources::{ImageKind, ImageLayout, image_kind, image_layouts, long_running};
use crate::world::{keeps_data, runs_client};

/// The port of Postgres.
pub const POSTGRES_PORT: i32 = 5432;

/// Variables that say that the server is elsewhere: the container is a client.
const CLIENT_VARIABLES: &[&str] = &[
    "PGHOST",
    "POSTGRES_HOST",
    "POSTGRES_HOSTNAME",
    "POSTGRES_SERVER",
    "POSTGRES_URL",
    "POSTGRES_URI",
    "POSTGRES_PORT",
];

/// Variables that name the server's own user.
const USER_VARIABLES: &[&str] = &["POSTGRES_USER", "POSTGRESQL_USERNAME"];

/// One key of a Secret that a variable comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecretReference {
    /// Name of the Secret.
    pub name: String,
    pub key: String,
}

/// A Postgres server, as its pod template describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PostgresTemplate {
    /// The container that runs it.
    pub container: String,
    pub image: String,
    /// Why it is taken for a Postgres.
    pub because: String,
    /// Whether nothing but its port speaks for a Postgres, and it mounts no claim: poolers and other
    /// proxies listen there too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub may_be_proxy: bool,
    /// Its port, if it is not the usual one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The database it creates, as far as the template says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Where the user's name is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<SecretReference>,
    /// The user's name, where the template has it and no Secret does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username_value: Option<String>,
    /// Where the password is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretReference>,
    /// The directories that may hold the data, and what each is on; none if it is not known.
    pub data: Vec<DataPlace>,
}

/// Recognises a Postgres in a pod. `claim_templates` are the names of the StatefulSet's, which pods
/// mount like volumes of their own.
///
/// The image's name says most; then PGDATA, the port, and the variables of the official image. A
/// container with the address of a server is a client.
pub fn recognise_postgres(pod: &PodSpec, claim_templates: &[String]) -> Option<PostgresTemplate> {
    let (rank, because, container) = long_running(pod)
        .filter_map(|container| {
            evidence_of(container).map(|(rank, because)| (rank, because, container))
        })
        .min_by_key(|(rank, _, _)| *rank)?;
    let image = container.image.clone().unwrap_or_default();
    let secret = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| secret_reference(find_variable(container, name)?))
    };
    let layouts = data_layouts(container, &image);
    Some(PostgresTemplate {
        container: container.name.clone(),
        because,
        may_be_proxy: rank == BY_PORT && !mounts_claim(pod, container, claim_templates),
        port: other_port(container),
        database: database_of(container),
        username: secret(USER_VARIABLES),
        username_value: user_name(container, &image),
        password: secret(&[
            "POSTGRES_PASSWORD",
            "POSTGRESQL_PASSWORD",
            "POSTGRES_POSTGRES_PASSWORD",
            "POSTGRESQL_POSTGRES_PASSWORD",
        ]),
        data: data_places(pod, container, claim_templates, &layouts),
        image,
    })
}

/// The rank of a container of which only the port speaks for a Postgres.
const BY_PORT: u8 = 2;

/// What speaks for a Postgres in a container, the strongest first.
fn evidence_of(container: &Container) -> Option<(u8, String)> {
    let image = container.image.as_deref().unwrap_or_default();
    match image_kind(image) {
        ImageKind::Other if !keeps_data(container) => return None,
        // The image has its tools, too.
        ImageKind::Server if runs_client(container) => return None,
        ImageKind::Server => return Some((0, format!("image {image}"))),
        ImageKind::Unknown | ImageKind::Other => {}
    }
    let variables: Vec<&str> = container
        .env
        .iter()
        .flatten()
        .map(|variable| variable.name.as_str())
        .collect();
    if variables.contains(&"PGDATA") {
        return Some((1, "environment variable PGDATA".to_owned()));
    }
    if container
        .ports
        .iter()
        .flatten()
        .any(|port| port.container_port == POSTGRES_PORT)
    {
        return Some((BY_PORT, format!("container port {POSTGRES_PORT}")));
    }
    if variables.iter().any(|name| CLIENT_VARIABLES.contains(name)) {
        return None;
    }
    if let Some(variable) = variables.iter().find(|name| name.starts_with("POSTGRES_")) {
        return Some((3, format!("environment variable {variable}")));
    }
    let program = started_program(container)?;
    Some((4, format!("command {program}")))
}

/// The server among what a container is started with: a weak sign, but a client has another name.
fn started_program(container: &Container) -> Option<&'static str> {
    let words = [&container.command, &container.args].into_iter().flatten();
    let mut words = words.flatten().flat_map(|word| word.split_whitespace());
    let programs = ["postgres", "postmaster", "patroni", "pg_ctl", "pg_autoctl"];
    words.find_map(|word| {
        let program = word.rsplit('/').next().unwrap_or(word);
        programs.iter().find(|known| **known == program).copied()
    })
}

fn find_variable<'a>(container: &'a Container, name: &str) -> Option<&'a EnvVar> {
    container
        .env
        .iter()
        .flatten()
        .find(|variable| variable.name == name)
}

/// A value that is written in the template and refers to no other variable.
fn literal<'a>(container: &'a Container, name: &str) -> Option<&'a str> {
    find_variable(container, name)?
        .value
        .as_deref()
        .filter(|value| !value.is_empty() && !value.contains("$("))
}

fn secret_reference(variable: &EnvVar) -> Option<SecretReference> {
    let SecretKeySelector { name, key, .. } =
        variable.value_from.as_ref()?.secret_key_ref.as_ref()?;
    (!name.is_empty()).then(|| SecretReference {
        name: name.clone(),
        key: key.clone(),
    })
}

/// The official image creates a database named after the user when none is named
/// (<https://hub.docker.com/_/postgres>, `POSTGRES_DB`).
fn database_of(container: &Container) -> Option<String> {
    ["POSTGRES_DB", "POSTGRESQL_DATABASE", "POSTGRES_DATABASE"]
        .iter()
        .find(|name| find_variable(container, name).is_some())
        .or_else(|| {
            ["POSTGRES_USER"]
                .iter()
                .find(|name| find_variable(container, name).is_some())
        })
        .and_then(|name| literal(container, name))
        .map(ToOwned::to_owned)
}

/// The name of the server's own user: as it is written, or the one that images make where no
/// variable names another (<https://hub.docker.com/_/postgres>, `POSTGRES_USER`).
fn user_name(container: &Container, image: &str) -> Option<String> {
    let mut named = USER_VARIABLES
        .iter()
        .filter(|name| find_variable(container, name).is_some());
    match named.next() {
        Some(name) => literal(container, name).map(ToOwned::to_owned),
        None => (image_kind(image) == ImageKind::Server && container.env_from.is_none())
            .then(|| "postgres".to_owned()),
    }
}

/// A port that is named and is not the usual one: the one called after Postgres, or the only one.
fn other_port(container: &Container) -> Option<u16> {
    let ports: Vec<_> = container.ports.iter().flatten().collect();
    if ports
        .iter()
        .any(|port| port.container_port == POSTGRES_PORT)
    {
        return None;
    }
    let named = ports.iter().find(|port| {
        port.name
            .as_deref()
            .is_some_and(|name| name.contains("postgres") || name.contains("pg"))
    });
    let port = named.or_else(|| ports.first().filter(|_| ports.len() == 1))?;
    u16::try_from(port.container_port).ok()
}

/// PGDATA says it; else the image's documentation, which also says what the image declares as
/// `VOLUME`. A variable whose value is not in the template leaves it open.
fn data_layouts(container: &Container, image: &str) -> Vec<ImageLayout> {
    let mut layouts = image_layouts(image);
    let variables = [
        "PGDATA",
        "POSTGRESQL_DATA_DIR",
        "PATRONI_POSTGRESQL_DATA_DIR",
    ];
    let Some(name) = variables
        .iter()
        .find(|name| find_variable(container, name).is_some())
    else {
        return layouts;
    };
    let Some(directory) = literal(container, name) else {
        return Vec::new();
    };
    if layouts.is_empty() {
        layouts.push(ImageLayout {
            data_directory: String::new(),
            volume: None,
        });
    }
    for layout in &mut layouts {
        directory.clone_into(&mut layout.data_directory);
    }
    layouts
}

#[cfg(test)]
#[path = "recognise_tests.rs"]
mod tests;
