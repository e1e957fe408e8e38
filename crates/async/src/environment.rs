//! Environments.

use std::future::Future;

use standin_environment::{
    Artifacts, Environment, EnvironmentError, FailedStart, RunningEnvironment,
};
use standin_error::Error;

use crate::aside::aside;

/// How an environment starts.
///
/// Steps and hooks of drivers are code that may block, so a thread does what a start does, and the
/// task waits for it. A future that is dropped [aborts](standin_environment::AbortHandle::abort)
/// the environment, which ends the start, and waits for the thread to end: a hook that does not
/// return is left behind after a second.
pub trait EnvironmentAsync {
    /// Starts the drivers, as [`Environment::start`] does.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Environment::start`].
    fn start_async(self) -> impl Future<Output = Result<RunningEnvironment, EnvironmentError>>;

    /// Starts the drivers, and returns the environment if that fails, as [`Environment::try_start`]
    /// does.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Environment::start`], with the environment.
    fn try_start_async(self) -> impl Future<Output = Result<RunningEnvironment, FailedStart>>;
}

impl EnvironmentAsync for Environment {
    async fn start_async(self) -> Result<RunningEnvironment, EnvironmentError> {
        self.try_start_async().await.map_err(|failed| failed.error)
    }

    async fn try_start_async(self) -> Result<RunningEnvironment, FailedStart> {
        let abort = self.abort_handle();
        let mut running = aside(move || self.try_start(), move || abort.abort()).await?;
        running.belongs_to_this_thread();
        Ok(running)
    }
}

/// How an environment ends, and starts again.
///
/// A thread does it, as it does a [start](EnvironmentAsync). A future that is dropped
/// [aborts](standin_environment::AbortHandle::abort) the environment.
///
/// Dropping the guard itself stops the environment in the current thread, and blocks that thread
/// until the drivers are down. The drivers are not affected, but other tasks of a single-threaded
/// runtime cannot run meanwhile. So a test whose service has to answer during a stop calls
/// [`stop_async`](RunningAsync::stop_async) at its end.
pub trait RunningAsync {
    /// Starts the drivers that are not started.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`RunningEnvironment::start`].
    fn start_async(&self) -> impl Future<Output = Result<(), EnvironmentError>>;

    /// Stops the drivers in reverse order.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`RunningEnvironment::stop`].
    fn stop_async(&self) -> impl Future<Output = Result<(), EnvironmentError>>;

    /// Stops the drivers, and returns the files that explain a failure which was noted.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`RunningEnvironment::stop_for_artifacts`].
    fn stop_for_artifacts_async(&self)
    -> impl Future<Output = Result<Artifacts, EnvironmentError>>;

    /// Ends everything at once, as [`RunningEnvironment::abort`] does. A future that is dropped
    /// leaves that to its thread.
    fn abort_async(&self) -> impl Future<Output = ()>;

    /// Stops the drivers and starts them again.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`RunningEnvironment::restart`].
    fn restart_async(&self) -> impl Future<Output = Result<(), EnvironmentError>>;

    /// Runs `test` and stops the environment. What `test` returns comes first: see
    /// [`RunningEnvironment::run`].
    ///
    /// # Errors
    ///
    /// Returns the error of `test`, of the stop, or [`EnvironmentError::Test`] with both.
    fn run_async<T>(
        self,
        test: impl AsyncFnOnce(&RunningEnvironment) -> Result<T, Error>,
    ) -> impl Future<Output = Result<T, Error>>;
}

impl RunningAsync for RunningEnvironment {
    async fn start_async(&self) -> Result<(), EnvironmentError> {
        let (operations, abort) = (self.operations(), self.abort_handle());
        aside(move || operations.start(), move || abort.abort()).await
    }

    async fn stop_async(&self) -> Result<(), EnvironmentError> {
        let (operations, abort) = (self.operations(), self.abort_handle());
        aside(move || operations.stop(), move || abort.abort()).await
    }

    async fn stop_for_artifacts_async(&self) -> Result<Artifacts, EnvironmentError> {
        let (operations, abort) = (self.operations(), self.abort_handle());
        aside(
            move || operations.stop_for_artifacts(),
            move || abort.abort(),
        )
        .await
    }

    async fn abort_async(&self) {
        let abort = self.abort_handle();
        aside(move || abort.abort(), || {}).await;
    }

    async fn restart_async(&self) -> Result<(), EnvironmentError> {
        let (operations, abort) = (self.operations(), self.abort_handle());
        aside(move || operations.restart(), move || abort.abort()).await
    }

    async fn run_async<T>(
        self,
        test: impl AsyncFnOnce(&RunningEnvironment) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let outcome = test(&self).await;
        if outcome.is_err() {
            self.note_failure();
        }
        let stopped = self.stop_async().await;
        self.outcome_of(outcome, stopped)
    }
}
