//! What the name of an image says: whether it is a Postgres server, and where such an image keeps
//! its data by default. Pure.

/// Words in the last part of an image's name that speak of a Postgres server.
const SERVERS: &[&str] = &[
    "postgres",
    "pgvector",
    "timescale",
    "postgis",
    "spilo",
    "patroni",
    "pgautoupgrade",
    "citus",
    "pgvecto-rs",
    "vchord",
    "paradedb",
    "pgduckdb",
    "orioledb",
    "supabase-pg",
    "cybertec-pg",
];
/// Words that speak of something else around Postgres, even if the name contains one of the above.
const OTHERS: &[&str] = &[
    "exporter",
    "operator",
    "postgrest",
    "pgbouncer",
    "pgpool",
    "pgadmin",
    "pgcat",
    "odyssey",
    "pgdog",
    "pgagroal",
    "supavisor",
    "socat",
    "stunnel",
    "envoy",
    "proxy",
    "backup",
    "pgbackrest",
    "migrat",
    "client",
    "postgres-meta",
    "postgres-ui",
    "postgresql-mcp",
];
/// Words in the name of images whose data directory is set by the operator that runs them, so that
/// nothing but the pod says where it is.
const SET_BY_OPERATOR: &[&str] = &["spilo", "patroni", "crunchy", "percona", "cloudnative-pg"];
/// Percona publishes servers, poolers and backup tools in the repository of its operator, and only the
/// tag says which one it is, `2.5.0-ppg16.4-postgres`. The repositories of certified images begin with
/// the name.
const PERCONA: &str = "percona-postgresql-operator";
/// Words in the tag of an image of Percona that is no server.
const PERCONA_TOOLS: &[&str] = &["pgbouncer", "pgbackrest", "pgbadger", "upgrade"];

/// Repositories whose images are known to declare what [`image_layouts`] says: the official one,
/// those made from it, and Bitnami's.
const PUBLISHED: &[&str] = &[
    "postgres",
    "postgis/postgis",
    "pgvector/pgvector",
    "timescale/timescaledb",
    "bitnami/postgresql",
    "bitnami/postgresql-repmgr",
    "bitnamilegacy/postgresql",
];

/// From this version on the official image keeps its data in a directory named after the version
/// (<https://hub.docker.com/_/postgres>, `PGDATA`).
const FIRST_IN_OWN_DIRECTORY: u32 = 18;

/// What an image's name says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageKind {
    /// A Postgres server.
    Server,
    /// Something around Postgres: an exporter, a pooler, a tool.
    Other,
    /// Nothing.
    Unknown,
}

/// Reads an image's name.
#[must_use]
pub fn image_kind(image: &str) -> ImageKind {
    let name = last_part(image);
    if name.starts_with(PERCONA) {
        return percona_kind(image);
    }
    if OTHERS.iter().any(|word| name.contains(word)) {
        ImageKind::Other
    } else if SERVERS.iter().any(|word| name.contains(word)) {
        ImageKind::Server
    } else {
        ImageKind::Unknown
    }
}

/// A tag that is only a version is the operator's own, in its own repository.
fn percona_kind(image: &str) -> ImageKind {
    let tagged = without_digest(image).rsplit('/').next();
    let Some((name, tag)) = tagged.and_then(|tagged| tagged.split_once(':')) else {
        return ImageKind::Unknown;
    };
    if PERCONA_TOOLS.iter().any(|word| tag.contains(word)) {
        ImageKind::Other
    } else if tag.contains("ppg") || tag.contains("postgres") {
        ImageKind::Server
    } else if name == PERCONA {
        ImageKind::Other
    } else {
        ImageKind::Unknown
    }
}

/// Whether the name of an image leaves it open that it is a server: it says nothing, or speaks of a
/// server and of something around it in one word.
#[must_use]
pub fn may_be_server(image: &str) -> bool {
    match image_kind(image) {
        ImageKind::Server => false,
        ImageKind::Unknown => true,
        ImageKind::Other => SERVERS.iter().any(|word| last_part(image).contains(word)),
    }
}

/// Where an image keeps its data, and what of it the container runtime mounts by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageLayout {
    /// The data directory when no variable says otherwise.
    pub data_directory: String,
    /// The directory that the image declares as `VOLUME`, if it is known to.
    pub volume: Option<String>,
}

