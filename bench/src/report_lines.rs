//! Lines that every report has: what was measured where, and whether a target is reached. Pure.

use std::fmt::{self, Formatter};

use crate::machine::{GIBIBYTE, Machine};

/// Says what was measured, on which machine and with which Postgres.
pub fn write_heading(
    out: &mut Formatter<'_>,
    what: &str,
    is_quick: bool,
    (machine, postgres): (&Machine, &str),
) -> fmt::Result {
    let quick = if is_quick {
        ": a try with --quick, its figures say little"
    } else {
        ""
    };
    writeln!(out, "\nWhat a {what} costs{quick}")?;
    writeln!(
        out,
        "Holdfast {}, Postgres {postgres}, {} cores ({}), {} GiB of memory",
        env!("CARGO_PKG_VERSION"),
        machine.cores,
        machine.processor,
        machine.memory / GIBIBYTE
    )
}

/// Says whether a target is reached.
pub fn write_target(out: &mut Formatter<'_>, target: &str, is_reached: bool) -> fmt::Result {
    let reached = if is_reached { "reached" } else { "missed" };
    writeln!(out, "   target: {target}: {reached}")
}
