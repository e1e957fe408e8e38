//! [`Search`]: one search in a log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use regex::bytes::Regex;
use standin_config::Pattern;
use standin_sync::operation::Wait;

use super::follow::{Advance, ONE_LOOK};
use super::line::{Extent, LineMatch};
use super::log_match::{LogMatch, LogMatchError};
use super::regexps::keep;
use super::searched_log::SearchedLog;
use super::watch::{self, OnChange, Subscription};
use crate::WaitEnd;

/// How often the file is checked if there are no events.
const INTERVAL: Duration = Duration::from_millis(50);

/// One search: from where the last one ended, for as long as it may take.
pub(super) struct Search<'a> {
    log: &'a SearchedLog,
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
pub(super) enum Sought {
    /// Some line.
    One,
    /// All lines: none may be missing.
    Everything,
    /// That there is none.
    Nothing,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        log: &'a SearchedLog,
        pattern: &'a Pattern,
        timeout: Option<Duration>,
    ) -> Result<Self, LogMatchError> {
        let since = Instant::now();
        Ok(Self {
            log,
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

    /// Sets what the search is about. Default: one line.
    pub(super) fn of(self, sought: Sought) -> Self {
        Self { sought, ..self }
    }

    /// Looks for the next line, and waits for it with `wait`.
    pub(super) async fn next(
        &mut self,
        wait: &impl Wait,
    ) -> Result<Option<LogMatch>, LogMatchError> {
        loop {
            // Both asked before looking, so that what comes meanwhile is not missed.
            let rings = self.log.bell.rings();
            self.over = self.log.bell.over();
            let is_late = self.until.is_some_and(|until| Instant::now() >= until);
            let is_last = is_late || self.over.is_some();
            match self.look(self.over == Some(WaitEnd::Stopped))? {
                Look::Found(found) => return Ok(Some(found)),
                // What is there by the end of the time is looked at, however much it is.
                Look::Pause if is_last => {
                    let size = || std::fs::metadata(&self.log.path).map_or(0, |file| file.len());
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
                let bell = self.log.bell.clone();
                let on_change: OnChange = Arc::new(move || bell.ring());
                self.subscription = watch::subscribe(&self.log.path, &on_change);
                if self.subscription.is_some() {
                    continue;
                }
            }
            // A partial line becomes whole by not growing, which makes no event.
            let next = Instant::now() + INTERVAL;
            let until = self.until.map_or(next, |until| until.min(next));
            let change = self.log.bell.change(rings, self.since, Some(until));
            wait.run(change).await;
        }
    }

    /// Nothing more is found: by the end of its time or of the log, or for another reason.
    fn end(&self, is_late: bool) -> Result<Option<LogMatch>, LogMatchError> {
        let (Some(over), Some((driver, explainer))) = (self.over, &self.log.driver) else {
            return Ok(None);
        };
        if is_late || over == WaitEnd::Stopped {
            return Ok(None);
        }
        Err(LogMatchError::Interrupted {
            path: self.log.path.clone(),
            pattern: self.pattern.as_str().to_owned(),
            reason: over.explain(driver, explainer),
        })
    }

    fn look(&mut self, is_final: bool) -> Result<Look, LogMatchError> {
        let log = self.log;
        let mut follower = log.lock();
        loop {
            match follower.advance().map_err(|error| log.unreadable(error))? {
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
                    return Err(log.too_long(self.pattern, line));
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

    /// Why it has found nothing.
    pub(super) fn into_error(self) -> LogMatchError {
        LogMatchError::NoMatch {
            path: self.log.path.clone(),
            pattern: self.pattern.as_str().to_owned(),
            lines: self.lines,
            last: (!self.last.is_empty() || self.lines > 0).then(|| self.log.shown(&self.last)),
            too_long: self.too_long,
            is_unfinished: self.is_unfinished,
            elapsed: self.since.elapsed(),
            is_over: self.over.is_some(),
            note: None,
        }
    }
}
