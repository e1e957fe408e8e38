//! The parts of errors of a resource's lifecycle: the subject, the failed step, the awaited
//! condition, and the evidence.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use miette::Diagnostic;
use standin_error::Error as AnyError;
use standin_error::text::{Count, Span};
use thiserror::Error;

use crate::steps::Step;

/// The subject of an error. It displays as `driver "client"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// As reports call it: `kind[name]`.
    pub(crate) entity: String,
    /// The noun: `driver`, or the kind of another entity.
    pub(crate) what: String,
    /// The name, for a driver its name in the environment.
    pub(crate) name: String,
}

impl Subject {
    /// Returns the name, for a driver its name in the environment.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} \"{}\"", self.what, self.name)
    }
}

/// A step that failed or panicked.
#[derive(Clone, Error, Diagnostic)]
#[error("{}", broken(*step, *panicked))]
#[non_exhaustive]
pub struct StepFailure {
    /// Which one.
    pub step: Step,
    /// Whether it panicked, rather than to return an error.
    pub panicked: bool,
    /// The error, or the message of the panic.
    #[source]
    #[diagnostic_source]
    pub cause: AnyError,
}

standin_error::reportable!(StepFailure);

impl StepFailure {
    pub(crate) fn returned(step: Step, error: AnyError) -> Self {
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
            cause: AnyError::msg(panic_message(payload)),
        }
    }
}

/// The message of a panic.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a value other than a text".to_owned())
}

/// How long a start or a stop may take, and the option that sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limit {
    /// The name of the option.
    pub option: &'static str,
    /// The value of the option.
    pub value: Duration,
    /// The extra time of a stop: see [`Steps::stop_grace`](crate::Steps::stop_grace).
    pub grace: Duration,
}

impl Limit {
    /// Returns the whole time.
    #[must_use]
    pub fn total(self) -> Duration {
        self.value.saturating_add(self.grace)
    }
}

/// `` `timeout` (now 1m) ``, or `` `timeout` (now 1m, to which a grace of 5s is added) ``.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (now {}", self.option, Span(self.value))?;
        if !self.grace.is_zero() {
            write!(f, ", to which a grace of {} is added", Span(self.grace))?;
        }
        f.write_str(")")
    }
}

/// A wait that ended without success.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Overdue {
    /// How long the wait took.
    pub elapsed: Duration,
    /// How long it could have taken.
    pub limit: Duration,
    /// How often it was checked.
    pub checks: u32,
    /// What was missing at the last check.
    pub last: Option<String>,
}

/// `after 5s (12 checks): the log does not say "ready"`.
impl fmt::Display for Overdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.limit.is_zero() {
            f.write_str("at once")?;
        } else {
            let elapsed = Span(self.elapsed).to_string();
            let limit = Span(self.limit).to_string();
            write!(f, "after {elapsed}")?;
            match (elapsed == limit, self.checks) {
                (true, 0) => {}
                (true, checks) => write!(f, " ({})", checked(checks))?,
                (false, 0) => write!(f, " (limit {limit})")?,
                (false, checks) => write!(f, " (limit {limit}, {})", checked(checks))?,
            }
        }
        match self.last.as_deref() {
            None | Some("") => Ok(()),
            Some(last) => write!(f, ": {last}"),
        }
    }
}

fn checked(checks: u32) -> Count {
    Count(usize::try_from(checks).unwrap_or(usize::MAX), "check")
}

/// The evidence that an error shows below its message.
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

/// What is wrong with a step: `its hook "pre_stop" failed`.
pub(crate) fn broken(step: Step, panicked: bool) -> String {
    let what = if panicked { "panicked" } else { "failed" };
    match step {
        Step::Options if !panicked => "its options cannot be read".to_owned(),
        Step::Hook(point) => format!("its hook `{point}` {what}"),
        Step::Verify if !panicked => "it was not used as the test expects".to_owned(),
        step => format!("its step {step} {what}"),
    }
}
