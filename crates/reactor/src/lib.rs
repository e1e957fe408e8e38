#![doc = include_str!("../README.md")]

mod actor;
mod core;
mod engine;
mod group;
mod lease;
mod members;
mod reactor;
mod spin;
mod sys;
mod timers;

pub use self::actor::{Actor, Handle, Next, Panicked, Slot, SourceEvent, Turn};
pub use self::core::Busy;
pub use self::group::{Group, Stuck};
pub use self::reactor::Reactor;
