#![doc = include_str!("../README.md")]

mod config;
mod control;
mod counted;
mod direction;
mod driver;
mod error;
mod every_cut;
mod far;
mod fault;
mod frames;
mod line;
mod link;
mod listener;
mod pace;
mod pair;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod passage;
#[cfg(test)]
mod properties;
mod proxy;
mod queue;
mod random;
mod rule;
mod side;
mod stream;
mod time;

pub use crate::config::{TcpProxyBuilder, TcpProxyConfig};
pub use crate::direction::Direction;
pub use crate::error::ProxyError;
pub use crate::every_cut::{
    Cut, CutReport, CutResult, EveryCut, EveryCutError, Outcome, ParseCutError, Trial,
};
pub use crate::fault::{Fault, FaultKind};
pub use crate::frames::NewFraming;
pub use crate::link::{Link, Links};
pub use crate::proxy::TcpProxy;
pub use crate::rule::Injected;
#[doc(no_inline)]
pub use standin_socket::framing::Framing;
