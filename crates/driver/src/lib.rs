#![doc = include_str!("../README.md")]

mod attributes;
mod base;
mod config;
mod context;
mod driver;
mod error;
mod hook;
mod lifecycle;
mod steps;
mod template;

pub use crate::attributes::Attributes;
pub use crate::base::DriverBase;
pub use crate::config::{DriverConfig, DriverOptions};
pub use crate::context::{ContextSource, FromContext};
pub use crate::driver::Driver;
pub use crate::error::{BuildError, ContextError};
pub use crate::hook::Hook;
pub use crate::lifecycle::Lifecycle;
