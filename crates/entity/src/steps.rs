//! The steps of a resource's lifecycle.

use std::fmt;
use std::time::Duration;

use crate::interval::CheckInterval;
use standin_error::Result;

/// The answer of a readiness check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// Ready (or, for a stop, down).
    Ready,
    /// Not yet; the text describes what is missing and is shown by a timeout.
    NotYet(String),
}

impl Check {
    /// Not yet, because of `reason`.
    pub fn not_yet(reason: impl Into<String>) -> Self {
        Self::NotYet(reason.into())
    }
}

impl From<bool> for Check {
    fn from(ready: bool) -> Self {
        if ready {
            Self::Ready
        } else {
            Self::NotYet(String::new())
        }
    }
}

/// Where a user's hook is called: after the step of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HookPoint {
    /// Before the resource starts; its runpath exists.
    PreStart,
    /// After it became `Started`.
    PostStart,
    /// Before it stops; it is still usable.
    PreStop,
    /// After it became `Stopped`.
    PostStop,
}

impl HookPoint {
    /// Returns the name as users write it: `pre_start`, ...
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PreStart => "pre_start",
            Self::PostStart => "post_start",
            Self::PreStop => "pre_stop",
            Self::PostStop => "post_stop",
        }
    }
}

impl fmt::Display for HookPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One thing that the engine calls; errors name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Reading the options of the entity.
    Options,
    /// [`Steps::pre_start`].
    PreStart,
    /// [`Steps::starting`].
    Starting,
    /// [`Steps::started_check`].
    StartedCheck,
    /// [`Steps::post_start`].
    PostStart,
    /// [`Steps::pre_stop`].
    PreStop,
    /// [`Steps::verify`].
    Verify,
    /// [`Steps::stopping`].
    Stopping,
    /// [`Steps::stopped_check`].
    StoppedCheck,
    /// [`Steps::post_stop`].
    PostStop,
    /// [`Steps::aborting`].
    Aborting,
    /// [`Steps::pausing`].
    Pausing,
    /// [`Steps::resuming`].
    Resuming,
    /// [`Steps::hook`].
    Hook(HookPoint),
}

impl Step {
    /// The steps of which one runs at a time.
    pub(crate) const EXCLUSIVE: [Self; 15] = [
        Self::PreStart,
        Self::Hook(HookPoint::PreStart),
        Self::Starting,
        Self::StartedCheck,
        Self::PostStart,
        Self::Hook(HookPoint::PostStart),
        Self::PreStop,
        Self::Hook(HookPoint::PreStop),
        Self::Verify,
        Self::Stopping,
        Self::StoppedCheck,
        Self::PostStop,
        Self::Hook(HookPoint::PostStop),
        Self::Pausing,
        Self::Resuming,
    ];
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Options => return f.write_str("reading its options"),
            Self::PreStart => "pre_start",
            Self::Starting => "starting",
            Self::StartedCheck => "started_check",
            Self::PostStart => "post_start",
            Self::PreStop => "pre_stop",
            Self::Verify => "verify",
            Self::Stopping => "stopping",
            Self::StoppedCheck => "stopped_check",
            Self::PostStop => "post_stop",
            Self::Aborting => "aborting",
            Self::Pausing => "pausing",
            Self::Resuming => "resuming",
            Self::Hook(point) => return write!(f, "the {point} hook"),
        };
        write!(f, "`{name}`")
    }
}

/// The steps of a resource's lifecycle. The default of every step does nothing, or is ready at
/// once.
///
/// The engine calls them in this order, the status as given:
///
/// 1. start: `pre_start`, hook `pre_start`, `starting`, `started_check` until
///    it is ready (all `Starting`); `post_start`, hook `post_start` (`Started`);
/// 2. stop: `pre_stop`, hook `pre_stop`, `verify`, `stopping`, `stopped_check` until
///    it is ready (all `Stopping`); `post_stop`, hook `post_stop` (`Stopped`);
/// 3. pause: `pausing` (`Pausing`); resume: `resuming` (`Resuming`);
/// 4. abort: `aborting`, in any status and during any other step.
///
/// The limits are options of the entity ([`ResourceConfig`](crate::ResourceConfig)), which each
/// operation reads when it begins.
///
/// At most one step runs at a time, except `aborting`, which ends steps that block. No lock is held
/// while a step runs. A step that panics has failed, with the panic's message.
pub trait Steps: Send + Sync {
    /// Prepares the start: makes directories, installs files.
    ///
    /// # Errors
    ///
    /// Returns an error to end the start; no stop steps run, as nothing was started.
    fn pre_start(&self) -> Result<()> {
        Ok(())
    }

