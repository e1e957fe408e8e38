use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::thread::{self, ThreadId};

use standin_entity::Error;
use standin_error::made_by_test;

use crate::afterwards::Keeper;
use crate::artifacts::Artifacts;
use crate::plan::Plan;
use crate::started::Started;
use crate::turn::Operation;
use crate::{Environment, EnvironmentConfig, EnvironmentError, EnvironmentView};

/// The drivers of an environment, started.
///
/// Dropping it stops them in reverse order, even during a panic. [`stop`](RunningEnvironment::stop)
/// does the same, reports failures, and marks the test as done.
///
/// # The files of the drivers
///
/// After a [`stop`](RunningEnvironment::stop) that returns `Ok` they are removed, unless the option
/// `runpath` or `keep_runpath` is set. A guard that is only dropped cannot know whether the test
/// has passed: a `?` drops it as well as its last line. So non-empty files are kept, until later
/// runs of the same test program.
///
/// If a driver was not [used as the test expects](standin_driver::Driver::verify), and nothing else
/// has failed, dropping the guard panics: the test would pass otherwise. The guard recognises a
/// test that returns an error by a [`standin_error::Error`] that `?` has created in the same
/// thread. To see the test's own error first in any case, use [`run`](RunningEnvironment::run).
///
/// If the guard is dropped by a panic, or after a failure (of a start, a stop, or an operation of a
/// driver), it prints to standard error where the files are, the status of each driver, what came
/// down by itself, and the last lines of the logs.
///
/// Environments that have this one as their parent are stopped before its own
/// drivers are.
///
/// # Several threads, and calls from hooks
///
/// Only one start or stop of an environment runs at a time. A call of `stop` from another thread
/// first ends a start in progress, whose drivers fail with
/// [`StartError::Stopped`](standin_entity::StartError::Stopped). Any other call waits for
/// its turn, up to the option `status_wait_timeout`, and then reports which hook or step of which
/// driver has not returned. A hook cannot be ended from outside; an abort does not wait for it.
///
/// No lock is held while code of yours runs: hooks, steps, readiness checks, what makes a
/// replacement. From there these calls are allowed:
///
/// | called from an operation of the environment | of itself or of one around it | of one that belongs to it | of any other |
/// | --- | --- | --- | --- |
/// | `start` | around it: yes; itself: an error | yes; during a stop an error | yes |
/// | `stop`, `restart` | an error | yes; `restart` during a stop an error | yes |
/// | dropping the guard | yes: it is stopped when the operation has ended | yes | yes |
/// | `abort`, everything that only looks | yes | yes | yes |
///
/// The errors are [`EnvironmentError::CalledFromWithin`], which names the hook and its driver,
/// and [`EnvironmentError::ParentStopped`]. Two threads that would wait for each other,
/// because the hooks of two environments stop each other, are noticed too: one of the two
/// calls gets the former.
#[must_use = "dropping it stops the environment at once; bind it to a name such as `env`"]
pub struct RunningEnvironment {
    view: EnvironmentView,
    running: Arc<Started>,
    /// The errors of the test before, and the thread that has made them.
    errors_before: (ThreadId, u64),
}

impl RunningEnvironment {
    pub(crate) fn launch(environment: &Environment) -> Result<Self, EnvironmentError> {
        let config: EnvironmentConfig = environment.options().resolve()?;
        let plan = Plan::new(environment, &config)?;
        let (members, failovers) = (&environment.members, &environment.failovers);
        let running = Started::new(members.clone(), failovers.clone(), plan, config);
        running.start(Operation::Start)?;
        let view = environment.view();
        Ok(RunningEnvironment {
            view,
            running,
            errors_before: (thread::current().id(), made_by_test()),
        })
    }

    /// Starts the drivers that are not started: those that were stopped
    /// meanwhile, or left out because of `auto_start`, which are only started
    /// by hand, excepted. Does nothing when all are up.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Environment::start`].
    pub fn start(&self) -> Result<(), EnvironmentError> {
        self.operations().start()
    }

    /// Stops the drivers in reverse order: a driver when all that depend on it
    /// are down. A failure does not keep the others up. Does nothing when all
    /// are down.
    ///
    /// # Errors
    ///
    /// Returns every failure. The drivers count as stopped anyway.
    pub fn stop(&self) -> Result<(), EnvironmentError> {
        self.operations().stop()
    }

    /// Stops the environment as [`stop`](RunningEnvironment::stop) does, and returns the files that
    /// explain a failure which was [noted](RunningEnvironment::note_failure), instead of naming
    /// them on the standard error.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`stop`](RunningEnvironment::stop).
    pub fn stop_for_artifacts(&self) -> Result<Artifacts, EnvironmentError> {
        self.operations().stop_for_artifacts()
    }

    /// Stops the drivers and starts them again.
    ///
    /// # Errors
    ///
    /// Returns an error if the stop or the start fails. Nothing is started after a stop that
    /// failed.
    pub fn restart(&self) -> Result<(), EnvironmentError> {
        self.operations().restart()
    }

