//! Passwords as people have them: a check logs in with each, and so does `pg_dump`, which gets it by a file of
//! its own. What that file can't hold is refused by the check already, with the Secret and its key.

use std::fs;

use holdfast::agent::gather;
use holdfast::api::reasons;

use super::check::check_request;
use crate::backup_scene::Scene;

const ROLE: &str = "odd 'role\"";

/// Gives the role a password, in the server and in the Secret.
async fn set(scene: &Scene, password: &str) {
    let literal = password.replace('\'', "''");
    let statement = format!(
        "set standard_conforming_strings = on; alter role \"odd 'role\"\"\" password '{literal}'"
    );
    scene.postgres.execute("postgres", &statement).await;
    let file = scene.files.postgres_credentials.join("password");
    fs::write(file, password).unwrap();
}

async fn scene() -> Scene {
    let scene = Scene::new(&["postgres"], ROLE, "none yet");
    let create = "create role \"odd 'role\"\"\" superuser login; create table t (id int); insert into t values (1)";
    scene.postgres.execute("postgres", create).await;
    scene
}

#[tokio::test(flavor = "multi_thread")]
async fn any_password_without_a_line_end_is_good_for_checks_and_dumps() {
    let scene = scene().await;
    let long: String = "aB3:\\%'\"".chars().cycle().take(4096).collect();
    let passwords = [
        "percent %41 %s %% and %",
        "quotes ' \" ` and $HOME $(id) ${x}",
        "colons: and \\ back\\\\slashes\\",
        " spaces at both ends ",
        "#= tab\tand postgres://u:p@h/d?x=y",
        "pässwörd ☃",
        long.as_str(),
    ];
    for (number, password) in (1..).zip(passwords) {
        set(&scene, password).await;
        let mut request = check_request(scene.request.server.clone(), &[]);
        request.server.host = Some("127.0.0.1".to_owned());
        let found = gather(&request, &scene.files).await;
        assert_eq!(found.failure, None, "{password}");
        let taken = scene.take_number(number).await;
        let taken = taken.unwrap_or_else(|failure| panic!("{password}: {failure:?}"));
        assert_eq!(taken.manifest.databases[0].rows, 1);
        let file = scene.files.work.join("pgpass");
        assert!(!file.exists(), "the password file is gone");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_with_a_line_end_is_refused_by_the_check_with_its_secret_and_key() {
    let scene = scene().await;
    for password in ["two\nlines", "two\r\nlines", "a return \r in it"] {
        set(&scene, password).await;
        let mut request = check_request(scene.request.server.clone(), &[]);
        request.server.host = Some("127.0.0.1".to_owned());
        let by_check = gather(&request, &scene.files).await.failure.unwrap();
        let by_backup = scene.take(None).await.unwrap_err();
        for failure in [by_check, by_backup] {
            assert_eq!(failure.reason, reasons::SECRET_MISSING, "{failure:?}");
            for wanted in ["a line end", "Secret `pg-auth`", "key `pass`", "`atra`"] {
                assert!(failure.message.contains(wanted), "{wanted}: {failure:?}");
            }
            assert!(!failure.message.contains("lines"), "{failure:?}");
        }
    }
    // The last line end is an editor's, and no part of it.
    set(&scene, "one line").await;
    let file = scene.files.postgres_credentials.join("password");
    fs::write(file, "one line\r\n").unwrap();
    scene.take(None).await.unwrap();
}
