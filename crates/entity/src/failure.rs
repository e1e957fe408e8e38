//! What goes wrong in a resource's life: one error for each operation.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use miette::Diagnostic;
use thiserror::Error;

use crate::status::{IllegalTransition, Status};
use crate::steps::Step;
use standin_error::Error;

/// A step that failed or panicked.
#[derive(Clone, Error, Diagnostic)]
#[error("{step} {}", if *panicked { "panicked" } else { "failed" })]
#[non_exhaustive]
pub struct StepFailure {
    /// Which one.
    pub step: Step,
    /// Whether it panicked, rather than to return an error.
    pub panicked: bool,
    /// The error, or the message of the panic.
    #[source]
    #[diagnostic_source]
    pub cause: Error,
}

standin_error::reportable!(StepFailure);

impl StepFailure {
    pub(crate) fn returned(step: Step, error: Error) -> Self {
        Self {
            step,
            panicked: false,
            cause: error,
        }
    }

    pub(crate) fn panicked(step: Step, payload: &(dyn Any + Send)) -> Self {
        Self {
            step,
            panicked: true,
            cause: Error::msg(panic_message(payload)),
        }
    }
}

/// What a panic said.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a value other than a text".to_owned())
}

/// A wait that came to its end without what it waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Overdue {
    /// How long it was waited.
    pub elapsed: Duration,
    /// How long it could have taken.
    pub limit: Duration,
    /// How often it was checked.
    pub checks: u32,
    /// What was missing at the last check.
    pub last: Option<String>,
}

impl fmt::Display for Overdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checks = if self.checks == 1 { "check" } else { "checks" };
        write!(
            f,
            "{:.3?} (limit {:?}, {} {checks})",
            self.elapsed, self.limit, self.checks
        )?;
        match self.last.as_deref() {
            None | Some("") => Ok(()),
            Some(last) => write!(f, ": {last}"),
        }
    }
}

/// What an error shows below its message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence(pub Vec<String>);

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.0.iter().flat_map(|text| text.lines()) {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

/// Why a resource did not start. It is down again, and may be started anew,
/// unless it was aborted.
#[derive(Clone, Error, Diagnostic)]
#[non_exhaustive]
pub enum StartError {
    /// It is paused, say, or about to stop.
    #[error("{entity} cannot be started")]
    #[diagnostic(code(standin::entity::start_illegal), help("{}", way_to_start(source)))]
    Illegal {
        /// The resource.
        entity: String,
        /// From which status to which.
        source: IllegalTransition,
    },
    /// It was aborted, before the start or during it.
    #[error("{entity} was aborted and does not start")]
    #[diagnostic(
        code(standin::entity::start_aborted),
        help("an abort is final: make a new one to start again")
    )]
    Aborted {
        /// The resource.
        entity: String,
    },
    /// Another thread stopped it while it started.
    #[error("{entity} was stopped while it started")]
    #[diagnostic(
        code(standin::entity::start_interrupted),
        help("it can be started again; see who calls `stop` meanwhile")
    )]
    Interrupted {
        /// The resource.
        entity: String,
    },
    /// A step or a hook failed.
    #[error("{entity} did not start: {failure}{evidence}")]
    #[diagnostic(code(standin::entity::start_failed))]
    Step {
        /// The resource.
        entity: String,
        /// What failed.
        failure: StepFailure,
        /// The error of the step.
        #[source]
        #[diagnostic_source]
        cause: Error,
        /// What [`Steps::describe_failure`](crate::Steps::describe_failure) told.
        evidence: Evidence,
        /// What failed of the stop steps that cleaned up.
        #[related]
        cleanup: Vec<StepFailure>,
    },
    /// It was not ready in time.
    #[error("{entity} was not ready after {overdue}{evidence}")]
    #[diagnostic(
        code(standin::entity::start_timeout),
        help("look for why it is not ready, or raise its `timeout` (now {:?})", overdue.limit)
    )]
    Timeout {
        /// The resource.
        entity: String,
        /// For how long, and what was missing.
        overdue: Box<Overdue>,
        /// What [`Steps::describe_failure`](crate::Steps::describe_failure) told.
        evidence: Evidence,
        /// What failed of the stop steps that cleaned up.
        #[related]
        cleanup: Vec<StepFailure>,
    },
    /// Another thread is busy starting it, for longer than a start may take.
    #[error("{entity} is being started by another thread, which has not finished after {overdue}")]
    #[diagnostic(
        code(standin::entity::start_busy),
        help("a step of it blocks; `abort` is what can end that")
    )]
    Busy {
        /// The resource.
        entity: String,
        /// For how long.
        overdue: Box<Overdue>,
    },
}

standin_error::reportable!(StartError);

