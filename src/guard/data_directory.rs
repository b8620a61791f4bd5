//! Pieces of CEL about the data of a container: which path is which, and where its server looks for
//! the data directory. Nothing here knows a particular policy.

use super::cel::{quote, quote_all};

/// Variables that name the data directory: that of Postgres itself, of Bitnami's images, and of Patroni.
const VARIABLES: &str = "['PGDATA', 'POSTGRESQL_DATA_DIR', 'PATRONI_POSTGRESQL_DATA_DIR']";

/// Variables from which images make the name of the data directory, or choose the major version: those of
/// Spilo, and of Bitnami.
const RELATED: &str = "['PGROOT', 'PGVERSION', 'POSTGRESQL_VOLUME_DIR']";

/// Where images keep their data when nothing says otherwise.
const DIRECTORIES: &[&str] = &[
    "/var/lib/postgresql/data",
    "/var/lib/postgresql/18/docker",
    "/bitnami/postgresql/data",
    "/home/postgres/pgdata/data",
    "/var/lib/pgsql/data",
];

/// Words of a command line, or of a script in one, that say where the data directory is: `-D DIR`,
/// `--pgdata`, `data_directory=DIR` as an option of the server, `PGDATA=DIR` in a shell. The file of
/// `config_file=` may say it too.
const WORDS: &str = r#"(?:(?:^|\s)-D\s*|(?:--pgdata|data[_-]directory|config[_-]file)[\s=]+|(?:PGDATA|(?:PATRONI_)?POSTGRESQL_DATA_DIR)=)["']?[^\s"']+"#;

/// The containers of a template that run as long as its pod: an init container that is started again
/// may be a server too.
pub(super) fn long_running(object: &str) -> String {
    let pod = format!("{object}.spec.template.spec");
    format!(
        "{pod}.containers + {pod}.?initContainers.orValue([]).filter(c, \
         c.?restartPolicy.orValue('') == 'Always')"
    )
}

/// A path as text, without what changes nothing about it: slashes at the end, doubled ones, dots.
pub(super) fn plain_path(path: &str) -> String {
    format!("{path}.split('/').filter(part, part != '' && part != '.').join('/')")
}

/// Whether a path goes up: as text nobody can tell what it is.
pub(super) fn goes_up(path: &str) -> String {
    format!("{path}.split('/').exists(part, part == '..')")
}

/// The words of a container's command and arguments that say where its data directory is.
pub(super) fn directory_words(container: &str) -> String {
    format!(
        "({container}.?command.orValue([]) + {container}.?args.orValue([])).join(' \
         ').findAll({}).map(w, w.trim())",
        quote(WORDS)
    )
}

/// The variables of a container that name its data directory.
pub(super) fn directory_variables(container: &str) -> String {
    format!("{container}.?env.orValue([]).filter(e, e.name in {VARIABLES})")
}

/// The variables of a container on which its data directory, or its major version, depends.
pub(super) fn related_variables(container: &str) -> String {
    format!("{container}.?env.orValue([]).filter(e, e.name in {RELATED})")
}

/// The variables of a container that a text refers to.
pub(super) fn referred_variables(container: &str, text: &str) -> String {
    format!("{container}.?env.orValue([]).filter(e, {text}.contains('$(' + e.name + ')'))")
}

/// Whether a container names its data directory by a variable.
pub(super) fn has_directory_variable(container: &str) -> String {
    format!("{container}.?env.orValue([]).exists(e, e.name in {VARIABLES})")
}

/// The directories at which a container has its data: those that it names, else those of images.
pub(super) fn directories(container: &str) -> String {
    format!(
        "[{}.filter(w, w.contains('/')).map(w, w.substring(w.indexOf('/'))) + {}.map(e, \
         e.?value.orValue(''))].map(named, named.size() > 0 ? named : {})[0]",
        directory_words(container),
        directory_variables(container),
        quote_all(DIRECTORIES)
    )
}
