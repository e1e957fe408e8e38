#![doc = include_str!("../README.md")]

mod caller;
mod config;
mod entity;
mod failover;
mod failure;
mod incident;
mod report;
mod resource;
mod runpath;
mod settings;
mod slug;
mod status;
mod steps;
mod sync;
mod timer;
mod watch;

#[doc(hidden)]
pub use crate::caller::{Caller, Hold, Waiting};
pub use crate::config::{EntityBuilder, EntityConfig, ResourceBuilder, ResourceConfig};
pub use crate::entity::{Entity, NameError, ParentError, name_rule};
pub use crate::failover::Failovers;
pub use crate::failure::{AbortError, PauseError, RestartError, StartError, StopError, WaitError};
pub use crate::incident::{Evidence, Overdue, StepFailure, Subject};
pub use crate::report::{Failure, Report};
pub use crate::resource::{AnnouncedStop, Resource};
pub use crate::runpath::{RunpathError, default_root};
pub use crate::settings::{CheckInterval, Settings};
pub use crate::slug::slugify;
pub use crate::status::{IllegalTransition, Status, UnknownStatus};
pub use crate::steps::{Abort, Check, HookPoint, Step, Steps};
pub use crate::timer::{Interval, IntervalError, Timer};
pub use crate::watch::{Progress, Watch};
pub use standin_error::{Error, Result};
