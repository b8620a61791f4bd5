//! What happened to servers that the checks could not log in to: resets that must be suspected
//! anyway, and refusals that are none.

use super::incidents::{Scenario, nearly_empty};
use super::sample::{Sample, volume};
use crate::api::{ImageEvidence, LoginMethod, WithoutLogin, reasons};

fn other_cluster(now: &mut WithoutLogin) {
    now.cluster_digest = Some("another-salt-of-nobody".to_owned());
    now.role_digest = Some("another-salt-of-the-role".to_owned());
}

fn other_role(now: &mut WithoutLogin) {
    now.role_digest = Some("another-salt-of-the-role".to_owned());
}

fn without_salts(method: LoginMethod) -> impl FnOnce(&mut WithoutLogin) {
    move |now| {
        now.method = method;
        (now.cluster_digest, now.role_digest) = (None, None);
    }
}

impl Sample {
    /// The server has let the role in, and says that there is no such database.
    fn not_found(self) -> Self {
        self.failed(reasons::DATABASE_NOT_FOUND, "the database does not exist")
            .without_evidence()
    }
}

fn on_other_volume() -> Sample {
    Sample::new().on_volume("other-data", "pvc-b")
}

/// The image has a PGDATA that Patroni does not use: its data is elsewhere, on the claim.
fn patroni(sample: Sample) -> Sample {
    let mut sample = sample
        .both(|evidence| {
            evidence.identity.data_directory = "/home/postgres/pgdata/pgroot/data".to_owned();
        })
        .mounted_at("/home/postgres/pgdata");
    let said = [&mut sample.before_login, &mut sample.now_login];
    for said in said.into_iter().flatten() {
        "/var/lib/postgresql/data".clone_into(&mut said.configured_directory);
    }
    sample
}

fn on_patroni_volume() -> Sample {
    let mut sample = patroni(Sample::new());
    for volume in &mut sample.target.volumes {
        "pvc-b".clone_into(&mut volume.volume);
        "/volumes/pvc-b".clone_into(&mut volume.volume_handle);
    }
    sample
}

/// Nothing listens at the port of the spec, and before nothing did at the default port.
fn at_other_port() -> Sample {
    let mut sample = Sample::new()
        .failed(reasons::CONNECTION_FAILED, "connection refused")
        .without_evidence()
        .says(without_salts(LoginMethod::Unknown));
    if let Some(before) = &mut sample.before_login {
        before.default_port_digest = Some(String::new());
    }
    sample
}

/// The role of the checks was in the database that is gone.
pub(super) fn unread_incidents() -> Vec<Scenario> {
    [unread_in_place(), unread_elsewhere()].concat()
}

/// Another database cluster or directory, on the volume of the data or above it.
fn unread_in_place() -> Vec<Scenario> {
    let new = Sample::new;
    vec![
        (
            "initdb on the same volume, the role of the checks is gone with the rest",
            new().refused().says(other_cluster),
            Some("other_cluster_unread"),
        ),
        (
            "another volume with a fresh database, the role is gone",
            on_other_volume().refused().says(other_cluster),
            Some("other_cluster_unread"),
        ),
        (
            "initdb, and the server listens at the default port: its settings were in PGDATA",
            {
                let mut sample = at_other_port();
                sample.target.attempt = 3;
                sample.says(|now| {
                    now.default_port_digest = Some("another-salt-of-nobody".to_owned());
                })
            },
            Some("other_cluster_unread"),
        ),
        (
            "initdb, and the server takes no TLS any more: its files were in PGDATA",
            new()
                .failed(reasons::TLS_FAILED, "server does not support TLS")
                .without_evidence()
                .says(|now| {
                    other_cluster(now);
                    now.role_digest = None;
                }),
            Some("other_cluster_unread"),
        ),
        (
            "another server answers at the host, and refuses the login",
            new().at_host("knowledge-db").refused().says(other_cluster),
            Some("other_cluster_unread"),
        ),
        (
            "initdb by a newer image off the mount, the role is gone",
            new().refused().says(|now| {
                other_cluster(now);
                now.configured_directory = "/var/lib/postgresql/18/docker".to_owned();
            }),
            Some("other_cluster_unread"),
        ),
        (
            "the claim is mounted above the image's VOLUME now, the role is gone",
            {
                let mut sample = new().refused().says(other_cluster);
                for volume in &mut sample.target.volumes {
                    "/var/lib/postgresql".clone_into(&mut volume.mount_path);
                }
                sample.image = Some(ImageEvidence {
                    volumes: vec!["/var/lib/postgresql/data".to_owned()],
                    data_directory: String::new(),
                });
                sample
            },
            Some("other_cluster_unread"),
        ),
        (
            "a claim above the image's VOLUME, the container restarted, the role is gone",
            {
                let mut sample = new()
                    .mounted_at("/var/lib/postgresql")
                    .in_image_volume("/var/lib/postgresql/data")
                    .refused()
                    .says(other_cluster);
                sample.image = sample
                    .baseline
                    .as_ref()
                    .and_then(|(_, evidence)| evidence.image.clone());
                sample
            },
            Some("other_cluster_unread"),
        ),
        (
            "PGDATA was changed, the role is gone",
            new().refused().says(|now| {
                other_cluster(now);
                now.configured_directory = "/var/lib/postgresql/data".to_owned();
            }),
            None,
        ),
        (
            "PGDATA was changed, and the server gives no salt",
            new().refused().says(|now| {
                without_salts(LoginMethod::Md5)(now);
                now.configured_directory = "/var/lib/postgresql/data".to_owned();
            }),
            Some("other_directory_unread"),
        ),
    ]
}