    /// Starts the resource, and need not wait until it is ready.
    ///
    /// # Errors
    ///
    /// Returns an error to end the start; the stop steps clean up.
    fn starting(&self) -> Result<()> {
        Ok(())
    }

    /// Whether the resource is ready. Called again at each
    /// [`notify`](crate::Resource::notify), after each interval and once at
    /// the deadline.
    ///
    /// # Errors
    ///
    /// Returns an error for a condition that waiting cannot fix, such as a process that has exited:
    /// it ends the start.
    fn started_check(&self) -> Result<Check> {
        Ok(Check::Ready)
    }

    /// Completes the start, once the resource is `Started`.
    ///
    /// # Errors
    ///
    /// Returns an error to fail the start; the stop steps run.
    fn post_start(&self) -> Result<()> {
        Ok(())
    }

    /// Prepares the stop.
    ///
    /// # Errors
    ///
    /// Returns an error that the stop reports. It continues: what is up has to come down.
    fn pre_stop(&self) -> Result<()> {
        Ok(())
    }

    /// Checks that everything the test expects of the resource has happened: runs at the end of its
    /// use, before `stopping`. Not called to clean up after a failed start.
    ///
    /// # Errors
    ///
    /// Returns an error that the stop reports. It continues.
    fn verify(&self) -> Result<()> {
        Ok(())
    }

    /// Stops the resource, and need not wait until it is down. Also called
    /// after a `starting` that failed halfway, so it must cope with what is
    /// not there.
    ///
    /// # Errors
    ///
    /// Returns an error that the stop reports. It continues without `stopped_check`.
    fn stopping(&self) -> Result<()> {
        Ok(())
    }

    /// Whether the resource is down.
    ///
    /// # Errors
    ///
    /// Returns an error that the stop reports. It continues.
    fn stopped_check(&self) -> Result<Check> {
        Ok(Check::Ready)
    }

    /// Completes the stop, once the resource is `Stopped`.
    ///
    /// # Errors
    ///
    /// Returns an error that the stop reports.
    fn post_stop(&self) -> Result<()> {
        Ok(())
    }

    /// Ends everything at once: ends what blocks, closes what is open. May run at the same time as
    /// another step, in another thread.
    ///
    /// # Errors
    ///
    /// Returns an error that the abort reports; the resource counts as aborted anyway.
    fn aborting(&self) -> Result<()> {
        Ok(())
    }

    /// Pauses the resource.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot pause; the resource stays `Started`.
    fn pausing(&self) -> Result<()> {
        Ok(())
    }

    /// Resumes the resource.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot resume; the resource stays `Paused`.
    fn resuming(&self) -> Result<()> {
        Ok(())
    }

    /// Runs the user's hook, if there is one for `point`.
    ///
    /// # Errors
    ///
    /// Returns an error with the effect that one of the step of that name has.
    fn hook(&self, point: HookPoint) -> Result<()> {
        let _ = point;
        Ok(())
    }

    /// Evidence for the error of a start or a stop that failed: the last lines
    /// of logs, the output of a process. Asked before anything is cleaned up.
    fn describe_failure(&self) -> Vec<String> {
        Vec::new()
    }

    /// Returns why the resource was [interrupted](crate::Resource::interrupt), on separate lines,
    /// for the errors of what that has ended.
    fn interruption(&self) -> String {
        "the test has failed elsewhere".to_owned()
    }

    /// Returns the time between two calls of `started_check` without a notification. By default
    /// growing from 10 ms to 200 ms.
    fn started_check_interval(&self) -> CheckInterval {
        CheckInterval::default()
    }

    /// Time between two calls of `stopped_check`, as above.
    fn stopped_check_interval(&self) -> CheckInterval {
        CheckInterval::default()
    }

    /// Returns the extra time of a stop beyond the option `stop_limit` or `timeout`, for resources
    /// that force themselves down after a while. By default zero.
    fn stop_grace(&self) -> Duration {
        Duration::ZERO
    }
}
