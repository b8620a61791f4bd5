#!/bin/bash
# Starts Postgres as the users of the well-known image expect: the settings, files and folders below mean what they mean there.
#   POSTGRES_PASSWORD, POSTGRES_USER (postgres), POSTGRES_DB (the user's name), POSTGRES_INITDB_ARGS, POSTGRES_INITDB_WALDIR,
#   POSTGRES_HOST_AUTH_METHOD, PGDATA (/var/lib/postgresql/data); each POSTGRES_X also as POSTGRES_X_FILE, a file to read it from;
#   /docker-entrypoint-initdb.d/*.sh, *.sql, *.sql.gz, *.sql.xz, *.sql.zst run once, when the data directory is empty.
set -Eeuo pipefail

say() { echo "entrypoint: $*" >&2; }
refuse() { say "$*"; exit 1; }

# Reads a setting from the file its _FILE variant names, else from itself, else takes the default.
setting() {
    local name=$1 file_name=$1_FILE default=${2-}
    if [ -n "${!name-}" ] && [ -n "${!file_name-}" ]; then
        refuse "both $name and $file_name are set: they exclude each other"
    fi
    if [ -n "${!file_name-}" ]; then
        printf -v "$name" '%s' "$(<"${!file_name}")"
    else
        printf -v "$name" '%s' "${!name:-$default}"
    fi
    export "${name?}"
    unset "$file_name"
}

# As root: hand the folders to postgres and go on as postgres.
become_postgres() {
    mkdir -p "$PGDATA" /var/run/postgresql
    chmod 0700 "$PGDATA" || :
    find "$PGDATA" /var/run/postgresql \! -user postgres -exec chown postgres '{}' +
    chmod 03775 /var/run/postgresql || :
    if [ -n "${POSTGRES_INITDB_WALDIR-}" ]; then
        mkdir -p "$POSTGRES_INITDB_WALDIR"
        find "$POSTGRES_INITDB_WALDIR" \! -user postgres -exec chown postgres '{}' +
        chmod 0700 "$POSTGRES_INITDB_WALDIR"
    fi
    exec setpriv --reuid=postgres --regid=postgres --init-groups "${BASH_SOURCE[0]}" "$@"
}

refuse_without_password() {
    if [ "$POSTGRES_HOST_AUTH_METHOD" = trust ]; then
        say "warning: POSTGRES_HOST_AUTH_METHOD is trust: everyone who can reach the port is let in without a password"
    elif [ -z "$POSTGRES_PASSWORD" ]; then
        refuse "the data directory is empty and POSTGRES_PASSWORD is not set: set it, or POSTGRES_HOST_AUTH_METHOD=trust for a database anyone may enter"
    fi
}

initialize() {
    local wal=()
    if [ -n "${POSTGRES_INITDB_WALDIR-}" ]; then wal=(--waldir "$POSTGRES_INITDB_WALDIR"); fi
    # The arguments are words, as on a command line.
    eval 'initdb --username="$POSTGRES_USER" --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD") "${wal[@]}" '"$POSTGRES_INITDB_ARGS"' "$@"'
    local method=$POSTGRES_HOST_AUTH_METHOD
    if [ -z "$method" ]; then method=$(postgres -C password_encryption "$@"); fi
    printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
}

# The server of the initialisation is reachable only through its Unix socket: nobody sees a database that is not ready.
start_private_server() {
    if [ "${1-}" = postgres ]; then shift; fi
    PGUSER=${PGUSER:-$POSTGRES_USER} pg_ctl -D "$PGDATA" -w -o "$(printf '%q ' "$@" -c listen_addresses= -p "${PGPORT:-5432}")" start
}

sql() {
    PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --no-psqlrc --no-password --username "$POSTGRES_USER" "$@"
}

create_database() {
    if [ "$(sql --dbname postgres --set name="$POSTGRES_DB" --tuples-only --no-align <<<"SELECT 1 FROM pg_database WHERE datname = :'name'")" != 1 ]; then
        sql --dbname postgres --set name="$POSTGRES_DB" <<<'CREATE DATABASE :"name"'
    fi
}

run_initial_files() {
    local file
    shopt -s nullglob
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
            *.sh)
                if [ -x "$file" ]; then
                    say "running $file"
                    "$file"
                else
                    say "sourcing $file"
                    # shellcheck disable=SC1090
                    . "$file"
                fi ;;
            *.sql) say "running $file"; sql --dbname "$POSTGRES_DB" -f "$file" ;;
            *.sql.gz) say "running $file"; gunzip -c "$file" | sql --dbname "$POSTGRES_DB" ;;
            *.sql.xz) say "running $file"; xz -dc "$file" | sql --dbname "$POSTGRES_DB" ;;
            *.sql.zst) say "running $file"; zstd -dc "$file" | sql --dbname "$POSTGRES_DB" ;;
            *) say "ignoring $file" ;;
        esac
    done
    shopt -u nullglob
}

asks_only_for_help() {
    local word
    for word in "$@"; do
        case $word in -'?' | --help | --describe-config | -V | --version) return 0 ;; esac
    done
    return 1
}

main() {
    # A first word that is an option means options of the server.
    if [ "${1:0:1}" = - ]; then set -- postgres "$@"; fi
    if [ "${1-}" != postgres ] || asks_only_for_help "$@"; then exec "$@"; fi
    if [ "$(id -u)" = 0 ]; then become_postgres "$@"; fi

    mkdir -p "$PGDATA"
    chmod 0700 "$PGDATA" || :
    setting POSTGRES_PASSWORD
    setting POSTGRES_USER postgres
    setting POSTGRES_DB "$POSTGRES_USER"
    setting POSTGRES_INITDB_ARGS
    : "${POSTGRES_HOST_AUTH_METHOD:=}"
    if [ -s "$PGDATA/PG_VERSION" ]; then
        say "the data directory holds a database already: nothing is initialised"
    else
        refuse_without_password
        initialize
        if [ -z "${PGPASSWORD-}" ]; then export PGPASSWORD=$POSTGRES_PASSWORD; fi
        start_private_server "$@"
        create_database
        run_initial_files
        pg_ctl -D "$PGDATA" -m fast -w stop
        unset PGPASSWORD
        say "the new database is ready to be started"
    fi
    exec "$@"
}

main "$@"
