//! `kubectl holdfast doctor`: finds every Postgres, says who protects it and what endangers its
//! data, and how to protect it.

mod command;
mod coverage;
mod findings;
mod image;
mod mounts;
mod recognise;
mod suggestion;
mod text;
mod volumes;
mod workload;

pub use command::*;
pub use coverage::*;
pub use findings::*;
pub use image::*;
pub use mounts::*;
pub use recognise::*;
pub use suggestion::*;
pub use text::*;
pub use workload::*;
