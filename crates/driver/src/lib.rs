#![doc = include_str!("../README.md")]

mod attributes;
mod base;
mod baseline;
mod config;
mod context;
mod driver;
mod driver_log;
mod error;
mod error_log;
mod extracts;
mod file_log;
mod hints;
mod hook;
mod install;
mod lifecycle;
mod log;
mod readiness;
mod runpath_of;
mod starting;
mod steps;
mod template;
mod wait_end;

pub use standin_entity::{BuildError, Check, Error, Result, Status};

pub use crate::attributes::Attributes;
pub use crate::base::DriverBase;
pub use crate::config::{DriverBuilder, DriverConfig};
pub use crate::context::{ContextSource, Explainer, FromContext, context_of, provide_context};
pub use crate::driver::{Driver, IntoShared};
pub use crate::error::{
    ContextError, ImpossibleCondition, InstallError, LogError, PortInUse, TemplateText,
};
pub use crate::hook::Hook;
pub use crate::install::InstallFile;
pub use crate::lifecycle::Lifecycle;
pub use crate::log::log_match::{LogMatch, LogMatchError};
pub use crate::log::matcher::{LogMark, LogMatcher};
pub use crate::log::regexps::{FileMatches, match_regexps_in_file};
pub use crate::readiness::{
    CommandSucceeds, Conditions, EndedWith, FileExists, LogLine, PortAccepts, Predicate, Readiness,
};
pub use crate::runpath_of::RunpathOf;
pub use crate::template::render_text;
pub use crate::wait_end::WaitEnd;

/// How much a message of [`DriverBase::log`] matters.
pub use tracing::Level;
