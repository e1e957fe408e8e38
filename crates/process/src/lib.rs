#![doc = include_str!("../README.md")]

mod command;
mod config;
mod connections;
mod driver;
mod error;
mod listen;
mod log;
mod process;
mod rules;
mod signal;
mod stdin;
mod stop;
mod sys;
mod trust;

#[doc(hidden)]
pub use crate::config::variables;
pub use crate::config::{ProcessBuilder, ProcessConfig};
pub use crate::error::{NotExecutable, ProcessError};
pub use crate::listen::Listen;
pub use crate::process::Process;
#[doc(hidden)]
pub use crate::rules::{no_nul, variable_names};
pub use crate::signal::Signal;
pub use crate::stdin::Stdin;
pub use standin_child::Exit;
