//! Disasters in which the operator is down, dies, or sees what is no longer so. Each test has an
//! operator of its own, in this process, for the databases of its own shard; the one that is
//! installed leaves those alone, so that these tests run beside the others.

mod between;
mod claim_newborn;
mod confirmation_ended;
mod crash_points;
mod kept_limit;
mod noticed;
pub mod operator;
mod restarts_missed;
mod selected;
mod stale_cache;
