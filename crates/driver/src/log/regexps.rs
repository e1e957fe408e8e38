use std::fmt;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use regex::bytes::Regex;
use standin_config::{Pattern, PatternError};
use standin_record::DriverTape;

use super::follow::{Advance, Follower, LONGEST, ONE_LOOK};
use super::line::{Extent, Line, LineMatch, without_end};
use super::position::End;
use crate::error::LogError;
use crate::extracts::Extracts;

/// How much of the last line an error shows.
const SHOWN: usize = 200;

/// The patterns of one option, looked for in one log as it grows.
#[derive(Debug)]
pub(crate) struct Regexps {
    option: String,
    follower: Follower,
    /// Where to begin, until it has begun.
    since: Option<End>,
    patterns: Vec<Sought>,
    lines: u64,
    /// Those of them that were too long to be looked at as a whole.
    too_long: u64,
    /// The beginning of the last line.
    last: Vec<u8>,
    is_behind: bool,
    /// Lines that were searched for, because they were asked for.
    matched: Vec<String>,
}

#[derive(Debug)]
struct Sought {
    regex: Regex,
    /// How many lines must match.
    times: u64,
    /// How many have.
    found: u64,
    /// What is written of the last line does: it may continue, and is counted when it is whole.
    finds_unfinished: bool,
    /// A line in the middle of which it matches.
    inside: Option<String>,
    /// It matches what is written of the last line, but captures what is at its end.
    is_unfinished: bool,
}

impl Sought {
    fn is_complete(&self) -> bool {
        self.found + u64::from(self.finds_unfinished) >= self.times
    }
}

impl Regexps {
    /// `option` is how errors call the patterns. What was in the log before
    /// `since` is passed over.
    pub(crate) fn new(
        option: impl Into<String>,
        path: impl Into<PathBuf>,
        patterns: &[Pattern],
        since: End,
    ) -> Result<Self, PatternError> {
        let sought = |pattern: &Pattern| {
            Ok(Sought {
                regex: pattern.regex()?.clone(),
                times: 1,
                found: 0,
                finds_unfinished: false,
                inside: None,
                is_unfinished: false,
            })
        };
        Ok(Self {
            option: option.into(),
            follower: Follower::new(path),
            since: Some(since),
            patterns: patterns.iter().map(sought).collect::<Result<_, _>>()?,
            lines: 0,
            too_long: 0,
            last: Vec::new(),
            is_behind: false,
            matched: Vec::new(),
        })
    }

    /// Wants each pattern to match so many lines.
    pub(crate) fn set_times(&mut self, times: u64) {
        for pattern in &mut self.patterns {
            pattern.times = times;
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.patterns.iter().all(Sought::is_complete)
    }

    /// Whether the last look ended before the log did.
    pub(crate) fn is_behind(&self) -> bool {
        self.is_behind
    }

    pub(crate) fn path(&self) -> &Path {
        self.follower.path()
    }

    /// Reads what is new, or the first part of it if that is much, and answers
    /// whether every pattern has matched. `is_final`: nobody writes any
    /// more, so that all of it is read and the last line is whole.
    pub(crate) fn check(
        &mut self,
        driver: &str,
        is_final: bool,
        extracts: &mut Extracts,
    ) -> Result<bool, LogError> {
        let failed = |path: &Path, source| LogError::Read {
            driver: driver.to_owned(),
            path: path.to_owned(),
            source,
        };
        if let Some(since) = self.since.take() {
            let sought = self.follower.seek_after(since);
            sought.map_err(|source| failed(self.path(), source))?;
        }
        let mut left = if is_final {
            // A child that was left behind may write on.
            std::fs::metadata(self.path()).map_or(0, |file| file.len())
        } else {
            0
        };
        self.is_behind = false;
        loop {
            match self.follower.advance() {
                Ok(Advance::Line) => {}
                Ok(Advance::Pause) => {
                    // Between two looks a start can be aborted, or be too late.
                    left = left.saturating_sub(ONE_LOOK as u64);
                    self.is_behind = left == 0;
                    if self.is_behind {
                        break;
                    }
                    continue;
                }
                Ok(Advance::End) => break,
                Err(source) => return Err(failed(self.path(), source)),
            }
            self.lines += 1;
            let line = self.follower.line();
            self.too_long += u64::from(line.extent == Extent::Beginning);
            if look(&mut self.patterns, line, driver, extracts)? {
                self.matched.push(shown(line.bytes));
            }
            keep(&mut self.last, line.bytes);
        }
        for pattern in &mut self.patterns {
            pattern.is_unfinished = false;
            pattern.finds_unfinished = false;
        }
        if let Some(line) = self.follower.partial(is_final) {
            if look(&mut self.patterns, line, driver, extracts)? {
                self.matched.push(shown(line.bytes));
            }
            keep(&mut self.last, line.bytes);
        }
        Ok(self.is_complete())
    }

    /// What is there of the log.
    fn seen(&self) -> String {
        match self.lines {
            0 if !self.path().exists() => "the file does not exist".to_owned(),
            0 if self.last.is_empty() && self.follower.is_at_beginning() => {
                "the file is empty".to_owned()
            }
            0 if self.last.is_empty() => "nothing was written to it since the start".to_owned(),
            lines => format!(
                "after {}; the last is {:?}",
                standin_error::text::Count(usize::try_from(lines).unwrap_or(usize::MAX), "line"),
                shown(&self.last)
            ),
        }
    }

    /// Notes which patterns have matched so far and which lines did, and what was there instead.
    pub(crate) fn record(&mut self, tape: &DriverTape) {
        let matched = std::mem::take(&mut self.matched);
        let log = self.path().file_name().unwrap_or_default();
        let log = log.to_string_lossy();
        for line in matched {
            tape.logged(&log, &line);
        }
        let option = self.option.trim_matches('`');
        for pattern in &self.patterns {
            let condition = format!("{option} `{}` in {log}", pattern.regex.as_str());
            tape.probed(&condition, &self.seen(), pattern.is_complete());
        }
    }
}

/// What is missing, for a timeout to show.
impl fmt::Display for Regexps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path().display();
        write!(f, "unmatched {} in {path}:", self.option)?;
        for pattern in self
            .patterns
            .iter()
            .filter(|pattern| !pattern.is_complete())
        {
            write!(f, "\n  `{}`", pattern.regex.as_str())?;
            if pattern.times > 1 {
                write!(f, ", {} times (found {})", pattern.times, pattern.found)?;
            }
            if let Some(line) = &pattern.inside {
                write!(
                    f,
                    " (a match begins at the beginning of a line; put `.*` in front to find it within {line:?})"
                )?;
            }
            if pattern.is_unfinished {
                write!(
                    f,
                    " (it matches the last line, but the end of that line is not written yet, and what a group captures there may be half of it)"
                )?;
            }
        }
        write!(f, "\n  {}", self.seen())?;
        if self.too_long > 0 {
            let limit = LONGEST >> 20;
            write!(
                f,
                "; of {} only the first {limit} MiB were looked at",
                self.too_long
            )?;
        }
        Ok(())
    }
}

