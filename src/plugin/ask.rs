//! Asks the user on the terminal before something that disturbs or can't be undone.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use super::error::PluginError;

/// Whether the user types `name`. What comes from a pipe does not count, because it was written
/// before anything was shown; then `script_command` is printed.
pub fn ask(question: &str, name: &str, script_command: &str) -> Result<bool, PluginError> {
    let question = format!("{question}, type its name");
    Ok(ask_for_one(&question, &[name], script_command)?.is_some())
}

/// Which of `words` the user types, if any of them.
pub fn ask_for_one(
    question: &str,
    words: &[&str],
    script_command: &str,
) -> Result<Option<usize>, PluginError> {
    if !io::stdin().is_terminal() {
        eprintln!(
            "\nerror: nobody can confirm this, because the standard input is not a terminal. If \
             you have read the above: {script_command}"
        );
        return Ok(None);
    }
    eprint!("\n{question}: ");
    let broken = |source| PluginError::Terminal {
        doing: "ask on the terminal",
        source,
    };
    io::stderr().flush().map_err(broken)?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(broken)?;
    Ok(words.iter().position(|word| *word == answer.trim()))
}
