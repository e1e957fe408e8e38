#![doc = include_str!("../README.md")]

mod aside;
mod clock;
mod driver;
mod environment;
mod readiness;
mod runtime;
mod talk;

pub use driver::DriverAsync;
pub use environment::{EnvironmentAsync, RunningAsync};
pub use runtime::{Running, Task};
pub use talk::{ClientAsync, ConnectionAsync, ServerAsync, TalkAsync};
