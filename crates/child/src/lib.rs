#![doc = include_str!("../README.md")]

#[cfg_attr(not(target_os = "linux"), path = "below_elsewhere.rs")]
mod below;
mod child;
mod command;
mod error;
mod exit;
mod program;
mod stdin;
mod sys;

pub use crate::below::Descendant;
pub use crate::child::Child;
pub use crate::command::{Command, Stdio};
pub use crate::error::SpawnError;
pub use crate::exit::Exit;
pub use crate::program::{find_program, is_executable};
pub use crate::stdin::WriteError;
