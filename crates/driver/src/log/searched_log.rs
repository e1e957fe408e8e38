//! [`SearchedLog`]: the log that is searched, and what is said about it.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use standin_config::Pattern;
use standin_record::DriverTape;
use standin_sync::Unpoisoned;

use super::bell::Bell;
use super::follow::Follower;
use super::line::Line;
use super::log_match::{LogMatch, LogMatchError};
use super::regexps::shown;
use crate::{DriverBase, Explainer};

/// A log, and how far it was searched.
pub(super) struct SearchedLog {
    pub(super) path: PathBuf,
    pub(super) bell: Arc<Bell>,
    follower: Mutex<Follower>,
    /// Whose log it is, and whom to ask what may explain that it is not as it should be.
    pub(super) driver: Option<(String, Explainer)>,
    /// Where what was looked for is kept.
    tape: Option<DriverTape>,
}

impl SearchedLog {
    /// Reads the file from its beginning. Waits for it also end when the bell says that all is
    /// over.
    pub(super) fn new(path: PathBuf, bell: Arc<Bell>) -> Self {
        Self {
            follower: Mutex::new(Follower::new(&path)),
            path,
            bell,
            driver: None,
            tape: None,
        }
    }

    /// Lets errors say what the environment of this driver knows.
    pub(super) fn of_driver(mut self, base: &DriverBase) -> Self {
        self.driver = Some((base.name().to_owned(), base.explainer()));
        self.tape = Some(base.tape());
        self
    }

    /// Keeps what was looked for, and the line that was found.
    pub(super) fn record(&self, pattern: &Pattern, found: Option<&LogMatch>) {
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
    pub(super) fn noted(&self, mut error: LogMatchError) -> LogMatchError {
        if let LogMatchError::NoMatch { note, .. } | LogMatchError::Match { note, .. } = &mut error
            && let Some((driver, explainer)) = &self.driver
        {
            *note = explainer.explain(driver);
        }
        error
    }

    /// A line as messages show it: what must not be kept is not for them either.
    pub(super) fn shown(&self, line: &[u8]) -> String {
        self.redacted(&shown(line))
    }

    pub(super) fn redacted(&self, text: &str) -> String {
        match &self.tape {
            Some(tape) => tape.redacted(text),
            None => text.to_owned(),
        }
    }

    pub(super) fn unreadable(&self, source: io::Error) -> LogMatchError {
        LogMatchError::Read {
            path: self.path.clone(),
            source,
        }
    }

    pub(super) fn too_long(&self, pattern: &Pattern, line: Line<'_>) -> LogMatchError {
        LogMatchError::LineTooLong {
            path: self.path.clone(),
            pattern: pattern.as_str().to_owned(),
            begin: self.shown(line.bytes),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Follower> {
        self.follower.lock().unpoisoned()
    }
}