/// Answers whether some pattern was still to match, and does.
fn look(
    patterns: &mut [Sought],
    line: Line<'_>,
    driver: &str,
    extracts: &mut Extracts,
) -> Result<bool, LogError> {
    let mut is_wanted = false;
    for pattern in patterns {
        let was_wanted = !pattern.is_complete();
        let found = match line.matches(&pattern.regex) {
            LineMatch::Whole(found) => found,
            LineMatch::Inside => {
                if pattern.found == 0 && pattern.inside.is_none() {
                    pattern.inside = Some(shown(line.bytes));
                }
                continue;
            }
            LineMatch::Undecided(_) => {
                pattern.is_unfinished = line.extent == Extent::Unfinished;
                continue;
            }
            LineMatch::No => continue,
        };
        if line.extent == Extent::Unfinished {
            pattern.finds_unfinished = true;
        } else {
            pattern.found += 1;
        }
        is_wanted |= was_wanted;
        for (group, value) in found.groups {
            let value = String::from_utf8(value).map_err(|_| LogError::NotText {
                driver: driver.to_owned(),
                group: group.clone(),
                line: shown(line.bytes),
            })?;
            extracts.insert(group, value);
        }
    }
    Ok(is_wanted)
}

/// Remembers as much of a line as is ever shown: lines may be many, and long.
pub(crate) fn keep(last: &mut Vec<u8>, line: &[u8]) {
    last.clear();
    // A character has up to four bytes, and one more says that there was more.
    last.extend_from_slice(&line[..line.len().min(4 * SHOWN + 4)]);
}

pub(crate) fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(without_end(line));
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}

/// Looks for patterns in a file as it is now: whether all match, what their
/// named groups captured, and which did not match. A file that is not there
/// matches nothing. Each pattern has to match from the beginning of some line.
///
/// # Errors
///
/// Returns an error if the file cannot be read, a pattern is not one, or a captured value is not
/// UTF-8.
///
/// ```
/// use standin_config::Pattern;
///
/// # fn main() -> standin_entity::Result<()> {
/// # let folder = tempfile::tempdir().expect("a directory");
/// # let path = folder.path().join("app.log");
/// # std::fs::write(&path, "listening on 4242\n").expect("it is ours");
/// let patterns = [Pattern::from(r"listening on (?<port>\d+)"), Pattern::from("ready")];
/// let found = standin_driver::match_regexps_in_file(&path, &patterns)?;
/// assert!(!found.all_matched);
/// assert_eq!(found.extracts["port"], "4242");
/// assert_eq!(found.unmatched, [Pattern::from("ready")]);
/// # Ok(())
/// # }
/// ```
pub fn match_regexps_in_file(
    path: impl AsRef<Path>,
    patterns: &[Pattern],
) -> Result<FileMatches, LogError> {
    let path = path.as_ref();
    let failed = |source| LogError::Pattern {
        driver: path.display().to_string(),
        source,
    };
    let mut regexps = Regexps::new("patterns", path, patterns, End::default()).map_err(failed)?;
    let mut extracts = Extracts::new();
    let all_matched = regexps.check(&path.display().to_string(), true, &mut extracts)?;
    let unmatched = regexps
        .patterns
        .iter()
        .zip(patterns)
        .filter(|(sought, _)| !sought.is_complete())
        .map(|(_, pattern)| pattern.clone())
        .collect();
    Ok(FileMatches {
        all_matched,
        extracts,
        unmatched,
    })
}

/// The result of [`match_regexps_in_file`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileMatches {
    /// Whether every pattern matched.
    pub all_matched: bool,
    /// The captured values of named groups; of several matches the last.
    pub extracts: IndexMap<String, String>,
    /// The patterns that did not match.
    pub unmatched: Vec<Pattern>,
}
