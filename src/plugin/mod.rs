//! `kubectl holdfast`: what people and scripts ask of Holdfast by hand. It reads, explains and confirms; it deletes nothing and reads no Secret.

mod command;
mod connect;
mod doctor;
mod ending;
mod error;
mod output;
mod paging;
mod status;
mod unlock;
mod words;

pub use command::*;
