#![doc = include_str!("../README.md")]

mod info;
mod protocol;

pub use info::{ConnectionInfo, Ends};
pub use protocol::{Direction, Identifier, Protocol};
