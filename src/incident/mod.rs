//! The story of one database: what was read becomes one account of it, and that account text,
//! Markdown, a page or data. Pure.

mod answers;
mod backups;
mod build;
mod differences;
mod disk;
mod events;
mod gathered;
mod happenings;
mod identity;
mod line;
mod looks;
mod markdown;
mod model;
mod next_steps;
mod overview;
mod page;
mod plot;
mod plot_scale;
mod series;
mod shell;
mod sparkline;
mod starts;
mod text;
mod timeline;
mod updates;
mod verdict;
mod volumes;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

pub use build::*;
pub use gathered::*;
pub use happenings::*;
pub use line::*;
pub use markdown::*;
pub use model::*;
pub use overview::*;
pub use page::*;
pub use text::*;
