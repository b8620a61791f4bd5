//! Running `kubectl holdfast` as people and scripts do.

use std::io::Write as _;
use std::process::Stdio;

use super::{Scene, assert_tells};

/// What a run of the plugin came to.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: Option<i32>,
    /// Both streams; a terminal shows no difference.
    pub printed: String,
}

/// Runs `kubectl holdfast …`; there is no terminal, so nobody can be asked.
pub fn holdfast(scene: &Scene, words: &str) -> Ran {
    let mut command = scene.testbed.command("kubectl").expect("kubectl");
    let output = command
        .arg("holdfast")
        .args(words.split(' '))
        .stdin(Stdio::null())
        .output()
        .expect("kubectl holdfast");
    let printed = [output.stdout, output.stderr]
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .concat();
    Ran {
        code: output.status.code(),
        printed,
    }
}

/// The same on a terminal, where a person types an answer.
pub fn holdfast_answered(scene: &Scene, words: &str, answer: &str) -> Ran {
    let mut command = scene
        .testbed
        .command("script")
        .expect("script, of bsdutils");
    let line = format!("kubectl holdfast {words}");
    command
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut person = command.spawn().expect("a terminal");
    person
        .stdin
        .take()
        .expect("a keyboard")
        .write_all(format!("{answer}\n").as_bytes())
        .expect("an answer to be typed");
    let output = person.wait_with_output().expect("kubectl holdfast");
    Ran {
        code: output.status.code(),
        printed: String::from_utf8_lossy(&output.stdout).into_owned(),
    }
}

/// Asserts how it ended and what it told.
pub fn assert_ran(ran: &Ran, code: i32, told: &[&str]) {
    assert_eq!(ran.code, Some(code), "{}", ran.printed);
    assert_tells(&ran.printed, told);
}
