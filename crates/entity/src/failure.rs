//! The errors of a resource's lifecycle: one for each operation.

use std::fmt;

use miette::Diagnostic;
use thiserror::Error;

use crate::incident::{Evidence, Limit, Overdue, StepFailure, Subject, broken};
use crate::status::{IllegalTransition, Status};
use crate::steps::{HookPoint, Step};
use standin_error::{Error, Reportable, several};

/// Why a resource did not start. It is down again, and may be started again,
/// unless it was aborted.
#[derive(Clone, Error, Diagnostic)]
#[non_exhaustive]
pub enum StartError {
    /// It is paused or about to stop, for example.
    #[error("{entity} cannot be started")]
    #[diagnostic(code(standin::entity::start_illegal), help("{}", way_to_start(source)))]
    Illegal {
        /// The resource.
        entity: Subject,
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
        entity: Subject,
    },
    /// Another thread stopped it while it started.
    #[error("{entity} was stopped while it started")]
    #[diagnostic(
        code(standin::entity::start_stopped),
        help("it can be started again; find out what calls `stop` during the start")
    )]
    Stopped {
        /// The resource.
        entity: Subject,
    },
    /// The test has failed elsewhere, so that nothing starts until its stop.
    #[error("{entity} was not started\n{reason}")]
    #[diagnostic(
        code(standin::entity::start_interrupted),
        help("fix what failed the test first")
    )]
    Interrupted {
        /// The resource.
        entity: Subject,
        /// What is known about that, on separate lines.
        reason: String,
    },
    /// A step or a hook failed.
    #[error("{entity} {}{evidence}", not_started(*step, *panicked))]
    #[diagnostic(code(standin::entity::start_failed))]
    Step {
        /// The resource.
        entity: Subject,
        /// The step that failed.
        step: Step,
        /// Whether it panicked, rather than to return an error.
        panicked: bool,
        /// The error of the step, or the message of the panic.
        #[source]
        #[diagnostic_source]
        cause: Error,
        /// The result of [`Steps::describe_failure`](crate::Steps::describe_failure).
        evidence: Evidence,
        /// The failures of the stop steps that cleaned up.
        #[related]
        cleanup: Vec<StepFailure>,
    },
    /// It was not ready in time.
    #[error("{entity} was not ready {overdue}{evidence}")]
    #[diagnostic(
        code(standin::entity::start_timeout),
        help("find out why it is not ready, or raise its {limit}")
    )]
    Timeout {
        /// The resource.
        entity: Subject,
        /// For how long, and what was missing.
        overdue: Box<Overdue>,
        /// How long it may take.
        limit: Limit,
        /// The result of [`Steps::describe_failure`](crate::Steps::describe_failure).
        evidence: Evidence,
        /// The failures of the stop steps that cleaned up.
        #[related]
        cleanup: Vec<StepFailure>,
    },
    /// Another thread is busy starting it, for longer than a start may take.
    #[error("{entity} is being started by another thread, which has not finished {overdue}")]
    #[diagnostic(
        code(standin::entity::start_busy),
        help("one of its steps blocks; `abort` can end that")
    )]
    Busy {
        /// The resource.
        entity: Subject,
        /// For how long.
        overdue: Box<Overdue>,
    },
}

standin_error::reportable!(StartError, parts = StartError::parts);

impl StartError {
    fn parts(&self) -> Vec<&(dyn Reportable + 'static)> {
        match self {
            Self::Step { cleanup, .. } | Self::Timeout { cleanup, .. } => {
                cleanup.iter().map(|failure| failure as _).collect()
            }
            _ => Vec::new(),
        }
    }

    pub(crate) fn step(entity: Subject, failure: StepFailure, evidence: Vec<String>) -> Self {
        let StepFailure {
            step,
            panicked,
            cause,
        } = failure;
        Self::Step {
            entity,
            step,
            panicked,
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

    /// Returns the resource that did not start, as reports call it: `kind[name]`.
    #[must_use]
    pub fn entity(&self) -> &str {
        &self.subject().entity
    }

    /// Returns the name of the driver in its environment.
    #[must_use]
    pub fn driver(&self) -> &str {
        self.subject().name()
    }

    /// Returns the resource, as the message names it.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        match self {
            Self::Illegal { entity, .. }
            | Self::Aborted { entity }
            | Self::Stopped { entity }
            | Self::Interrupted { entity, .. }
            | Self::Step { entity, .. }
            | Self::Timeout { entity, .. }
            | Self::Busy { entity, .. } => entity,
        }
    }
}

