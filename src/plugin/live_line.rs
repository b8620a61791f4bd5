//! A line that is written again in its place where a terminal shows it, and once per change elsewhere.

use std::io::{self, IsTerminal as _};

use super::error::PluginError;
use super::output::write_out;

/// Back to the beginning of the line, and nothing on it.
const AGAIN: &str = "\r\u{1b}[K";

/// What was written last.
#[derive(Debug, Default)]
pub struct LiveLine {
    last: String,
    /// Whether the line is open: the next one takes its place.
    is_open: bool,
}

impl LiveLine {
    /// A line that the next one does not replace.
    pub fn say(&mut self, text: &str) -> Result<(), PluginError> {
        self.show(text, false)
    }

    /// A line that the next one replaces.
    pub fn say_for_now(&mut self, text: &str) -> Result<(), PluginError> {
        self.show(text, io::stdout().is_terminal())
    }

    /// Whether the next line takes the place of this one.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.is_open
    }

    /// Leaves what stands there.
    pub fn close(&mut self) -> Result<(), PluginError> {
        let end = if self.is_open { "\n" } else { "" };
        self.is_open = false;
        write_out(end)
    }

    fn show(&mut self, text: &str, stays_open: bool) -> Result<(), PluginError> {
        match self.next(text, stays_open) {
            Some(written) => write_out(&written),
            None => Ok(()),
        }
    }

    /// What is written for the next line; none if it is the last one again.
    fn next(&mut self, text: &str, stays_open: bool) -> Option<String> {
        if self.last == text {
            return None;
        }
        let again = if self.is_open { AGAIN } else { "" };
        let end = if stays_open { "" } else { "\n" };
        self.is_open = stays_open;
        text.clone_into(&mut self.last);
        Some(format!("{again}{text}{end}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_takes_the_place_of_the_one_before_only_where_a_terminal_shows_it() {
        let written = |is_terminal| {
            let mut line = LiveLine::default();
            let mut all = String::new();
            for (text, stays) in [
                ("Running", false),
                ("1 of 2", is_terminal),
                ("1 of 2", is_terminal),
                ("2 of 2", is_terminal),
                ("Complete", false),
            ] {
                all.push_str(&line.next(text, stays).unwrap_or_default());
            }
            all
        };
        assert_eq!(written(false), "Running\n1 of 2\n2 of 2\nComplete\n");
        assert_eq!(
            written(true),
            "Running\n1 of 2\r\u{1b}[K2 of 2\r\u{1b}[KComplete\n"
        );
    }
}