impl StartError {
    pub(crate) fn step(entity: String, failure: StepFailure, evidence: Vec<String>) -> Self {
        let cause = failure.cause.clone();
        Self::Step {
            entity,
            failure,
            cause,
            evidence: Evidence(evidence),
            cleanup: Vec::new(),
        }
    }

    pub(crate) fn with_cleanup(mut self, failures: Vec<StepFailure>) -> Self {
        if let Self::Step { cleanup, .. } | Self::Timeout { cleanup, .. } = &mut self {
            *cleanup = failures;
        }
        self
    }

    /// The resource that did not start, as `kind[name]`.
    #[must_use]
    pub fn entity(&self) -> &str {
        match self {
            Self::Illegal { entity, .. }
            | Self::Aborted { entity }
            | Self::Interrupted { entity }
            | Self::Step { entity, .. }
            | Self::Timeout { entity, .. }
            | Self::Busy { entity, .. } => entity,
        }
    }
}

fn way_to_start(illegal: &IllegalTransition) -> &'static str {
    match illegal.from {
        "PAUSED" => "it is paused: `resume` it, or `stop` it first",
        "STOPPING" => "it is stopping: wait for `Stopped` first",
        _ => "`stop` it first",
    }
}

/// What was wrong with a stop. The resource is `Stopped` all the same, except
/// where a variant says otherwise.
#[derive(Clone, Error, Diagnostic)]
#[non_exhaustive]
pub enum StopError {
    /// It is on its way into or out of a pause; the status stays.
    #[error("{entity} cannot be stopped")]
    #[diagnostic(
        code(standin::entity::stop_illegal),
        help("wait until it is paused or started, or `force_stop` it")
    )]
    Illegal {
        /// The resource.
        entity: String,
        /// From which status to which.
        source: IllegalTransition,
    },
    /// Steps or hooks failed; the others ran.
    #[error("{entity} did not stop cleanly: {failure}{evidence}")]
    #[diagnostic(code(standin::entity::stop_failed))]
    Step {
        /// The resource.
        entity: String,
        /// What failed first.
        failure: StepFailure,
        /// The error of that step.
        #[source]
        #[diagnostic_source]
        cause: Error,
        /// What [`Steps::describe_failure`](crate::Steps::describe_failure) told.
        evidence: Evidence,
        /// What failed after it.
        #[related]
        further: Vec<StepFailure>,
    },
    /// It was not down in time; the rest of the stop ran.
    #[error("{entity} was not down after {overdue}{evidence}")]
    #[diagnostic(
        code(standin::entity::stop_timeout),
        help("look for why it does not end, or raise its `timeout` (now {:?})", overdue.limit)
    )]
    Timeout {
        /// The resource.
        entity: String,
        /// For how long, and what was missing.
        overdue: Box<Overdue>,
        /// What [`Steps::describe_failure`](crate::Steps::describe_failure) told.
        evidence: Evidence,
        /// What else failed.
        #[related]
        further: Vec<StepFailure>,
    },
    /// An abort ended the wait for it to be down; the rest of the stop ran.
    #[error("{entity} was aborted while it stopped")]
    #[diagnostic(
        code(standin::entity::stop_aborted),
        help("`aborting` has taken over; there is nothing to be done")
    )]
    Aborted {
        /// The resource.
        entity: String,
        /// What else failed.
        #[related]
        further: Vec<StepFailure>,
    },
    /// Another thread is in a step that does not return. It is `Stopping`; that
    /// thread stops it as soon as the step has returned.
    #[error("{entity} is busy in another thread, which has not finished after {overdue}")]
    #[diagnostic(
        code(standin::entity::stop_busy),
        help("a step of it blocks; `abort` is what can end that")
    )]
    Busy {
        /// The resource.
        entity: String,
        /// For how long.
        overdue: Box<Overdue>,
    },
}

standin_error::reportable!(StopError);

impl StopError {
    /// The resource that did not stop well, as `kind[name]`.
    #[must_use]
    pub fn entity(&self) -> &str {
        match self {
            Self::Illegal { entity, .. }
            | Self::Step { entity, .. }
            | Self::Timeout { entity, .. }
            | Self::Aborted { entity, .. }
            | Self::Busy { entity, .. } => entity,
        }
    }
}