/// The layouts that an image may have: one if its name says which, more if it does not, none if it
/// is not known at all.
#[must_use]
pub fn image_layouts(image: &str) -> Vec<ImageLayout> {
    if image_kind(image) != ImageKind::Server {
        return Vec::new();
    }
    let layout = |data_directory: &str, volume: Option<&str>| ImageLayout {
        data_directory: data_directory.to_owned(),
        volume: volume.map(ToOwned::to_owned),
    };
    let (path, name) = (repository(image), last_part(image));
    if SET_BY_OPERATOR.iter().any(|word| path.contains(word)) {
        return Vec::new();
    }
    if path.contains("bitnami") {
        return vec![layout(
            "/bitnami/postgresql/data",
            Some("/bitnami/postgresql"),
        )];
    }
    if name.starts_with("timescaledb-ha") {
        return vec![layout("/home/postgres/pgdata/data", None)];
    }
    // <https://hub.docker.com/_/postgres>: with the data directory, the VOLUME has moved.
    let before = || layout("/var/lib/postgresql/data", Some("/var/lib/postgresql/data"));
    let since = |version: u32| {
        layout(
            &format!("/var/lib/postgresql/{version}/docker"),
            Some("/var/lib/postgresql"),
        )
    };
    match major_version(image) {
        Some(version) if version >= FIRST_IN_OWN_DIRECTORY => vec![since(version)],
        Some(_) => vec![before()],
        None => vec![before(), since(FIRST_IN_OWN_DIRECTORY)],
    }
}

/// What an image is known to declare as `VOLUME`, by its published name and its version; nothing
/// for images that anybody may have made.
#[must_use]
pub fn known_image_volumes(image: &str) -> Vec<String> {
    let path = repository(image);
    let path = ["index.docker.io/", "docker.io/"]
        .iter()
        .find_map(|registry| path.strip_prefix(registry))
        .unwrap_or(path);
    let path = path.strip_prefix("library/").unwrap_or(path);
    match image_layouts(image).as_slice() {
        [only] if PUBLISHED.contains(&path) => only.volume.iter().cloned().collect(),
        _ => Vec::new(),
    }
}

/// The major version of Postgres in an image's tag: `17.2-alpine`, `pg17`, `2.17.1-pg17`, `17-3.5`.
fn major_version(image: &str) -> Option<u32> {
    let tag = without_digest(image).rsplit('/').next()?.split_once(':')?.1;
    let named = tag
        .split(['-', '_'])
        .find_map(|part| part.strip_prefix("pg"))
        .map(leading_number);
    let is_postgres_first = matches!(last_part(image), name if !name.contains("timescale") && !name.contains("pgvector"));
    let version = named.unwrap_or_else(|| is_postgres_first.then(|| leading_number(tag)).flatten());
    version.filter(|version| (8..100).contains(version))
}

