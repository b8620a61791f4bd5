//! Disasters that disturb everybody on the cluster: these tests have one to themselves and run one
//! after the other.

mod guard_mended;
mod guard_removed;
mod helm_install;
mod node_restart;
mod operator_down;
mod recovered_unguarded;
mod reinstall;
mod released;
mod repair_not_allowed;
mod restore_not_allowed;
mod role_removed;
mod rules_broken;
mod tainted_node;
mod ways_open;
