//! Programs under test, or beside it.

use std::{future::Future, time::Duration};

use standin_process::{Exit, Process, ProcessError};

use crate::runtime::Task;

/// The operations of a [`Process`] besides its [lifecycle](crate::DriverAsync) and its
/// [logs](crate::LogAsync).
pub trait ProcessAsync {
    /// Waits until the process has exited by itself, and returns how.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Process::wait_for_exit`].
    fn wait_for_exit_async(
        &self,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Future<Output = Result<Exit, ProcessError>>;

    /// Writes to the standard input of the process. Of a write that is dropped a part may have
    /// gone.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Process::write_stdin`].
    fn write_stdin_async(
        &self,
        bytes: impl AsRef<[u8]>,
    ) -> impl Future<Output = Result<(), ProcessError>>;
}

impl ProcessAsync for Process {
    fn wait_for_exit_async(
        &self,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Future<Output = Result<Exit, ProcessError>> {
        self.wait_for_exit_with(Task, timeout)
    }

    fn write_stdin_async(
        &self,
        bytes: impl AsRef<[u8]>,
    ) -> impl Future<Output = Result<(), ProcessError>> {
        self.write_stdin_with(Task, bytes)
    }
}