    /// Runs `test` and stops the environment. The error of `test` comes first, and after it the
    /// failures of the drivers, such as a missing message.
    ///
    /// If a test ends with `?`, the guard is dropped without knowing its error, and the failures of
    /// the drivers may hide it. Here nothing is hidden.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use standin_environment::Environment;
    /// # use standin_tcp::TcpServer;
    /// # fn main() -> standin_entity::Result<()> {
    /// let mut env = Environment::new("greeting");
    /// let server = env.add(TcpServer::builder("server").build()?)?;
    /// env.start()?.run(|_| {
    ///     let peer = std::net::TcpStream::connect(("localhost", server.port().unwrap_or(0)))?;
    ///     server.accept_connection(Duration::from_secs(10))?;
    ///     # drop(peer);
    ///     Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the error of `test`, of the stop, or [`EnvironmentError::Test`] with both.
    #[track_caller]
    pub fn run<T>(
        self,
        test: impl FnOnce(&RunningEnvironment) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let outcome = test(&self);
        if outcome.is_err() {
            self.note_failure();
        }
        let stopped = self.stop();
        self.outcome_of(outcome, stopped)
    }

    /// Returns the result of a test with this `outcome`, whose environment was stopped.
    #[doc(hidden)]
    #[track_caller]
    pub fn outcome_of<T>(
        &self,
        outcome: Result<T, Error>,
        stopped: Result<(), EnvironmentError>,
    ) -> Result<T, Error> {
        match (outcome, stopped) {
            (Ok(value), Ok(())) => Ok(value),
            (Ok(_), Err(stop)) => Err(stop.into()),
            (Err(test), Ok(())) => Err(test),
            (Err(test), Err(stop)) => Err(EnvironmentError::Test {
                environment: self.name().to_owned(),
                test,
                stop: vec![stop],
            }
            .into()),
        }
    }

    /// Returns the control of the environment, for a thread of a layer above that does not have the
    /// guard. It acts for the thread that calls this.
    #[doc(hidden)]
    pub fn operations(&self) -> Operations {
        Operations {
            running: self.running.clone(),
            keeper: Keeper::here(),
        }
    }

    /// Declares that the test continues on this thread, though another one has started the drivers.
    #[doc(hidden)]
    pub fn belongs_to_this_thread(&mut self) {
        self.errors_before = (thread::current().id(), made_by_test());
    }

    /// Notes that the test has failed in a way that the guard cannot see: the recording and the
    /// files of the drivers are then kept, even if the stop succeeds. Examples are the `?` of an
    /// error of another type than [`Error`], or a program that uses the environment and fails.
    /// [`run`](RunningEnvironment::run) does this by itself.
    pub fn note_failure(&self) {
        self.running.note_failure();
    }

    /// Notes that the test has failed, as [`note_failure`](RunningEnvironment::note_failure) does,
    /// and writes the files that explain it at once, for callers that report the failure before the
    /// environment stops. The stop, and further calls, write them to the same place with later
    /// records.
    pub fn write_failure(&self) -> Artifacts {
        self.running.write_failure()
    }

    /// Ends everything at once: see [`AbortHandle::abort`](crate::AbortHandle::abort).
    pub fn abort(&self) {
        self.abort_handle().abort();
    }
}

/// Starts and stops an environment whose guard is elsewhere.
#[doc(hidden)]
#[derive(Clone)]
pub struct Operations {
    running: Arc<Started>,
    /// Of the thread of the test.
    keeper: Keeper,
}

impl Operations {
    /// See [`RunningEnvironment::start`].
    pub fn start(&self) -> Result<(), EnvironmentError> {
        self.running.start(Operation::Start)
    }

    /// See [`RunningEnvironment::stop`].
    pub fn stop(&self) -> Result<(), EnvironmentError> {
        self.keeper.during(|| self.running.stop(Operation::Stop))
    }

    /// See [`RunningEnvironment::stop_for_artifacts`].
    pub fn stop_for_artifacts(&self) -> Result<Artifacts, EnvironmentError> {
        self.keeper.during(|| self.running.stop_for_artifacts())
    }

    /// See [`RunningEnvironment::restart`].
    pub fn restart(&self) -> Result<(), EnvironmentError> {
        self.keeper
            .during(|| self.running.stop(Operation::Restart))?;
        self.running.start(Operation::Restart)
    }
}

impl fmt::Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.running.name();
        f.debug_tuple("Operations").field(&name).finish()
    }
}

/// A running environment dereferences to its view.
impl Deref for RunningEnvironment {
    type Target = EnvironmentView;

    fn deref(&self) -> &EnvironmentView {
        &self.view
    }
}

impl Drop for RunningEnvironment {
    fn drop(&mut self) {
        let (thread, before) = self.errors_before;
        // On its way out with an error of its own, the test has failed already.
        if thread == thread::current().id() && made_by_test() > before {
            self.running.members.note_error();
        }
        self.running.finish();
    }
}

impl fmt::Debug for RunningEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningEnvironment")
            .field("name", &self.name())
            .field("drivers", &self.members)
            .finish_non_exhaustive()
    }
}
