//! Running a program to its end and, when it fails, saying which, how, and its last lines.

use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail};

/// How many lines of a failed program's output are worth showing.
const LAST_LINES: usize = 15;

/// Runs a command to its end, with nothing on its standard input, and returns what it printed.
pub fn run(command: &mut Command) -> Result<String> {
    let output = output_of(command)?;
    check(command, &output)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command to its end, with nothing on its standard input; a failure of it is not an error
/// here.
pub fn output_of(command: &mut Command) -> Result<Output> {
    command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{} can't be run", name_of(command)))
}

/// Makes a failed command an error that shows its last lines.
pub fn check(command: &Command, output: &Output) -> Result<()> {
    if output.status.success() {
        return Ok(());
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    bail!(
        "{} failed ({}):\n{}",
        name_of(command),
        output.status,
        last_lines(&text, LAST_LINES)
    );
}

/// The last lines of a text, indented.
#[must_use]
pub fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    let from = lines.len().saturating_sub(count);
    lines[from..]
        .iter()
        .map(|line| format!("    {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A command as a person would type it.
#[must_use]
pub fn name_of(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_program_and_shows_its_last_lines() {
        let error =
            run(Command::new("sh").args(["-c", "echo first; echo why it failed >&2; exit 3"]))
                .unwrap_err()
                .to_string();
        assert!(
            error.contains("sh -c")
                && error.contains("exit status: 3")
                && error.contains("    why it failed"),
            "{error}"
        );
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        assert_eq!(last_lines("1\n2\n3\n", 2), "    2\n    3");
    }
}
