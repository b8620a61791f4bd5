//! `kubectl holdfast accept`: says that a change of the data is intended, after a check has seen it
//! or before it is made.

mod annotations;
mod command;
mod judge;
#[cfg(test)]
mod sample;
mod text;

pub use annotations::{accepted, build_acceptance, build_declaration, build_withdrawal};
pub use command::{AcceptArguments, run};
pub use judge::{declare, refuse_check};
pub use text::{
    DatabaseReference, describe_accepted, describe_check, describe_declaration, describe_declared,
    describe_withdrawn,
};
