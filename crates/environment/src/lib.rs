#![doc = include_str!("../README.md")]

mod abort;
mod account;
mod afterwards;
mod artifacts;
mod config;
mod context;
mod dependencies;
mod environment;
mod error;
mod evidence;
mod failure;
pub mod file;
mod group;
mod members;
mod nesting;
mod order;
mod plan;
mod record;
mod running;
mod say;
mod schedule;
#[cfg(unix)]
mod signals;
mod started;
mod starting;
mod turn;
mod types;
mod view;

pub use crate::abort::AbortHandle;
pub use crate::artifacts::Artifacts;
pub use crate::config::{EnvironmentBuilder, EnvironmentConfig};
pub use crate::environment::{Environment, FailedStart};
pub use crate::error::{AddError, DependencyError, ExportError, LoadError, LookupError};
pub use crate::failure::{EnvironmentError, Failure, NotStarted, NotStopped, TestFailure, Waiting};
pub use crate::group::DriverGroup;
pub use crate::nesting::EnvironmentParent;
pub use crate::plan::Need;
pub use crate::record::{Format, Record};
#[doc(hidden)]
pub use crate::running::Operations;
pub use crate::running::RunningEnvironment;
#[cfg(unix)]
pub use crate::signals::{SignalError, SignalGuard};
pub use crate::turn::Operation;
pub use crate::types::DriverTypes;
pub use crate::view::EnvironmentView;
#[doc(hidden)]
pub use standin_process::variables;
