//! How a command ended, and the exit code that says so to scripts.

/// How a command ended, when it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// All is well, or what was asked for is done.
    Done,
    /// It found something for the user to decide.
    NeedsAttention,
    /// What was asked for was not confirmed, and nothing was changed.
    NotConfirmed,
}

impl ExitStatus {
    /// The exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::NeedsAttention => 3,
            Self::NotConfirmed => 4,
        }
    }
}

/// The exit code of a command that failed. 2, a wrong command line, is clap's.
pub const FAILED: u8 = 1;

/// The table of exit codes, for `--help`.
pub const EXIT_CODES: &str = "Exit codes:
  0  all is well, or what was asked for is done
  1  something failed; the message says what, and the command to check it
  2  the command line was not understood
  3  found something for you to decide; the output says what to do
  4  not confirmed; nothing was changed";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_lists_every_code() {
        for code in [
            ExitStatus::Done.code(),
            FAILED,
            2,
            ExitStatus::NeedsAttention.code(),
            ExitStatus::NotConfirmed.code(),
        ] {
            assert!(EXIT_CODES.contains(&format!("\n  {code}  ")), "{code}");
        }
    }
}