/// The outcome of a start in which a step failed.
fn not_started(step: Step, panicked: bool) -> String {
    let broken = broken(step, panicked);
    match step {
        Step::Options | Step::Starting if !panicked => "could not be started".to_owned(),
        Step::PreStart if !panicked => "could not be prepared for its start".to_owned(),
        Step::StartedCheck if !panicked => "did not become ready".to_owned(),
        Step::PostStart | Step::Hook(HookPoint::PostStart) => {
            format!("was started and is down again, because {broken}")
        }
        _ => format!("could not be started, because {broken}"),
    }
}

/// The outcome of a stop in which a step failed.
fn not_stopped(step: Step, panicked: bool) -> String {
    match step {
        Step::Stopping if !panicked => "could not be stopped cleanly".to_owned(),
        Step::Verify if !panicked => "was not used as the test expects".to_owned(),
        _ => format!("did not stop cleanly, because {}", broken(step, panicked)),
    }
}

fn way_to_start(illegal: &IllegalTransition) -> &'static str {
    match illegal.from {
        Status::Paused => "it is paused: `resume` it, or `stop` it first",
        Status::Stopping => "it is stopping: wait for `Stopped` first",
        _ => "`stop` it first",
    }
}

/// Why a stop failed. The resource is `Stopped` anyway, except where a variant documents another
/// status.
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
        entity: Subject,
        /// From which status to which.
        source: IllegalTransition,
    },
    /// Steps or hooks failed; the others ran.
    #[error("{entity} {}{evidence}", not_stopped(*step, *panicked))]
    #[diagnostic(code(standin::entity::stop_failed))]
    Step {
        /// The resource.
        entity: Subject,
        /// The step that failed first.
        step: Step,
        /// Whether it panicked, rather than to return an error.
        panicked: bool,
        /// The error of that step, or the message of the panic.
        #[source]
        #[diagnostic_source]
        cause: Error,
        /// The result of [`Steps::describe_failure`](crate::Steps::describe_failure).
        evidence: Evidence,
        /// Later failures.
        #[related]
        further: Vec<StepFailure>,
    },
    /// It was not down in time; the rest of the stop ran.
    #[error("{entity} was not down {overdue}{evidence}")]
    #[diagnostic(
        code(standin::entity::stop_timeout),
        help("find out why it does not stop, or raise its {limit}")
    )]
    Timeout {
        /// The resource.
        entity: Subject,
        /// For how long, and what was missing.
        overdue: Box<Overdue>,
        /// How long it may take.
        limit: Limit,
        /// The result of [`Steps::describe_failure`](crate::Steps::describe_failure).
        evidence: Evidence,
        /// Other failures.
        #[related]
        further: Vec<StepFailure>,
    },
    /// An abort ended the wait for it to be down; the rest of the stop ran.
    #[error("{entity} was aborted while it stopped")]
    #[diagnostic(
        code(standin::entity::stop_aborted),
        help("`aborting` has taken over; nothing needs to be done")
    )]
    Aborted {
        /// The resource.
        entity: Subject,
        /// Other failures.
        #[related]
        further: Vec<StepFailure>,
    },
    /// Another thread is in a step that does not return. It is `Stopping`; that
    /// thread stops it as soon as the step has returned.
    #[error("{entity} is busy in another thread, which has not finished {overdue}")]
    #[diagnostic(
        code(standin::entity::stop_busy),
        help("one of its steps blocks; `abort` can end that")
    )]
    Busy {
        /// The resource.
        entity: Subject,
        /// For how long.
        overdue: Box<Overdue>,
    },
}

standin_error::reportable!(StopError, parts = StopError::parts);

impl StopError {
    fn parts(&self) -> Vec<&(dyn Reportable + 'static)> {
        match self {
            Self::Step { further, .. }
            | Self::Timeout { further, .. }
            | Self::Aborted { further, .. } => further.iter().map(|failure| failure as _).collect(),
            _ => Vec::new(),
        }
    }

    /// Returns the resource that did not stop well, as reports call it: `kind[name]`.
    #[must_use]
    pub fn entity(&self) -> &str {
        &self.subject().entity
    }

    /// Returns the name of the driver in its environment.
    #[must_use]
    pub fn driver(&self) -> &str {
        self.subject().name()
    }

