//! Tests of what a directory lies on.

use super::*;

fn claim(path: &str) -> MountedVolume {
    MountedVolume {
        claim: "data".to_owned(),
        claim_uid: "u".to_owned(),
        volume: "pv".to_owned(),
        volume_handle: String::new(),
        node: String::new(),
        sub_path: String::new(),
        created_at: None,
        mount_path: path.to_owned(),
    }
}

fn paths(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}

/// `claim`, `image`, `other` or `container`.
fn place(claims: &[&str], image: &[&str], other: &[&str], directory: &str) -> &'static str {
    let claims: Vec<_> = claims.iter().map(|path| claim(path)).collect();
    let (image, other) = (paths(image), paths(other));
    let mounts = Mounts {
        claims: &claims,
        image: &image,
        other: &other,
    };
    match mounts.place_of(directory) {
        DataPlace::Claim(_) => "claim",
        DataPlace::ImageVolume(_) => "image",
        DataPlace::OtherMount(_) => "other",
        DataPlace::Container => "container",
    }
}

#[test]
fn the_deepest_mount_holds_the_data() {
    const DATA: &str = "/var/lib/postgresql/data";
    const ABOVE: &str = "/var/lib/postgresql";
    for (claims, image, other, directory, wanted) in [
        // Where the official images of Postgres 17 and older declare it.
        (&[ABOVE][..], &[DATA][..], &[][..], DATA, "image"),
        (
            &["/var/lib/postgresql/"],
            &["/var/lib/postgresql/data/"],
            &[],
            DATA,
            "image",
        ),
        (
            &[ABOVE],
            &[DATA],
            &[],
            "/var/lib/postgresql/data/pgdata",
            "image",
        ),
        (&["/var/lib"], &[DATA], &[], DATA, "image"),
        (&[DATA], &[DATA], &[], DATA, "claim"),
        (
            &[DATA],
            &[DATA],
            &[],
            "/var/lib/postgresql/data/pgdata",
            "claim",
        ),
        (
            &["/var/lib/postgresql/data/pgdata"],
            &[DATA],
            &[],
            "/var/lib/postgresql/data/pgdata",
            "claim",
        ),
        (
            &[ABOVE],
            &[DATA],
            &[],
            "/var/lib/postgresql/pgdata",
            "claim",
        ),
        (
            &[ABOVE],
            &[DATA],
            &[],
            "/var/lib/postgresql/database",
            "claim",
        ),
        // Postgres 18.
        (
            &[ABOVE],
            &[ABOVE],
            &[],
            "/var/lib/postgresql/18/docker",
            "claim",
        ),
        (
            &[DATA],
            &[ABOVE],
            &[],
            "/var/lib/postgresql/18/docker",
            "image",
        ),
        // Bitnami.
        (
            &["/bitnami"],
            &["/bitnami/postgresql"],
            &[],
            "/bitnami/postgresql/data",
            "image",
        ),
        (
            &["/bitnami/postgresql"],
            &["/bitnami/postgresql"],
            &[],
            "/bitnami/postgresql/data",
            "claim",
        ),
        // No VOLUME in the image.
        (&[ABOVE], &[], &[], DATA, "claim"),
        (&[], &[], &[], DATA, "container"),
        (&["/data"], &[], &[], DATA, "container"),
        // An emptyDir of the pod below the claim, and in the place of the image's volume.
        (&[ABOVE], &[], &[DATA], DATA, "other"),
        (&[ABOVE], &[DATA], &[DATA], DATA, "other"),
        (&["/"], &[], &[], "/srv", "claim"),
        // At the same path, in another spelling.
        (&[DATA], &[], &["/var/lib/postgresql/data/"], DATA, "other"),
        (
            &[DATA],
            &[DATA],
            &["/x/../var/lib/postgresql//data/."],
            DATA,
            "other",
        ),
        (&["/var/lib/postgresql/./data"], &[DATA], &[], DATA, "claim"),
    ] {
        assert_eq!(
            place(claims, image, other, directory),
            wanted,
            "{claims:?} {image:?} {other:?} {directory}"
        );
    }
}
