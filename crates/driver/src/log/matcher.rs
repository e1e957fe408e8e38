use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use standin_config::Pattern;
use standin_sync::operation::{Thread, Wait, now};

use super::bell::Bell;
use super::follow::{Advance, Follower};
use super::line::LineMatch;
use super::log_match::{LogMatch, LogMatchError};
use super::position::Position;
use super::search::{Search, Sought};
use super::searched_log::SearchedLog;
use crate::DriverBase;

/// Finds lines in a log, from where the last search ended.
///
/// A search begins at the position of the matcher, which is the beginning of the log at first, and
/// moves it behind the line that it found. A search that finds nothing moves it to the current end.
/// Use [`seek_end`] to search only later lines, and a [`LogMark`] to remember a position.
///
/// A pattern has to match from the beginning of a line: put `.*` in front of
/// one that may be anywhere. It sees the line without its end, and without the
/// sequences that colour it (and then with them). Lines need not be UTF-8: a byte
/// that is not is an unknown character for it, which `.` matches. The log may be
/// rotated and truncated meanwhile.
///
/// A line without its end counts once nothing has been written for 50 ms, unless a named group
/// captures its last bytes: that waits for the rest. Of a line longer than 4 MiB a pattern sees
/// only the beginning, and a search whose result depends on the rest is an error: it never passes
/// by mistake.
///
/// Searches take a timeout: zero searches the existing lines, `None` waits until the line is
/// written, or the driver that owns the log is stopped.
///
/// [`seek_end`]: LogMatcher::seek_end
///
/// ```
/// use std::time::Duration;
/// use standin_driver::LogMatcher;
///
/// # fn main() -> standin_entity::Result<()> {
/// # let folder = tempfile::tempdir().expect("a directory");
/// # let path = folder.path().join("app.log");
/// # std::fs::write(&path, "start\norder 17 filled\n").expect("it is ours");
/// let log = LogMatcher::new(&path);
/// let found = log.match_line(r"order (?<id>\d+) filled", Duration::from_secs(5))?;
/// assert_eq!(found.group("id").as_deref(), Some("17"));
/// log.not_match("error", Duration::ZERO)?;
/// # Ok(())
/// # }
/// ```
pub struct LogMatcher {
    log: SearchedLog,
}

/// A place in a log, of one [`LogMatcher`] or another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogMark(Position);

