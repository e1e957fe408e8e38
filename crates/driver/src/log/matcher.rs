use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use regex::bytes::Regex;
use standin_config::Pattern;
use standin_record::DriverTape;
use standin_sync::Unpoisoned;
use standin_sync::operation::{Thread, Wait, now};

use super::bell::Bell;
use super::follow::{Advance, Follower, ONE_LOOK};
use super::line::{Extent, Line, LineMatch};
use super::log_match::{LogMatch, LogMatchError};
use super::position::Position;
use super::regexps::{keep, shown};
use super::watch::{self, OnChange, Subscription};
use crate::WaitEnd;
use crate::{DriverBase, Explainer};

/// How often the file is checked if there are no events.
const INTERVAL: Duration = Duration::from_millis(50);

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
    path: PathBuf,
    bell: Arc<Bell>,
    follower: Mutex<Follower>,
    /// Whose log it is, and whom to ask what may explain that it is not as it should be.
    driver: Option<(String, Explainer)>,
    /// Where what was looked for is kept.
    tape: Option<DriverTape>,
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
        let path = path.into();
        Self {
            follower: Mutex::new(Follower::new(&path)),
            path,
            bell,
            driver: None,
            tape: None,
        }
    }

    /// Lets errors say what the environment of this driver knows.
    pub(crate) fn of_driver(mut self, base: &DriverBase) -> Self {
        self.driver = Some((base.name().to_owned(), base.explainer()));
        self.tape = Some(base.tape());
        self
    }

    /// Returns the log.
    pub fn path(&self) -> &Path {
        &self.path
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
        let mut search = Search::new(self, &pattern, timeout.into())?;
        match search.next(&wait).await? {
            Some(found) => {
                self.record(&pattern, Some(&found));
                Ok(found)
            }
            None => {
                self.record(&pattern, None);
                Err(self.noted(search.into_error()))
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
        let mut search = Search::new(self, &pattern, timeout.into())?;
        search.sought = Sought::Nothing;
        match search.next(&wait).await? {
            None => Ok(()),
            Some(found) => {
                drop(search);
                self.record(&pattern, Some(&found));
                Err(self.noted(LogMatchError::Match {
                    path: self.path.clone(),
                    pattern: pattern.as_str().to_owned(),
                    line: self.redacted(&found.text()),
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
        let mut search = Search::new(self, &pattern, timeout.into())?;
        search.sought = Sought::Everything;
        let mut all = Vec::new();
        while let Some(found) = search.next(&wait).await? {
            all.push(found);
        }
        self.record(&pattern, all.last());
        match all.is_empty() {
            true => Err(self.noted(search.into_error())),
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
        let mut follower = Follower::new(&self.path);
        follower
            .seek(from.0)
            .map_err(|error| self.unreadable(error))?;
        let mut all = Vec::new();
        while !follower.place().has_reached(&to.0) {
            match follower.advance().map_err(|error| self.unreadable(error))? {
                Advance::Line => {}
                Advance::Pause => continue,
                Advance::End => break,
            }
            let line = follower.line();
            match line.matches(regex) {
                LineMatch::Whole(found) => all.push(LogMatch::new(line, found)),
                LineMatch::Undecided(_) => return Err(self.too_long(&pattern, line)),
                LineMatch::Inside | LineMatch::No => {}
            }
        }
        Ok(all)
    }

    /// Returns the position of the matcher, to come back to.
    pub fn mark(&self) -> LogMark {
        LogMark(self.lock().position())
    }

    /// Moves to a position. A position in a file that has been rotated away is the beginning of the
    /// current file.
    ///
    /// # Errors
    ///
    /// Returns an error if the log cannot be read.
    pub fn seek(&self, mark: LogMark) -> Result<(), LogMatchError> {
        let sought = self.lock().seek(mark.0);
        sought.map_err(|error| self.unreadable(error))
    }

    /// Moves to the current end: searches see only later lines.
    ///
    /// # Errors
    ///
    /// Returns an error if the log cannot be read.
    pub fn seek_end(&self) -> Result<(), LogMatchError> {
        let sought = self.lock().seek_end();
        sought.map_err(|error| self.unreadable(error))
    }

    /// Goes to the beginning of the log.
    pub fn seek_start(&self) {
        *self.lock() = Follower::new(&self.path);
    }

    /// Keeps what was looked for, and the line that was found.
    fn record(&self, pattern: &Pattern, found: Option<&LogMatch>) {
        let Some(tape) = &self.tape else {
            return;
        };
        let log = self.path.file_name().unwrap_or_default();
        let log = log.to_string_lossy();
        match found {
            Some(found) => tape.logged(&log, &found.text()),
            None => tape.probed(
                &format!("a line `{pattern}` in {log}"),
                "no line matched",
                false,
            ),
        }
    }

    /// An error with what may explain it; no lock is held.
    fn noted(&self, mut error: LogMatchError) -> LogMatchError {
        if let LogMatchError::NoMatch { note, .. } | LogMatchError::Match { note, .. } = &mut error
            && let Some((driver, explainer)) = &self.driver
        {
            *note = explainer.explain(driver);
        }
        error
    }

    /// A line as messages show it: what must not be kept is not for them either.
    fn shown(&self, line: &[u8]) -> String {
        self.redacted(&shown(line))
    }

    fn redacted(&self, text: &str) -> String {
        match &self.tape {
            Some(tape) => tape.redacted(text),
            None => text.to_owned(),
        }
    }

    fn unreadable(&self, source: io::Error) -> LogMatchError {
        LogMatchError::Read {
            path: self.path.clone(),
            source,
        }
    }

    fn too_long(&self, pattern: &Pattern, line: Line<'_>) -> LogMatchError {
        LogMatchError::LineTooLong {
            path: self.path.clone(),
            pattern: pattern.as_str().to_owned(),
            begin: self.shown(line.bytes),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Follower> {
        self.follower.lock().unpoisoned()
    }
}

impl fmt::Debug for LogMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogMatcher")
            .field("path", &self.path)
            .field("position", &self.mark())
            .finish_non_exhaustive()
    }
}

/// One search: from the position of the matcher, for as long as it may take.
struct Search<'a> {
    matcher: &'a LogMatcher,
    pattern: &'a Pattern,
    regex: &'a Regex,
    sought: Sought,
    since: Instant,
    until: Option<Instant>,
    subscription: Option<Subscription>,
    lines: u64,
    /// The beginning of the last line.
    last: Vec<u8>,
    too_long: u64,
    is_unfinished: bool,
    over: Option<WaitEnd>,
    /// The bytes still to search once the time is over.
    left: Option<u64>,
}

/// The result of one look at the log.
enum Look {
    Found(LogMatch),
    /// There is more to look at.
    Pause,
    End,
}

/// What a search is about: it decides what a line means that is not known as a
/// whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sought {
    /// Some line.
    One,
    /// All lines: none may be missing.
    Everything,
    /// That there is none.
    Nothing,
}

impl<'a> Search<'a> {
    fn new(
        matcher: &'a LogMatcher,
        pattern: &'a Pattern,
        timeout: Option<Duration>,
    ) -> Result<Self, LogMatchError> {
        let since = Instant::now();
        Ok(Self {
            matcher,
            pattern,
            regex: pattern.regex()?,
            sought: Sought::One,
            since,
            until: timeout.and_then(|timeout| since.checked_add(timeout)),
            subscription: None,
            lines: 0,
            last: Vec::new(),
            too_long: 0,
            is_unfinished: false,
            over: None,
            left: None,
        })
    }

    async fn next(&mut self, wait: &impl Wait) -> Result<Option<LogMatch>, LogMatchError> {
        loop {
            // Both asked before looking, so that what comes meanwhile is not missed.
            let rings = self.matcher.bell.rings();
            self.over = self.matcher.bell.over();
            let is_late = self.until.is_some_and(|until| Instant::now() >= until);
            let is_last = is_late || self.over.is_some();
            match self.look(self.over == Some(WaitEnd::Stopped))? {
                Look::Found(found) => return Ok(Some(found)),
                // What is there by the end of the time is looked at, however much it is.
                Look::Pause if is_last => {
                    let size =
                        || std::fs::metadata(&self.matcher.path).map_or(0, |file| file.len());
                    let left = self.left.unwrap_or_else(size);
                    if left == 0 {
                        return self.end(is_late);
                    }
                    self.left = Some(left.saturating_sub(ONE_LOOK as u64));
                    continue;
                }
                Look::Pause => continue,
                Look::End if is_last => return self.end(is_late),
                Look::End => {}
            }
            if self.subscription.is_none() {
                let bell = self.matcher.bell.clone();
                let on_change: OnChange = Arc::new(move || bell.ring());
                self.subscription = watch::subscribe(&self.matcher.path, &on_change);
                if self.subscription.is_some() {
                    continue;
                }
            }
            // A partial line becomes whole by not growing, which makes no event.
            let next = Instant::now() + INTERVAL;
            let until = self.until.map_or(next, |until| until.min(next));
            let change = self.matcher.bell.change(rings, self.since, Some(until));
            wait.run(change).await;
        }
    }

    /// Nothing more is found: by the end of its time or of the log, or for another reason.
    fn end(&self, is_late: bool) -> Result<Option<LogMatch>, LogMatchError> {
        let (Some(over), Some((driver, explainer))) = (self.over, &self.matcher.driver) else {
            return Ok(None);
        };
        if is_late || over == WaitEnd::Stopped {
            return Ok(None);
        }
        Err(LogMatchError::Interrupted {
            path: self.matcher.path.clone(),
            pattern: self.pattern.as_str().to_owned(),
            reason: over.explain(driver, explainer),
        })
    }

    fn look(&mut self, is_final: bool) -> Result<Look, LogMatchError> {
        let matcher = self.matcher;
        let mut follower = matcher.lock();
        loop {
            match follower
                .advance()
                .map_err(|error| matcher.unreadable(error))?
            {
                Advance::Line => {}
                Advance::Pause => return Ok(Look::Pause),
                Advance::End => break,
            }
            self.lines += 1;
            let line = follower.line();
            self.too_long += u64::from(line.extent == Extent::Beginning);
            match line.matches(self.regex) {
                LineMatch::Whole(found) => return Ok(Look::Found(LogMatch::new(line, found))),
                LineMatch::Undecided(_) if self.sought != Sought::One => {
                    return Err(matcher.too_long(self.pattern, line));
                }
                _ => keep(&mut self.last, line.bytes),
            }
        }
        self.is_unfinished = false;
        let Some(line) = follower.partial(is_final) else {
            return Ok(Look::End);
        };
        let found = match line.matches(self.regex) {
            LineMatch::Whole(found) => found,
            // However it ends, it should not be there.
            LineMatch::Undecided(Some(found)) if self.sought == Sought::Nothing => found,
            outcome => {
                self.is_unfinished = matches!(outcome, LineMatch::Undecided(_));
                if self.is_unfinished {
                    keep(&mut self.last, line.bytes);
                }
                return Ok(Look::End);
            }
        };
        let found = LogMatch::new(line, found);
        follower.take_partial();
        Ok(Look::Found(found))
    }

    fn into_error(self) -> LogMatchError {
        LogMatchError::NoMatch {
            path: self.matcher.path.clone(),
            pattern: self.pattern.as_str().to_owned(),
            lines: self.lines,
            last: (!self.last.is_empty() || self.lines > 0).then(|| self.matcher.shown(&self.last)),
            too_long: self.too_long,
            is_unfinished: self.is_unfinished,
            elapsed: self.since.elapsed(),
            is_over: self.over.is_some(),
            note: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Write;

    use super::*;

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
