//! Why an environment did not start or stop: which drivers failed, and which were not started
//! because of that.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use miette::Diagnostic;
use standin_config::ResolveError;
use standin_entity::{Error, NameError, RunpathError, StartError, Step, StopError, WaitError};
use standin_error::text::{self, Span};
use standin_error::{Reportable, several};
use thiserror::Error;

use crate::artifacts::Artifacts;
use crate::error::DependencyError;
use crate::turn::Operation;

/// An environment could not start, or not stop without failures.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// It has a name that it cannot have.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Name(#[from] NameError),
    /// An option of the environment has no value.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Options(#[from] ResolveError),
    /// The drivers cannot be brought into an order.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Dependency(#[from] DependencyError),
    /// There is no place for the files of the environment.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Runpath(#[from] RunpathError),
    /// It was aborted.
    #[error("environment \"{environment}\" was aborted and does not start")]
    #[diagnostic(
        code(standin::environment::aborted),
        help("an abort is final: make a new environment to start again")
    )]
    Aborted {
        /// The environment.
        environment: String,
    },
    /// It was called from where it would wait for its own end: a hook, a step or a factory of
    /// an operation of this environment, or of one that belongs to it. Nothing was done.
    #[error(
        "cannot {call} environment \"{environment}\" from within {}",
        place(environment, within, *operation, driver.as_deref(), *step)
    )]
    #[diagnostic(
        code(standin::environment::called_from_within),
        help("{}", way_out(*call, *operation))
    )]
    CalledFromWithin {
        /// The environment.
        environment: String,
        /// The call.
        call: Operation,
        /// The environment whose operation is under way: the same, or one that belongs to it.
        within: String,
        /// The operation in progress.
        operation: Operation,
        /// The driver whose hook or step it was called from, where that is known.
        driver: Option<String>,
        /// The hook or step.
        step: Option<Step>,
    },
    /// Another thread starts or stops it, and has not finished within the option
    /// `status_wait_timeout`. Nothing was done.
    #[error(
        "the {call} of environment \"{environment}\" waited {} for its {operation} in another thread{}",
        Span(*limit),
        blocking(steps)
    )]
    #[diagnostic(
        code(standin::environment::busy),
        help(
            "end what blocks there: a hook or step that does not return cannot be ended from outside; \
             `abort` ends all waits of drivers, and `status_wait_timeout` says how long a call waits"
        )
    )]
    Busy {
        /// The environment.
        environment: String,
        /// The call.
        call: Operation,
        /// The operation in progress.
        operation: Operation,
        /// How long it waited.
        limit: Duration,
        /// The drivers that are in a hook or a step, each with it.
        steps: Vec<(String, Step)>,
    },
    /// The environment that it belongs to was stopped.
    #[error("environment \"{environment}\" belongs to \"{parent}\", which is stopped")]
    #[diagnostic(
        code(standin::environment::parent_stopped),
        help("start \"{parent}\" first; stopping it stops what belongs to it")
    )]
    ParentStopped {
        /// The environment.
        environment: String,
        /// The one that it belongs to.
        parent: String,
    },
    /// Drivers failed to start. Those that were up have been stopped again.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Start(NotStarted),
    /// Drivers failed to stop; all others are down.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Stop(NotStopped),
    /// A test failed, and so did the stop after it.
    #[error("the test failed, and environment \"{environment}\" did not stop cleanly")]
    #[diagnostic(code(standin::environment::test))]
    Test {
        /// The environment.
        environment: String,
        /// The error that the test returned.
        #[source]
        #[diagnostic_source]
        test: Error,
        /// Why it did not stop cleanly: one error.
        #[related]
        stop: Vec<EnvironmentError>,
    },
}

impl EnvironmentError {
    /// Returns whether a driver was not used as the test expects: see
    /// [`Driver::verify`](standin_driver::Driver::verify).
    pub fn is_unmet(&self) -> bool {
        match self {
            EnvironmentError::Stop(error) => error.failures.iter().any(Failure::is_unmet),
            EnvironmentError::Test { stop, .. } => stop.iter().any(EnvironmentError::is_unmet),
            _ => false,
        }
    }
}

standin_error::reportable!(EnvironmentError {
    Name,
    Options,
    Dependency,
    Runpath,
    Start,
    Stop,
});

/// Drivers of an environment failed to start. Those that were up have been stopped again.
#[non_exhaustive]
pub struct NotStarted {
    /// The environment.
    pub environment: String,
    /// The failures, in the order in which the drivers were added.
    pub failures: Vec<Failure>,
    /// The option `start_limit`, if it was over: drivers failed because of that.
    pub limit: Option<Duration>,
    /// Drivers that were not started because of that.
    pub not_started: Vec<String>,
    /// Which of these depend on which of those that failed.
    pub waiting: Vec<Waiting>,
    /// Where the files of the drivers are kept.
    pub runpath: Option<PathBuf>,
    /// How long each driver took, what it waited for, and what was missing.
    pub timeline: Option<String>,
    /// The files that show what was recorded.
    pub artifacts: Artifacts,
}

standin_error::reportable!(NotStarted, parts = NotStarted::parts);

impl NotStarted {
    fn parts(&self) -> Vec<&(dyn Reportable + 'static)> {
        several::parts(&self.failures)
    }
}

