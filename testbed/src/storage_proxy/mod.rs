//! A proxy before an S3 server that does what other servers and bad networks do: faults by request,
//! and rules of other dialects that the server behind it does not have.

mod dialect;
mod fault;
mod seen;
mod server;

pub use dialect::Dialect;
pub use fault::{Fault, Refusal};
pub use seen::{Operation, Seen};
pub use server::StorageProxy;
