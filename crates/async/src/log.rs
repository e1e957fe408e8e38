//! Searches in logs.

use std::{future::Future, time::Duration};

use standin_config::Pattern;
use standin_driver::{LogMatch, LogMatchError, LogMatcher};

use crate::runtime::Task;

/// The waits of a [`LogMatcher`]. Files are read by the task's thread, a piece at a time.
///
/// A dropped search leaves the matcher at its last position, like a search that finds nothing.
pub trait LogAsync {
    /// The next line that matches.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`LogMatcher::match_line`].
    fn match_line_async(
        &self,
        pattern: impl Into<Pattern>,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Future<Output = Result<LogMatch, LogMatchError>>;

    /// Checks that no line matches, of the existing ones and those written within the time.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`LogMatcher::not_match`].
    fn not_match_async(
        &self,
        pattern: impl Into<Pattern>,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Future<Output = Result<(), LogMatchError>>;

    /// Returns all lines that match, of the existing ones and those written within the time, all of
    /// which it takes.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`LogMatcher::match_all`].
    fn match_all_async(
        &self,
        pattern: impl Into<Pattern>,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Future<Output = Result<Vec<LogMatch>, LogMatchError>>;
}

impl LogAsync for LogMatcher {
    fn match_line_async(
        &self,
        pattern: impl Into<Pattern>,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Future<Output = Result<LogMatch, LogMatchError>> {
        self.match_line_with(Task, pattern.into(), timeout.into())
    }

    fn not_match_async(
        &self,
        pattern: impl Into<Pattern>,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Future<Output = Result<(), LogMatchError>> {
        self.not_match_with(Task, pattern.into(), timeout.into())
    }

    fn match_all_async(
        &self,
        pattern: impl Into<Pattern>,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Future<Output = Result<Vec<LogMatch>, LogMatchError>> {
        self.match_all_with(Task, pattern.into(), timeout.into())
    }
}