/// The data is on another volume, in another database or behind another password.
fn unread_elsewhere() -> Vec<Scenario> {
    let new = Sample::new;
    vec![
        (
            "another subPath, nothing listens for minutes",
            {
                let mut sample = new()
                    .failed(reasons::CONNECTION_FAILED, "connection refused")
                    .without_evidence()
                    .says(without_salts(LoginMethod::Unknown));
                sample.target.volumes[0].sub_path = "new".to_owned();
                sample.target.attempt = 3;
                sample
            },
            Some("other_directory_unread"),
        ),
        (
            "another volume, and pg_hba.conf lets nobody in",
            on_other_volume()
                .refused()
                .says(without_salts(LoginMethod::Refused)),
            Some("other_volume_unread"),
        ),
        (
            "another volume, and nothing has listened on the port for minutes",
            {
                let mut sample = on_other_volume()
                    .failed(reasons::CONNECTION_FAILED, "connection refused")
                    .without_evidence()
                    .says(without_salts(LoginMethod::Unknown));
                sample.target.attempt = 3;
                sample
            },
            Some("other_volume_unread"),
        ),
        (
            "a copy of the cluster on another volume, and the Secret is wrong",
            on_other_volume().refused(),
            Some("other_volume_unread"),
        ),
        (
            "the same path on another node, and nothing can be read",
            {
                let mut sample = new().refused().says(without_salts(LoginMethod::Md5));
                sample.target.volumes[0].node = "two".to_owned();
                if let Some((volumes, _)) = &mut sample.baseline {
                    volumes[0].node = "one".to_owned();
                }
                sample
            },
            Some("other_volume_unread"),
        ),
        (
            "Patroni has its data beside the PGDATA of its image, on another volume now",
            on_patroni_volume()
                .refused()
                .says(without_salts(LoginMethod::Md5)),
            Some("other_volume_unread"),
        ),
        (
            "Patroni on another volume with a fresh database, the role is gone",
            on_patroni_volume().refused().says(other_cluster),
            Some("other_cluster_unread"),
        ),
        (
            "the pod of another ordinal with a claim of its own, and no salt",
            new()
                .on_pod_one()
                .refused()
                .says(without_salts(LoginMethod::Md5)),
            Some("other_volume_unread"),
        ),
        (
            "the role was dropped and created again",
            new().refused().says(other_role),
            Some("role_changed_unread"),
        ),
        (
            "the role is gone from a server that asks for no password",
            new().refused().says(|now| {
                without_salts(LoginMethod::None)(now);
                now.role_missing = true;
            }),
            Some("role_changed_unread"),
        ),
        (
            "the database was dropped, and no other one lets the role in",
            new().not_found(),
            Some("database_missing_unread"),
        ),
    ]
}

