//! The commands of a runbook, typed as its reader types them. `tests/e2e/pages.rs` makes sure that each of
//! them is typed by a test.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;

use super::page::Page;
use super::{NAME, Ran, Scene};

/// A page, its reader's directory, and what its words in capitals are.
pub struct Runbook<'scene> {
    scene: &'scene Scene,
    page: Page,
    values: Vec<(&'static str, String)>,
    directory: TempDir,
}

impl<'scene> Runbook<'scene> {
    /// Opens a page of `docs/runbooks`, for the database of the scene.
    pub fn open(scene: &'scene Scene, page: &str) -> Self {
        Self {
            scene,
            page: Page::read(page),
            values: vec![
                ("NAME", NAME.to_owned()),
                ("NAMESPACE", scene.namespace().to_owned()),
            ],
            directory: tempfile::tempdir().expect("a directory"),
        }
    }

    /// Another word in capitals.
    pub fn with(mut self, placeholder: &'static str, value: impl Into<String>) -> Self {
        self.values.push((placeholder, value.into()));
        self
    }

    /// A file in the reader's directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Types a command of the page, where nobody can be asked.
    pub fn run(&self, command: &str) -> Ran {
        let line = self.filled(command);
        let mut shell = self.scene.testbed.command("bash").expect("a shell");
        let output = shell
            .args([
                "-o",
                "pipefail",
                "-c",
                &in_directory(self.directory.path(), &line),
            ])
            .stdin(Stdio::null())
            .output()
            .expect("a shell");
        let printed = [output.stdout, output.stderr]
            .map(|text| String::from_utf8_lossy(&text).into_owned())
            .concat();
        Ran {
            code: output.status.code(),
            printed,
        }
    }

    /// Types a command of the page on a terminal, and an answer to its question.
    pub fn run_answered(&self, command: &str, answer: &str) -> Ran {
        let line = in_directory(self.directory.path(), &self.filled(command));
        let mut terminal = self
            .scene
            .testbed
            .command("script")
            .expect("script, of bsdutils");
        let mut person = terminal
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a terminal");
        person
            .stdin
            .take()
            .expect("a keyboard")
            .write_all(format!("{answer}\n").as_bytes())
            .expect("an answer to be typed");
        let output = person.wait_with_output().expect("a terminal");
        Ran {
            code: output.status.code(),
            printed: String::from_utf8_lossy(&output.stdout).into_owned(),
        }
    }

    fn filled(&self, command: &str) -> String {
        let values = self.values.iter();
        let values: Vec<(&str, &str)> = values
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        self.page.command(command, &values)
    }
}

fn in_directory(directory: &Path, line: &str) -> String {
    format!("cd {} && {line}", directory.display())
}
