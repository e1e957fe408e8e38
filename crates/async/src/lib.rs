#![doc = include_str!("../README.md")]

mod clock;
mod readiness;
mod runtime;
mod talk;

pub use runtime::{Running, Task};
pub use talk::{ClientAsync, ConnectionAsync, ServerAsync, TalkAsync};
