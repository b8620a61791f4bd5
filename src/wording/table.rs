//! Rows under a heading, for a terminal.

use std::fmt::Write as _;

/// Rows under a heading, in columns as wide as they must be. The last column is not padded.
#[must_use]
pub fn build_table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let heading: Vec<String> = heading.iter().map(|&word| word.to_owned()).collect();
    let widths: Vec<usize> = (0..heading.len())
        .map(|column| {
            rows.iter()
                .chain([&heading])
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in [&heading].into_iter().chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:width$}   ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
