#![doc = include_str!("../README.md")]

mod caller;
mod config;
mod entity;
mod failover;
mod failure;
mod files;
mod incident;
mod interval;
mod name;
mod report;
mod resource;
mod runpath;
mod slug;
mod status;
mod steps;
mod sync;
mod timer;
mod tree;

#[doc(hidden)]
pub use crate::caller::{Caller, Hold, Waiting};
pub use crate::config::{EntityBuilder, EntityConfig, ResourceBuilder, ResourceConfig};
pub use crate::entity::{BuildError, Entity};
pub use crate::failover::Failovers;
pub use crate::failure::{AbortError, PauseError, RestartError, StartError, StopError, WaitError};
pub use crate::incident::{Evidence, Limit, Overdue, StepFailure, Subject};
pub use crate::interval::CheckInterval;
pub use crate::name::{NameError, check_name, name_rule};
pub use crate::report::{Event, Failure, Report, What};
pub use crate::resource::{AnnouncedStop, Resource};
pub use crate::runpath::{ArtifactFolder, RunpathError, default_root, remove_root, write_whole};
pub use crate::slug::slugify;
pub use crate::status::{IllegalTransition, Status, UnknownStatus};
pub use crate::steps::{Check, HookPoint, Step, Steps};
pub use crate::timer::{Interval, IntervalError, Timer};
pub use crate::tree::JoinError;
pub use standin_error::{Error, Result};