impl LogMatcher {
    /// Reads the file from its beginning. It need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::with_bell(path, Arc::default())
    }

    /// As `new`; waits also end when the bell says that all is over.
    pub(crate) fn with_bell(path: impl Into<PathBuf>, bell: Arc<Bell>) -> Self {
        Self {
            log: SearchedLog::new(path.into(), bell),
        }
    }

    /// Lets errors say what the environment of this driver knows.
    pub(crate) fn of_driver(mut self, base: &DriverBase) -> Self {
        self.log = self.log.of_driver(base);
        self
    }

    /// Returns the log.
    pub fn path(&self) -> &Path {
        &self.log.path
    }

    /// Returns the next line that matches.
    ///
    /// # Errors
    ///
    /// Returns an error if none comes in time, the log cannot be read, or the driver is aborted or
    /// the test fails elsewhere meanwhile.
    pub fn match_line(
        &self,
        pattern: impl Into<Pattern>,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<LogMatch, LogMatchError> {
        now(self.match_line_with(Thread, pattern, timeout))
    }

    /// Does the same as [`match_line`](LogMatcher::match_line), waiting with `wait`.
    #[doc(hidden)]
    pub async fn match_line_with(
        &self,
        wait: impl Wait,
        pattern: impl Into<Pattern>,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<LogMatch, LogMatchError> {
        let pattern = pattern.into();
        let mut search = Search::new(&self.log, &pattern, timeout.into())?;
        match search.next(&wait).await? {
            Some(found) => {
                self.log.record(&pattern, Some(&found));
                Ok(found)
            }
            None => {
                self.log.record(&pattern, None);
                Err(self.log.noted(search.into_error()))
            }
        }
    }

    /// Checks that no line matches, of the existing ones and those written within the time. `None`
    /// checks until the driver is stopped.
    ///
    /// # Errors
    ///
    /// Returns an error as soon as one matches, or if the log cannot be read, also because a line
    /// is too long, or if the driver is aborted or the test fails elsewhere before the time is up.
    pub fn not_match(
        &self,
        pattern: impl Into<Pattern>,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<(), LogMatchError> {
        now(self.not_match_with(Thread, pattern, timeout))
    }

    /// Does the same as [`not_match`](LogMatcher::not_match), waiting with `wait`.
    #[doc(hidden)]
    pub async fn not_match_with(
        &self,
        wait: impl Wait,
        pattern: impl Into<Pattern>,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<(), LogMatchError> {
        let pattern = pattern.into();
        let mut search = Search::new(&self.log, &pattern, timeout.into())?.of(Sought::Nothing);
        match search.next(&wait).await? {
            None => Ok(()),
            Some(found) => {
                drop(search);
                self.log.record(&pattern, Some(&found));
                Err(self.log.noted(LogMatchError::Match {
                    path: self.log.path.clone(),
                    pattern: pattern.as_str().to_owned(),
                    line: self.log.redacted(&found.text()),
                    found,
                    note: None,
                }))
            }
        }
    }

    /// Returns all lines that match, of the existing ones and those written within the time. Always
    /// takes the whole time: use zero for the existing lines.
    ///
    /// # Errors
    ///
    /// Returns an error if there is none, or the log cannot be read, also because a line is too
    /// long, or if the driver is aborted or the test fails elsewhere before the time is up.
    pub fn match_all(
        &self,
        pattern: impl Into<Pattern>,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Vec<LogMatch>, LogMatchError> {
        now(self.match_all_with(Thread, pattern, timeout))
    }

    /// Does the same as [`match_all`](LogMatcher::match_all), waiting with `wait`.
    #[doc(hidden)]
    pub async fn match_all_with(
        &self,
        wait: impl Wait,
        pattern: impl Into<Pattern>,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Vec<LogMatch>, LogMatchError> {
        let pattern = pattern.into();
        let mut search = Search::new(&self.log, &pattern, timeout.into())?.of(Sought::Everything);
        let mut all = Vec::new();
        while let Some(found) = search.next(&wait).await? {
            all.push(found);
        }
        self.log.record(&pattern, all.last());
        match all.is_empty() {
            true => Err(self.log.noted(search.into_error())),
            false => Ok(all),
        }
    }

    /// Returns all matching lines between two positions, in their order. The position of the
    /// matcher does not change.
    ///
    /// # Errors
    ///
    /// Returns an error if the log cannot be read, also because a line is too long.
    pub fn match_between(
        &self,
        pattern: impl Into<Pattern>,
        from: LogMark,
        to: LogMark,
    ) -> Result<Vec<LogMatch>, LogMatchError> {
        let pattern = pattern.into();
        let regex = pattern.regex()?;
        let mut follower = Follower::new(&self.log.path);
        follower
            .seek(from.0)
            .map_err(|error| self.log.unreadable(error))?;
        let mut all = Vec::new();
        while !follower.place().has_reached(&to.0) {
            match follower
                .advance()
                .map_err(|error| self.log.unreadable(error))?
            {
                Advance::Line => {}
                Advance::Pause => continue,
                Advance::End => break,
            }
            let line = follower.line();
            match line.matches(regex) {
                LineMatch::Whole(found) => all.push(LogMatch::new(line, found)),
                LineMatch::Undecided(_) => return Err(self.log.too_long(&pattern, line)),
                LineMatch::Inside | LineMatch::No => {}
            }
        }
        Ok(all)
    }

    /// Returns the position of the matcher, to come back to.
    pub fn mark(&self) -> LogMark {
        LogMark(self.log.lock().position())
    }

    /// Moves to a position. A position in a file that has been rotated away is the beginning of the
    /// current file.
    ///
    /// # Errors
    ///
    /// Returns an error if the log cannot be read.
    pub fn seek(&self, mark: LogMark) -> Result<(), LogMatchError> {
        let sought = self.log.lock().seek(mark.0);
        sought.map_err(|error| self.log.unreadable(error))
    }

    /// Moves to the current end: searches see only later lines.
    ///
    /// # Errors
    ///
    /// Returns an error if the log cannot be read.
    pub fn seek_end(&self) -> Result<(), LogMatchError> {
        let sought = self.log.lock().seek_end();
        sought.map_err(|error| self.log.unreadable(error))
    }

    /// Goes to the beginning of the log.
    pub fn seek_start(&self) {
        *self.log.lock() = Follower::new(&self.log.path);
    }
}

impl fmt::Debug for LogMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogMatcher")
            .field("path", &self.log.path)
            .field("position", &self.mark())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Write;

    use super::*;
    use crate::WaitEnd;

    const SOON: Duration = Duration::from_secs(20);

    fn append(path: &Path, text: &str) {
        let mut options = File::options();
        let mut file = options.append(true).create(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn is_send_and_sync() {
        fn check<T: Send + Sync + fmt::Debug>() {}
        check::<LogMatcher>();
    }

    #[test]
    fn goes_on_behind_the_line_that_it_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        append(&path, "a 1\nb\na 2\na 3\n");
        let log = LogMatcher::new(&path);
        let number = |found: LogMatch| found.group("n").unwrap();
        assert_eq!(number(log.match_line(r"a (?<n>\d)", SOON).unwrap()), "1");
        assert_eq!(number(log.match_line(r"a (?<n>\d)", SOON).unwrap()), "2");
        let mark = log.mark();
        assert_eq!(number(log.match_line(r"a (?<n>\d)", SOON).unwrap()), "3");
        log.match_line("a", Duration::ZERO).unwrap_err();
        log.seek(mark).unwrap();
        assert_eq!(number(log.match_line(r"a (?<n>\d)", SOON).unwrap()), "3");
        log.seek_start();
        assert_eq!(log.match_all("a", Duration::ZERO).unwrap().len(), 3);
        let end = log.mark();
        assert_eq!(log.match_between(".*", mark, end).unwrap().len(), 1);
    }

    #[test]
    fn a_line_is_found_while_it_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        append(&path, "error: old\n");
        let log = LogMatcher::new(&path);
        log.seek_end().unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| log.match_line("ready", None));
            append(&path, "not ready\n");
            fs::rename(&path, folder.path().join("log.1")).unwrap();
            append(&path, "ready\r\n");
            assert_eq!(waiting.join().unwrap().unwrap().line, b"ready");
        });
        log.not_match("error", Duration::ZERO).unwrap();
    }

    #[test]
    fn a_wait_ends_when_all_is_over() {
        let bell = Arc::new(Bell::default());
        let log = LogMatcher::with_bell("/nowhere/log", bell.clone());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| log.match_line("x", None));
            bell.end(WaitEnd::Stopped);
            let error = waiting.join().unwrap().unwrap_err();
            assert!(matches!(
                error,
                LogMatchError::NoMatch { is_over: true, .. }
            ));
        });
    }

    #[test]
    fn says_what_it_found_and_what_it_did_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        append(&path, "one\ntwo\n");
        let log = LogMatcher::new(&path);
        let error = log.match_line("three", Duration::ZERO).unwrap_err();
        assert!(
            error.to_string().ends_with("2 lines, the last \"two\""),
            "{error}"
        );
        log.seek_start();
        let error = log.not_match("t", SOON).unwrap_err();
        assert!(
            error.to_string().ends_with("which no line should: \"two\""),
            "{error}"
        );
        assert!(matches!(
            log.match_line("(", None),
            Err(LogMatchError::Pattern(_))
        ));
    }
}