/// Refusals that say nothing of the data.
pub(super) fn refusals() -> Vec<Scenario> {
    let new = Sample::new;
    vec![
        (
            "the password was changed in the Secret only",
            new().refused(),
            None,
        ),
        (
            "the Secret names another role, which is refused",
            new().refused().says(|now| {
                now.role = Some("name-of-another-role".to_owned());
                other_role(now);
            }),
            None,
        ),
        (
            "refused by a server that gives no salt that stays",
            new().refused().says(without_salts(LoginMethod::Md5)),
            None,
        ),
        (
            "refused by pg_hba.conf",
            new().refused().says(without_salts(LoginMethod::Refused)),
            None,
        ),
        (
            "the port was changed to the default one",
            {
                let mut sample = at_other_port();
                sample.target.attempt = 3;
                sample.says(|now| now.default_port_digest = Some("salt-of-nobody".to_owned()))
            },
            None,
        ),
        (
            "something listens at the default port, and the server may still start",
            at_other_port()
                .says(|now| now.default_port_digest = Some("salt-of-a-pooler".to_owned())),
            None,
        ),
        (
            "refused before any check was good",
            new().first().refused(),
            None,
        ),
        (
            "refused after a good check of an older version",
            {
                let mut sample = new().refused();
                sample.before_login = None;
                sample
            },
            None,
        ),
        (
            "the data was moved to another volume, and the server still recovers",
            on_other_volume()
                .failed(
                    reasons::SERVER_STARTING,
                    "the database system is starting up",
                )
                .without_evidence(),
            None,
        ),
        (
            "a replica is made on a claim of its own, and nothing has answered for minutes",
            {
                let mut sample = new()
                    .on_pod_one()
                    .failed(reasons::CONNECTION_FAILED, "connection refused")
                    .without_evidence()
                    .says(without_salts(LoginMethod::Unknown));
                sample.target.attempt = 7;
                sample
            },
            None,
        ),
        (
            "Patroni has its data beside the PGDATA of its image, and the server gives no salt",
            patroni(new())
                .refused()
                .says(without_salts(LoginMethod::Md5)),
            None,
        ),
        (
            "a replica has a volume of its own, and the Secret is wrong",
            new().on_pod_one().refused(),
            None,
        ),
        (
            "a replica that was seen before is refused, by md5",
            {
                let mut sample = new()
                    .on_pod_one()
                    .refused()
                    .says(without_salts(LoginMethod::Md5));
                sample.replica_volumes = vec![volume(
                    "data-knowledge-postgres-1",
                    "pvc-b",
                    "2026-01-21T08:00:00Z",
                )];
                sample
            },
            None,
        ),
    ]
}

/// Another directory of the same claim, whose database cluster can be read.
pub(super) fn other_directories() -> Vec<Scenario> {
    let new = Sample::new;
    vec![
        (
            "PGDATA was changed, and initdb ran beside the data",
            new().other_cluster().now(nearly_empty).now(|now| {
                now.identity.data_directory = "/var/lib/postgresql/data".to_owned();
            }),
            Some("cluster_changed"),
        ),
        (
            "another subPath of the claim is mounted, and initdb ran in it",
            {
                let mut sample = new().other_cluster().now(nearly_empty);
                sample.target.volumes[0].sub_path = "postgres".to_owned();
                sample
            },
            Some("cluster_changed"),
        ),
        (
            "another major version keeps its data in a directory of its own",
            {
                let mut sample = new()
                    .before(|before| {
                        before.identity.data_directory =
                            "/var/lib/postgresql/data/17/docker".to_owned();
                    })
                    .other_cluster()
                    .now(nearly_empty);
                if let Some(now) = &mut sample.evidence {
                    now.identity.data_directory = "/var/lib/postgresql/data/18/docker".to_owned();
                    now.identity.server_version = "18.1".to_owned();
                }
                sample
            },
            Some("cluster_changed"),
        ),
        (
            "pg_upgrade has made another directory with all the rows",
            new().other_cluster().now(|now| {
                now.identity.data_directory = "/var/lib/postgresql/data/17".to_owned();
                now.identity.server_version = "17.6".to_owned();
            }),
            Some("cluster_changed"),
        ),
        (
            "PGDATA was changed to an older copy of the cluster on the same claim",
            new().now(|now| {
                now.identity.data_directory = "/var/lib/postgresql/data/before".to_owned();
                now.identity.wal_position = "0/1000000".to_owned();
            }),
            Some("rolled_back"),
        ),
        (
            "the same path on another node, with a fresh database",
            {
                let mut sample = new().other_cluster();
                sample.target.volumes[0].node = "two".to_owned();
                if let Some((volumes, _)) = &mut sample.baseline {
                    volumes[0].node = "one".to_owned();
                }
                sample
            },
            Some("cluster_changed"),
        ),
        (
            "the pod of another ordinal, with a fresh database",
            new().other_cluster().on_pod_one(),
            Some("cluster_changed"),
        ),
    ]
}

/// The same directory of the claim, mounted or called in another way.
pub(super) fn same_directory() -> Vec<Scenario> {
    let new = Sample::new;
    vec![
        (
            "the claim is mounted at another path",
            {
                let mut sample = new().now(|now| {
                    now.identity.data_directory = "/data/pgdata".to_owned();
                });
                sample.target.volumes[0].mount_path = "/data".to_owned();
                sample
            },
            None,
        ),
        (
            "the data was moved to another directory of its claim, whole",
            new().now(|now| {
                now.identity.data_directory = "/var/lib/postgresql/data/moved".to_owned();
            }),
            None,
        ),
    ]
}
