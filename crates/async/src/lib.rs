#![cfg_attr(any(feature = "tokio", not(doctest)), doc = include_str!("../README.md"))]

mod answers;
mod aside;
mod clock;
mod driver;
mod environment;
mod log;
mod process;
#[cfg(feature = "proxy")]
mod proxy;
mod readiness;
mod runtime;
mod talk;

pub use answers::{AnswersAsync, HeldAsync};
pub use driver::DriverAsync;
pub use environment::{EnvironmentAsync, RunningAsync};
pub use log::LogAsync;
pub use process::ProcessAsync;
#[cfg(feature = "proxy")]
pub use proxy::{InjectedAsync, ProxyAsync};
pub use runtime::{Running, Task};
pub use talk::{ClientAsync, ConnectionAsync, ServerAsync, TalkAsync};
