//! Disasters that disturb everybody on the cluster: these tests run alone, one after the other.

mod crash_points;
mod guard_mended;
mod guard_removed;
mod helm_install;
mod node_restart;
mod operator_down;
mod recovered_unguarded;
mod restore_not_allowed;