    /// Returns the resource, as the message names it.
    #[must_use]
    pub fn subject(&self) -> &Subject {
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
    #[error("{entity} was {status} and not {target} {overdue}")]
    #[diagnostic(
        code(standin::entity::wait_timeout),
        help("wait longer, or find out why it stays {status}")
    )]
    Timeout {
        /// The resource.
        entity: Subject,
        /// The awaited status.
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
        entity: Subject,
        /// The awaited status.
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
        entity: Subject,
        /// The awaited status.
        target: Status,
    },
    /// The test has failed elsewhere, so that all waits end.
    #[error("stopped waiting for {entity} to be {target}\n{reason}")]
    #[diagnostic(
        code(standin::entity::wait_interrupted),
        help("fix what failed the test first")
    )]
    Interrupted {
        /// The resource.
        entity: Subject,
        /// The awaited status.
        target: Status,
        /// What is known about that, on separate lines.
        reason: String,
    },
    /// Its options have no value.
    #[error("cannot wait for {entity}: its options cannot be read")]
    #[diagnostic(code(standin::entity::wait_failed))]
    Step {
        /// The resource.
        entity: Subject,
        /// What is wrong with them.
        #[source]
        #[diagnostic_source]
        cause: Error,
    },
    /// The awaited start failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Start(#[from] StartError),
    /// The awaited stop failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Stop(#[from] StopError),
}

standin_error::reportable!(WaitError { Start, Stop });

impl WaitError {
    /// Returns the awaited resource, as in reports: `kind[name]`.
    #[must_use]
    pub fn entity(&self) -> &str {
        &self.subject().entity
    }

    /// Returns the name of the driver in its environment.
    #[must_use]
    pub fn driver(&self) -> &str {
        self.subject().name()
    }

    /// Returns the resource, as the message names it.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        match self {
            Self::Timeout { entity, .. }
            | Self::Unreachable { entity, .. }
            | Self::Aborted { entity, .. }
            | Self::Interrupted { entity, .. }
            | Self::Step { entity, .. } => entity,
            Self::Start(error) => error.subject(),
            Self::Stop(error) => error.subject(),
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
        entity: Subject,
        /// Whether it was to be resumed.
        resuming: bool,
        /// From which status to which.
        source: IllegalTransition,
    },
    /// The step failed.
    #[error(
        "{entity} could not be {}{}",
        if *resuming { "resumed" } else { "paused" },
        if *panicked { ": its step panicked" } else { "" }
    )]
    #[diagnostic(code(standin::entity::pause_failed))]
    Step {
        /// The resource.
        entity: Subject,
        /// Whether it was to be resumed.
        resuming: bool,
        /// Whether the step panicked, rather than to return an error.
        panicked: bool,
        /// The error of the step, or the message of the panic.
        #[source]
        #[diagnostic_source]
        cause: Error,
    },
    /// An abort ended the wait for another thread.
    #[error("{entity} was aborted before it was {}", if *resuming { "resumed" } else { "paused" })]
    #[diagnostic(
        code(standin::entity::pause_aborted),
        help("an abort is final; it can only be stopped now")
    )]
    Aborted {
        /// The resource.
        entity: Subject,
        /// Whether it was to be resumed.
        resuming: bool,
    },
    /// The test has failed elsewhere, which ended the wait for another thread.
    #[error("{entity} was not {}\n{reason}", if *resuming { "resumed" } else { "paused" })]
    #[diagnostic(
        code(standin::entity::pause_interrupted),
        help("fix what failed the test first")
    )]
    Interrupted {
        /// The resource.
        entity: Subject,
        /// Whether it was to be resumed.
        resuming: bool,
        /// What is known about that, on separate lines.
        reason: String,
    },
    /// Another thread is in a step that does not return.
    #[error("{entity} is busy in another thread, which has not finished {overdue}")]
    #[diagnostic(
        code(standin::entity::pause_busy),
        help("one of its steps blocks; `abort` can end that")
    )]
    Busy {
        /// The resource.
        entity: Subject,
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

/// Why an abort failed. The resource is aborted anyway.
#[derive(Clone)]
#[non_exhaustive]
pub struct AbortError {
    /// The resource.
    pub entity: Subject,
    /// The failures.
    pub failures: Vec<StepFailure>,
}

standin_error::reportable!(AbortError, parts = AbortError::parts);

impl AbortError {
    fn parts(&self) -> Vec<&(dyn Reportable + 'static)> {
        several::parts(&self.failures)
    }
}

impl fmt::Display for AbortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = format_args!("{} was not aborted cleanly: ", self.entity);
        several::write(&self.failures, f, before, "steps failed")
    }
}

impl std::error::Error for AbortError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        several::source(&self.failures)
    }
}

impl Diagnostic for AbortError {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new("standin::entity::abort_failed"))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        several::related(&self.failures)
    }

    fn diagnostic_source(&self) -> Option<&dyn Diagnostic> {
        several::diagnostic_source(&self.failures)
    }
}