fn leading_number(text: &str) -> Option<u32> {
    let end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

fn without_digest(image: &str) -> &str {
    image.split_once('@').map_or(image, |(name, _)| name)
}

/// The name without tag and digest.
fn repository(image: &str) -> &str {
    let name = without_digest(image);
    match name.rsplit_once(':') {
        // A colon before the last slash is that of the registry's port.
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

fn last_part(image: &str) -> &str {
    let repository = repository(image);
    repository
        .rsplit_once('/')
        .map_or(repository, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_told_apart_by_their_names() {
        use ImageKind::{Other, Server, Unknown};
        let wanted = [
            ("postgres", Server),
            ("postgres:17.2-alpine", Server),
            ("docker.io/library/postgres@sha256:0123", Server),
            ("registry.example.com:5000/databases/postgres:15", Server),
            ("bitnami/postgresql:16", Server),
            ("bitnami/postgresql-repmgr:16", Server),
            ("pgvector/pgvector:pg17", Server),
            ("timescale/timescaledb-ha:pg16", Server),
            ("postgis/postgis:17-3.5", Server),
            ("ghcr.io/cloudnative-pg/postgresql:17", Server),
            ("ghcr.io/zalando/spilo-17:4.0-p2", Server),
            ("supabase/postgres:15.8.1.060", Server),
            ("supabase/postgres-meta:v0.89", Other),
            ("ankane/pgvector:v0.5.1", Server),
            ("pgautoupgrade/pgautoupgrade:17-alpine", Server),
            ("citusdata/citus:12.1", Server),
            (
                "percona/percona-postgresql-operator:2.5.0-ppg16.4-postgres",
                Server,
            ),
            (
                "percona/percona-postgresql-operator:2.5.0-ppg16.4-pgbouncer1.23.1",
                Other,
            ),
            ("percona/percona-postgresql-operator:2.5.0", Other),
            ("percona/percona-postgresql-operator:2.5.0-upgrade", Other),
            ("percona/percona-postgresql-operator@sha256:0123", Unknown),
            ("percona/percona-postgresql-operator", Unknown),
            (
                "registry.connect.redhat.com/percona/percona-postgresql-operator-containers@sha256:0123",
                Unknown,
            ),
            (
                "registry.connect.redhat.com/percona/percona-postgresql-operator-containers:2.5.0-ppg16.4-postgres",
                Server,
            ),
            (
                "registry.connect.redhat.com/percona/percona-postgresql-operator-containers:2.5.0-pgbouncer",
                Other,
            ),
            ("percona/percona-pgbackrest:2.55.0", Other),
            ("ghcr.io/postgresml/pgcat:1.2", Other),
            ("cr.yandex/yandex-odyssey:1.3", Other),
            ("ghcr.io/pgdogdev/pgdog:v0.1", Other),
            ("supabase/supavisor:2.0", Other),
            ("alpine/socat", Other),
            ("acme/postgres-backup-tools:16", Other),
            ("percona/percona-distribution-postgresql:17.5", Server),
            (
                "registry.developers.crunchydata.com/crunchydata/crunchy-postgres:ubi8-16.3",
                Server,
            ),
            (
                "registry.developers.crunchydata.com/crunchydata/crunchy-pgbouncer:ubi8",
                Other,
            ),
            ("quay.io/ongres/patroni:v3.2.2-pg16", Server),
            ("tensorchord/vchord-postgres:pg17", Server),
            ("prometheuscommunity/postgres-exporter:v0.15", Other),
            ("postgrest/postgrest", Other),
            ("bitnami/pgbouncer:1", Other),
            ("postgres.example.com/shop/web:3", Unknown),
            ("registry.k8s.io/pause", Unknown),
            ("", Unknown),
        ];
        for (image, kind) in wanted {
            assert_eq!(image_kind(image), kind, "{image}");
        }
    }

    #[test]
    fn a_name_that_speaks_of_both_leaves_it_open() {
        for (image, is_open) in [
            ("acme/postgres-backup-tools:16", true),
            ("percona/percona-postgresql-operator@sha256:0123", true),
            ("shop/db:1", true),
            ("postgres:17", false),
            ("bitnami/pgbouncer:1", false),
            ("alpine/socat", false),
        ] {
            assert_eq!(may_be_server(image), is_open, "{image}");
        }
    }

    #[test]
    fn the_default_directory_follows_image_and_version() {
        let wanted: &[(&str, &[&str])] = &[
            ("postgres:15", &["/var/lib/postgresql/data"]),
            ("postgres:9.6-alpine", &["/var/lib/postgresql/data"]),
            (
                "registry.example.com:5000/postgres:17.2@sha256:0123",
                &["/var/lib/postgresql/data"],
            ),
            ("postgres:18", &["/var/lib/postgresql/18/docker"]),
            (
                "pgvector/pgvector:0.8.1-pg18-trixie",
                &["/var/lib/postgresql/18/docker"],
            ),
            ("pgvector/pgvector:pg17", &["/var/lib/postgresql/data"]),
            (
                "timescale/timescaledb:2.17.1-pg16",
                &["/var/lib/postgresql/data"],
            ),
            (
                "timescale/timescaledb:2.17.1",
                &["/var/lib/postgresql/data", "/var/lib/postgresql/18/docker"],
            ),
            ("postgis/postgis:18-3.6", &["/var/lib/postgresql/18/docker"]),
            (
                "postgres:latest",
                &["/var/lib/postgresql/data", "/var/lib/postgresql/18/docker"],
            ),
            (
                "registry.example.com:5000/postgres",
                &["/var/lib/postgresql/data", "/var/lib/postgresql/18/docker"],
            ),
            ("bitnami/postgresql:16", &["/bitnami/postgresql/data"]),
            (
                "timescale/timescaledb-ha:pg16",
                &["/home/postgres/pgdata/data"],
            ),
            ("example/web:1", &[]),
        ];
        for (image, directories) in wanted {
            let found: Vec<String> = image_layouts(image)
                .into_iter()
                .map(|layout| layout.data_directory)
                .collect();
            assert_eq!(found, *directories, "{image}");
        }
    }

    #[test]
    fn volumes_are_known_of_published_images_only() {
        let wanted: &[(&str, &[&str])] = &[
            ("postgres:15", &["/var/lib/postgresql/data"]),
            (
                "docker.io/library/postgres:17.2-alpine@sha256:0123",
                &["/var/lib/postgresql/data"],
            ),
            ("postgres:18", &["/var/lib/postgresql"]),
            ("postgis/postgis:18-3.6", &["/var/lib/postgresql"]),
            ("pgvector/pgvector:pg17", &["/var/lib/postgresql/data"]),
            ("bitnami/postgresql:16", &["/bitnami/postgresql"]),
            ("postgres:latest", &[]),
            ("registry.example.com/postgres:15", &[]),
            ("localhost/postgres:15", &[]),
            ("ghcr.io/cloudnative-pg/postgresql:17", &[]),
            ("timescale/timescaledb-ha:pg16", &[]),
        ];
        for (image, volumes) in wanted {
            assert_eq!(known_image_volumes(image), *volumes, "{image}");
        }
    }
}
