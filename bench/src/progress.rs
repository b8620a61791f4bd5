//! What the person sees meanwhile: a line a step on standard error, with the time since the start.
//! Standard output belongs to the report.

use std::sync::LazyLock;
use std::time::Instant;

static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Says something.
pub fn say(text: &str) {
    let seconds = BEGIN.elapsed().as_secs();
    eprintln!("bench {:2}:{:02}  {text}", seconds / 60, seconds % 60);
}
