//! Drills of a database: which have ended and what they have shown, when the next one is due and of which
//! backup, and whether the backups are proven. How one runs is decided in `restore_set`. Pure.

mod area;
mod condition;
mod due;
mod remembered;
mod select;

pub use area::run_drills;
pub use select::{counting, select as select_drill};
