//! Bad input: every mistake ends in a condition or an admission error that names the field and says
//! what to do. No crash, no loop, no reset.

mod admission;
pub mod calm;
mod connection;
mod later;
mod spec;
mod storage;
mod storage_fields;
mod workload;