impl fmt::Display for NotStarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let late = match self.limit {
            Some(limit) => format!(" within {}", Span(limit)),
            None => String::new(),
        };
        let before = format_args!("environment \"{}\" did not start{late}: ", self.environment);
        several::write(&self.failures, f, before, "drivers failed")?;
        match &self.timeline {
            Some(timeline) => write!(f, "\n\n{timeline}"),
            None => Ok(()),
        }
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
        if let Some(limit) = self.limit {
            let limit = Span(limit);
            lines.push(format!(
                "find out what takes so long, or raise the `start_limit` of the environment (now {limit})"
            ));
        }
        let only = several::only(&self.failures);
        lines.extend(
            only.and_then(|only| only.help())
                .map(|help| help.to_string()),
        );
        lines.extend(kept(self.runpath.as_deref()));
        lines.extend((!self.artifacts.is_empty()).then(|| self.artifacts.to_string()));
        (!lines.is_empty()).then(|| Box::new(lines.join("\n")) as _)
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
    /// The failures.
    pub failures: Vec<Failure>,
    /// Where the files of the drivers are kept.
    pub runpath: Option<PathBuf>,
    /// The files that show what was recorded.
    pub artifacts: Artifacts,
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
        lines.extend(kept(self.runpath.as_deref()));
        lines.extend((!self.artifacts.is_empty()).then(|| self.artifacts.to_string()));
        (!lines.is_empty()).then(|| Box::new(lines.join("\n")) as _)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        several::related(&self.failures)
    }

    fn diagnostic_source(&self) -> Option<&dyn Diagnostic> {
        several::diagnostic_source(&self.failures)
    }
}

fn kept(runpath: Option<&Path>) -> Option<String> {
    let path = runpath?.display();
    Some(format!("the files of the drivers are kept in {path}"))
}

/// The drivers that waited for a failed one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waiting {
    /// The driver that failed.
    pub driver: String,
    /// The drivers that depend on it, directly or not, and were not started.
    pub dependents: Vec<String>,
}

/// A driver has failed the test, for example because of an unexpected message.
#[derive(Clone, PartialEq, Eq, Error, Diagnostic)]
#[error("driver \"{driver}\" failed the test: {reason}")]
#[diagnostic(code(standin::environment::test_failed))]
#[non_exhaustive]
pub struct TestFailure {
    /// The driver.
    pub driver: String,
    /// The reason.
    pub reason: String,
}

standin_error::reportable!(TestFailure);

/// Why one driver failed to start or to stop.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum Failure {
    /// While others started, it met what fails the test.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Test(TestFailure),
    /// It failed to start.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Start(StartError),
    /// It failed to stop.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Stop(StopError),
    /// It failed during a wait.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Wait(WaitError),
    /// An environment that belongs to this one was not stopped.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Nested(Box<EnvironmentError>),
    /// It failed to start, and so did its replacements.
    #[error(
        "{}, and none of its replacements started either",
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
    /// Returns the driver's name in its environment; `None` for an environment.
    #[must_use]
    pub fn driver(&self) -> Option<&str> {
        match self {
            Failure::Test(broken) => Some(&broken.driver),
            Failure::Start(error) => Some(error.driver()),
            Failure::Stop(error) => Some(error.driver()),
            Failure::Wait(error) => Some(error.driver()),
            Failure::Nested(_) => None,
            Failure::Failover { first, .. } => first.driver(),
        }
    }

    /// Whether the driver was not used as the test expects, regardless of other failures.
    pub(crate) fn is_unmet(&self) -> bool {
        let (first, further) = match self {
            Failure::Stop(StopError::Step { step, further, .. }) => (Some(*step), further),
            Failure::Stop(
                StopError::Timeout { further, .. } | StopError::Aborted { further, .. },
            ) => (None, further),
            Failure::Nested(error) => return error.is_unmet(),
            _ => return false,
        };
        let steps = further.iter().map(|failure| failure.step);
        first
            .into_iter()
            .chain(steps)
            .any(|step| step == Step::Verify)
    }

    fn parts(&self) -> Vec<&(dyn Reportable + 'static)> {
        match self {
            Failure::Test(broken) => vec![broken],
            Failure::Start(error) => vec![error],
            Failure::Stop(error) => vec![error],
            Failure::Wait(error) => vec![error],
            Failure::Nested(error) => vec![&**error],
            Failure::Failover { first, .. } => vec![&**first],
        }
    }
}

/// The origin of a call: `its own start: the pre_start hook of driver "a"`.
fn place(
    environment: &str,
    within: &str,
    operation: Operation,
    driver: Option<&str>,
    step: Option<Step>,
) -> String {
    let mut place = if environment == within {
        format!("its own {operation}")
    } else {
        format!("the {operation} of environment \"{within}\", which belongs to it")
    };
    if let Some(driver) = driver {
        let step = step.map(|step| format!("{step} of ")).unwrap_or_default();
        place.push_str(&format!(": {step}driver \"{driver}\""));
    }
    place
}

fn way_out(call: Operation, operation: Operation) -> &'static str {
    match (call, operation) {
        (Operation::Stop, Operation::Start) => {
            "return an error to end the start, or call `abort`; dropping the guard lets the stop follow"
        }
        (Operation::Stop, _) => "nothing needs to be done: it stops anyway",
        _ => "call it from the test, when what is under way has ended",
    }
}

fn blocking(steps: &[(String, Step)]) -> String {
    let steps: Vec<String> = steps
        .iter()
        .map(|(driver, step)| format!("{step} of driver \"{driver}\" has not returned"))
        .collect();
    if steps.is_empty() {
        return String::new();
    }
    format!(": {}", steps.join(", "))
}
