//! How numbers, times, lists and tables are printed, and paths compared, the same for everybody. Pure.

mod bytes;
mod escaped;
mod number;
mod path;
mod quoted;
mod shell;
mod table;
mod time;

pub use bytes::{say_bytes, say_pace, say_part};
pub use escaped::{escaped, is_deceiving};
pub use number::{count, list, number};
pub use path::{is_same_path, lies_under, path_depth, rest_below};
pub use quoted::{quoted, quoted_line};
pub use shell::shell_word;
pub use table::build_table;
pub use time::{ago, date, moment, say_about, say_length};
