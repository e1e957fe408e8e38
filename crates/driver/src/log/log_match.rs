//! A line that a search in a log has found, or why it has not.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;
use miette::Diagnostic;
use standin_config::PatternError;
use thiserror::Error;

use super::follow::LONGEST;
use super::line::{Found, Line, without_end};

/// A line that matched.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogMatch {
    /// The line, without its end.
    pub line: Vec<u8>,
    /// The captured values of named groups.
    pub groups: IndexMap<String, Vec<u8>>,
}

impl LogMatch {
    pub(super) fn new(line: Line<'_>, found: Found) -> Self {
        Self {
            line: without_end(line.bytes).to_vec(),
            groups: found.groups.into_iter().collect(),
        }
    }

    /// Returns the line as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.line).into_owned()
    }

    /// Returns the captured value of the named group as text, with invalid UTF-8 replaced. `None`
    /// if the group did not participate in the match.
    pub fn group(&self, name: &str) -> Option<String> {
        let value = self.groups.get(name)?;
        Some(String::from_utf8_lossy(value).into_owned())
    }
}

impl fmt::Debug for LogMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups: IndexMap<_, _> = self
            .groups
            .keys()
            .map(|name| (name, self.group(name).unwrap_or_default()))
            .collect();
        f.debug_struct("LogMatch")
            .field("line", &self.text())
            .field("groups", &groups)
            .finish()
    }
}

/// An unexpected or missing match of a search in a log.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum LogMatchError {
    /// No line matches.
    #[error("no line of `{}` matches `{pattern}` after {}{}", path.display(), Looked { lines: *lines, last, too_long: *too_long, elapsed: *elapsed }, Note(note))]
    #[diagnostic(
        code(standin::driver::log_no_match),
        help("a pattern must match from the beginning of a line: put `.*` in front of one that may match anywhere{}{}", unfinished_help(*is_unfinished), over_help(*is_over))
    )]
    NoMatch {
        /// The log.
        path: PathBuf,
        /// The pattern.
        pattern: String,
        /// How many lines were searched.
        lines: u64,
        /// The last of them, or what is written of the next.
        last: Option<String>,
        /// How many of them were so long that only their beginnings were searched.
        too_long: u64,
        /// Whether what is written of the last line matches, but a group would
        /// capture what is at its end, and its end has not come.
        is_unfinished: bool,
        /// How long the wait took.
        elapsed: Duration,
        /// Whether the wait ended because the driver is down.
        is_over: bool,
        /// Possible causes that the driver's environment knows.
        note: Option<String>,
    },
    /// The driver was aborted, or the test has failed elsewhere, so that all waits end.
    #[error("stopped looking for `{pattern}` in `{}`\n{reason}", path.display())]
    #[diagnostic(
        code(standin::driver::log_interrupted),
        help("fix what failed the test first")
    )]
    Interrupted {
        /// The log.
        path: PathBuf,
        /// The pattern.
        pattern: String,
        /// What is known about that, on separate lines.
        reason: String,
    },
    /// A line is longer than the search limit, and its rest might match.
    #[error("`{pattern}` cannot be looked for in a line of `{}`: it is longer than {} MiB, and begins with {begin:?}", path.display(), LONGEST >> 20)]
    #[diagnostic(
        code(standin::driver::log_line_too_long),
        help("match the beginning of that line, or call `seek_end` once it has been written")
    )]
    LineTooLong {
        /// The log.
        path: PathBuf,
        /// The pattern.
        pattern: String,
        /// The beginning of the line.
        begin: String,
    },
    /// A line matches that should not be there.
    #[error("a line of `{}` matches `{pattern}`, which no line should: {line:?}{}", path.display(), Note(note))]
    #[diagnostic(
        code(standin::driver::log_match),
        help("see the log around that line; `seek_end` skips what was written before")
    )]
    Match {
        /// The log.
        path: PathBuf,
        /// The pattern.
        pattern: String,
        /// The line, and what matches in it.
        found: LogMatch,
        /// The line as messages show it: without what the option `redact` names.
        line: String,
        /// Possible causes that the driver's environment knows.
        note: Option<String>,
    },
    /// The log cannot be read.
    #[error("the log `{}` cannot be read", path.display())]
    #[diagnostic(
        code(standin::driver::log_unreadable),
        help("it must be a file that this user may read")
    )]
    Read {
        /// The log.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The pattern is not a regular expression.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Pattern(#[from] PatternError),
}

standin_error::reportable!(LogMatchError { Pattern });

fn over_help(is_over: bool) -> &'static str {
    match is_over {
        true => "; the driver is not running any more",
        false => "",
    }
}

fn unfinished_help(is_unfinished: bool) -> &'static str {
    if is_unfinished {
        "; what is written of the last line matches, but its end is missing, and a group may have only half of what it captures"
    } else {
        ""
    }
}

/// Shows a note below a message.
struct Note<'a>(&'a Option<String>);

impl fmt::Display for Note<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(note) => write!(f, "\n{note}"),
            None => Ok(()),
        }
    }
}

struct Looked<'a> {
    lines: u64,
    last: &'a Option<String>,
    too_long: u64,
    elapsed: Duration,
}

impl fmt::Display for Looked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1?} and {} lines", self.elapsed, self.lines)?;
        if let Some(last) = self.last {
            write!(f, ", the last {last:?}")?;
        }
        if self.too_long > 0 {
            let limit = LONGEST >> 20;
            write!(f, "; of {} only the first {limit} MiB", self.too_long)?;
        }
        Ok(())
    }
}