/// Why a wait for a status ended without it.
#[derive(Clone, Error, Diagnostic)]
#[non_exhaustive]
pub enum WaitError {
    /// Time is up; what was under way still is.
    #[error("{entity} was {status} and not {target} after {overdue}")]
    #[diagnostic(
        code(standin::entity::wait_timeout),
        help("wait longer, or look for why it stays {status}")
    )]
    Timeout {
        /// The resource.
        entity: String,
        /// The status that was waited for.
        target: Status,
        /// Its status at the end.
        status: Status,
        /// For how long, and what was missing.
        overdue: Box<Overdue>,
    },
    /// No waiting can help.
    #[error("{entity} is {status} and does not become {target}")]
    #[diagnostic(code(standin::entity::wait_unreachable), help("{}", way_to_reach(*status, *target)))]
    Unreachable {
        /// The resource.
        entity: String,
        /// The status that was waited for.
        target: Status,
        /// Its status.
        status: Status,
    },
    /// An abort ended the wait.
    #[error("{entity} was aborted while waiting for {target}")]
    #[diagnostic(
        code(standin::entity::wait_aborted),
        help("an abort is final; only `Stopped` can still be reached, by `stop`")
    )]
    Aborted {
        /// The resource.
        entity: String,
        /// The status that was waited for.
        target: Status,
    },
    /// The settings could not be had.
    #[error("cannot wait for {entity}: {failure}")]
    #[diagnostic(code(standin::entity::wait_failed))]
    Step {
        /// The resource.
        entity: String,
        /// What failed.
        failure: StepFailure,
        /// The error of that step.
        #[source]
        #[diagnostic_source]
        cause: Error,
    },
    /// The start that was waited for failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Start(#[from] StartError),
    /// The stop that was waited for failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Stop(#[from] StopError),
}

standin_error::reportable!(WaitError { Start, Stop });

impl WaitError {
    /// The resource that was waited for, as `kind[name]`.
    #[must_use]
    pub fn entity(&self) -> &str {
        match self {
            Self::Timeout { entity, .. }
            | Self::Unreachable { entity, .. }
            | Self::Aborted { entity, .. }
            | Self::Step { entity, .. } => entity,
            Self::Start(error) => error.entity(),
            Self::Stop(error) => error.entity(),
        }
    }
}

fn way_to_reach(status: Status, target: Status) -> String {
    match status {
        Status::None => "it has never been started: call `start` first".to_owned(),
        Status::Stopped => "it is down: call `start` first".to_owned(),
        _ => format!("from {status} it takes a stop and another start to become {target}"),
    }
}

/// Why a resource was not paused or resumed. The status is what it was before.
#[derive(Clone, Error, Diagnostic)]
#[non_exhaustive]
pub enum PauseError {
    /// It is not `Started` (to be paused) or not `Paused` (to be resumed).
    #[error("{entity} cannot be {}", if *resuming { "resumed" } else { "paused" })]
    #[diagnostic(
        code(standin::entity::pause_illegal),
        help("only what is started can be paused, and only what is paused can be resumed")
    )]
    Illegal {
        /// The resource.
        entity: String,
        /// Whether it was to be resumed.
        resuming: bool,
        /// From which status to which.
        source: IllegalTransition,
    },
    /// The step failed.
    #[error("{entity} was not {}: {failure}", if *resuming { "resumed" } else { "paused" })]
    #[diagnostic(code(standin::entity::pause_failed))]
    Step {
        /// The resource.
        entity: String,
        /// Whether it was to be resumed.
        resuming: bool,
        /// What failed.
        failure: StepFailure,
        /// The error of that step.
        #[source]
        #[diagnostic_source]
        cause: Error,
    },
    /// Another thread is in a step that does not return.
    #[error("{entity} is busy in another thread, which has not finished after {overdue}")]
    #[diagnostic(
        code(standin::entity::pause_busy),
        help("a step of it blocks; `abort` is what can end that")
    )]
    Busy {
        /// The resource.
        entity: String,
        /// For how long.
        overdue: Box<Overdue>,
    },
}

standin_error::reportable!(PauseError);

/// Which half of a restart failed.
#[derive(Clone, Error, Diagnostic)]
#[non_exhaustive]
pub enum RestartError {
    /// It did not stop well, and was not started again.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Stop(#[from] StopError),
    /// It stopped, and did not start again.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Start(#[from] StartError),
    /// Waiting for one of both failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Wait(WaitError),
}

standin_error::reportable!(RestartError { Stop, Start, Wait });

impl From<WaitError> for RestartError {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::Start(error) => Self::Start(error),
            WaitError::Stop(error) => Self::Stop(error),
            other => Self::Wait(other),
        }
    }
}

/// What was wrong with an abort. The resource is aborted all the same.
#[derive(Clone, Error, Diagnostic)]
#[error("{entity} was not aborted cleanly")]
#[diagnostic(code(standin::entity::abort_failed))]
#[non_exhaustive]
pub struct AbortError {
    /// The resource.
    pub entity: String,
    /// What failed, of its dependencies and of itself.
    #[related]
    pub failures: Vec<StepFailure>,
}

standin_error::reportable!(AbortError);
