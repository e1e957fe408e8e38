#![doc = include_str!("../README.md")]

mod child;
mod command;
mod config;
mod error;
mod exit;
mod guardian;
mod listen;
mod process;
mod signal;
mod stdin;
mod stop;
mod sys;
mod tree;

#[doc(hidden)]
pub use crate::config::variables;
pub use crate::config::{ProcessConfig, ProcessOptions};
pub use crate::error::ProcessError;
pub use crate::exit::Exit;
pub use crate::listen::Listen;
pub use crate::process::Process;
pub use crate::signal::Signal;
pub use crate::stdin::Stdin;
