//! Which drivers failed to start or to stop, and who was not started because of that.

use std::fmt;
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use standin_entity::{Error, StartError, StopError, WaitError};
use standin_error::text::{self, Names};
use standin_error::{Reportable, several};
use thiserror::Error;

use crate::error::EnvironmentError;

/// Drivers of an environment failed to start. Those that were up have been stopped again.
#[non_exhaustive]
pub struct NotStarted {
    /// The environment.
    pub environment: String,
    /// Who failed, and why, in the order in which they were added.
    pub failures: Vec<Failure>,
    /// Drivers that were not started because of that.
    pub not_started: Vec<String>,
    /// Which of these depend on which of those that failed.
    pub waiting: Vec<Waiting>,
    /// Where the files of the drivers are kept.
    pub runpath: Option<PathBuf>,
}

standin_error::reportable!(NotStarted, parts = NotStarted::parts);

impl NotStarted {
    fn parts(&self) -> Vec<&(dyn Reportable + 'static)> {
        several::parts(&self.failures)
    }
}

impl fmt::Display for NotStarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = format_args!("environment \"{}\" did not start: ", self.environment);
        several::write(&self.failures, f, before, "drivers failed")
    }
}

impl std::error::Error for NotStarted {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        several::source(&self.failures)
    }
}

impl Diagnostic for NotStarted {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        several::only(&self.failures)?.code()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let mut lines = Vec::new();
        let only = several::only(&self.failures);
        lines.extend(
            only.and_then(|only| only.help())
                .map(|help| help.to_string()),
        );
        for Waiting { driver, dependents } in &self.waiting {
            let (were, they) = if dependents.len() == 1 {
                ("was", "it depends")
            } else {
                ("were", "they depend")
            };
            let dependents = Names(dependents);
            lines.push(format!(
                "{dependents} {were} not started because {they} on \"{driver}\""
            ));
        }
        let waits = |name| self.waiting.iter().any(|w| w.dependents.contains(name));
        let others: Vec<_> = self
            .not_started
            .iter()
            .filter(|name| !waits(name))
            .collect();
        if !others.is_empty() {
            lines.push(format!("not started because of that: {}", Names(&others)));
        }
        lines.push(kept(self.runpath.as_deref()));
        Some(Box::new(lines.join("\n")))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        several::related(&self.failures)
    }

    fn diagnostic_source(&self) -> Option<&dyn Diagnostic> {
        several::diagnostic_source(&self.failures)
    }
}

/// Drivers of an environment failed to stop; all others are down.
#[non_exhaustive]
pub struct NotStopped {
    /// The environment.
    pub environment: String,
    /// Who failed, and why.
    pub failures: Vec<Failure>,
    /// Where the files of the drivers are kept.
    pub runpath: Option<PathBuf>,
}

standin_error::reportable!(NotStopped, parts = NotStopped::parts);

impl NotStopped {
    fn parts(&self) -> Vec<&(dyn Reportable + 'static)> {
        several::parts(&self.failures)
    }
}

impl fmt::Display for NotStopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = format_args!(
            "environment \"{}\" did not stop cleanly: ",
            self.environment
        );
        several::write(&self.failures, f, before, "drivers failed")
    }
}

impl std::error::Error for NotStopped {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        several::source(&self.failures)
    }
}

impl Diagnostic for NotStopped {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        several::only(&self.failures)?.code()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let only = several::only(&self.failures);
        let mut lines = Vec::new();
        lines.extend(
            only.and_then(|only| only.help())
                .map(|help| help.to_string()),
        );
        lines.push(kept(self.runpath.as_deref()));
        Some(Box::new(lines.join("\n")))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        several::related(&self.failures)
    }

    fn diagnostic_source(&self) -> Option<&dyn Diagnostic> {
        several::diagnostic_source(&self.failures)
    }
}

fn kept(runpath: Option<&Path>) -> String {
    match runpath {
        Some(path) => format!("the files of the drivers are kept in {}", path.display()),
        None => "the drivers left no files".to_owned(),
    }
}

/// Those who waited for a driver that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waiting {
    /// The driver that failed.
    pub driver: String,
    /// The drivers that depend on it, directly or not, and were not started.
    pub dependents: Vec<String>,
}

/// Why one driver failed to start or to stop.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum Failure {
    /// It failed to start.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Start(StartError),
    /// It failed to stop.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Stop(StopError),
    /// It failed while it was waited for.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Wait(WaitError),
    /// An environment that belongs to this one was not stopped.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Nested(Box<EnvironmentError>),
    /// It failed to start, and so did its replacements.
    #[error(
        "{}, and none of its replacements was started either",
        text::in_full(first)
    )]
    #[diagnostic(code(standin::environment::failover))]
    Failover {
        /// Why the driver itself did not start.
        first: Box<Failure>,
        /// Why the last replacement did not.
        #[source]
        #[diagnostic_source]
        cause: Error,
    },
}

standin_error::reportable!(Failure, parts = Failure::parts);

impl Failure {
    /// The driver, as its environment knows it; `None` for an environment.
    #[must_use]
    pub fn driver(&self) -> Option<&str> {
        match self {
            Failure::Start(error) => Some(error.driver()),
            Failure::Stop(error) => Some(error.driver()),
            Failure::Wait(error) => Some(error.driver()),
            Failure::Nested(_) => None,
            Failure::Failover { first, .. } => first.driver(),
        }
    }

    fn parts(&self) -> Vec<&(dyn Reportable + 'static)> {
        match self {
            Failure::Start(error) => vec![error],
            Failure::Stop(error) => vec![error],
            Failure::Wait(error) => vec![error],
            Failure::Nested(error) => vec![&**error],
            Failure::Failover { first, .. } => vec![&**first],
        }
    }
}
