//! Disasters that disturb everybody on the cluster: these tests run alone, one after the other.

mod between;
mod claim_newborn;
mod crash_points;
mod guard_mended;
mod guard_removed;
mod helm_install;
mod node_restart;
mod noticed;
mod operator_down;
mod operator_here;
mod recovered_unguarded;
mod reinstall;
mod restore_not_allowed;
mod rules_broken;
mod stale_cache;
mod ways_open;
