use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use standin_error::text::Count;

use super::conversation::Conversation;
use super::cut::{Cut, Place};
use crate::counted::counted;
use crate::{FaultKind, random};

/// The outcome of a run with a cut.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The test has passed, as it should.
    Passed,
    /// The test has failed: the error.
    Failed(String),
    /// The test has taken too long, and was ended.
    Hung,
    /// The test has passed, and the place of the cut did not come: this run went another way.
    NotReached,
}

impl Outcome {
    /// Returns whether the cut has found something.
    pub fn is_failure(&self) -> bool {
        matches!(self, Outcome::Failed(_) | Outcome::Hung)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outcome::Passed => "passed",
            Outcome::Failed(_) => "FAILED",
            Outcome::Hung => "HUNG",
            Outcome::NotReached => "not reached",
        })
    }
}

/// A run with a cut.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CutResult {
    /// The cut.
    pub cut: Cut,
    /// The outcome.
    pub outcome: Outcome,
    /// How long the run has taken.
    pub took: Duration,
    /// Which frame, or piece of bytes, of the whole conversation it cuts, counted from 0.
    pub(super) entry: usize,
}

/// The results of [`EveryCut`](crate::EveryCut): displays as a table.
#[derive(Clone, Debug)]
pub struct CutReport {
    pub(super) conversation: Conversation,
    /// In the order of the conversation.
    pub(super) results: Vec<CutResult>,
    pub(super) kinds: Vec<FaultKind>,
    pub(super) notes: Vec<String>,
    pub(super) took: Duration,
    pub(super) seed: u64,
}

impl CutReport {
    /// Returns all runs with a cut, in the order of the conversation: the smallest cut first.
    pub fn results(&self) -> &[CutResult] {
        &self.results
    }

    /// Returns the cuts for which the test failed or hung, the smallest cut first.
    pub fn failures(&self) -> impl Iterator<Item = &CutResult> {
        self.results
            .iter()
            .filter(|result| result.outcome.is_failure())
    }

    /// Returns the remarks: that two runs without a cut differ, that positions were left out.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns whether two runs of the test without a cut went the same way.
    pub fn is_deterministic(&self) -> bool {
        !self.notes.iter().any(|note| note.starts_with(DIFFERS))
    }

    /// Returns how long all of it has taken.
    pub fn took(&self) -> Duration {
        self.took
    }

    /// Returns the seed of the proxies: with it, each run can be repeated.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    fn count(&self, is_meant: impl Fn(&Outcome) -> bool) -> usize {
        let results = self.results.iter();
        results.filter(|result| is_meant(&result.outcome)).count()
    }
}

/// How the note begins that two runs went different ways.
pub(super) const DIFFERS: &str = "the runs without a cut differ";

/// How many frames are shown around a cut.
const AROUND: usize = 8;

impl fmt::Display for CutReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "every cut: {}, {} in {:.1} s, seed {}",
            self.conversation.summary(),
            Count(self.results.len(), "run"),
            self.took.as_secs_f64(),
            self.seed
        )?;
        write!(
            f,
            "{} passed, {} failed, {} hung",
            self.count(|outcome| *outcome == Outcome::Passed),
            self.count(|outcome| matches!(outcome, Outcome::Failed(_))),
            self.count(|outcome| *outcome == Outcome::Hung),
        )?;
        match self.count(|outcome| *outcome == Outcome::NotReached) {
            0 => writeln!(f)?,
            count => writeln!(f, ", {count} not reached")?,
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        if let Some(smallest) = self.failures().next() {
            self.show(f, smallest)?;
        }
        self.table(f)
    }
}

impl CutReport {
    /// A run that has failed, with the conversation up to its cut.
    fn show(&self, f: &mut fmt::Formatter<'_>, result: &CutResult) -> fmt::Result {
        writeln!(f, "\nthe smallest cut that breaks it: {}", result.cut)?;
        let entries = &self.conversation.entries;
        let first = (result.entry + 1).saturating_sub(AROUND);
        if first > 0 {
            writeln!(f, "  {} before", Count(first, "entry"))?;
        }
        for (number, entry) in entries
            .iter()
            .enumerate()
            .take(result.entry + 1)
            .skip(first)
        {
            let head = entry.head.escape_ascii();
            let rest = if (entry.head.len() as u64) < entry.size {
                "..."
            } else {
                ""
            };
            write!(f, "  {}  \"{head}{rest}\"", entry.line)?;
            if number == result.entry {
                match result.cut.place {
                    Place::Frame { offset: 0, .. } => write!(f, "  <- {}", result.cut.kind)?,
                    Place::Frame { offset, .. } => {
                        let (kind, bytes) = (result.cut.kind, counted(offset, "byte"));
                        write!(f, "  <- {kind} after {bytes} of it")?;
                    }
                    Place::Byte(byte) => write!(f, "  <- {} at byte {byte}", result.cut.kind)?,
                }
            }
            writeln!(f)?;
        }
        match &result.outcome {
            Outcome::Failed(error) => {
                for line in error.lines() {
                    writeln!(f, "    {line}")?;
                }
            }
            outcome => writeln!(f, "    {outcome} after {:.1} s", result.took.as_secs_f64())?,
        }
        let (cut, seed) = (super::VARIABLE, random::VARIABLE);
        let Self { seed: number, .. } = self;
        writeln!(f, "  again: {cut}={} {seed}={number}", result.cut)
    }

    /// A line for each place, a column for each fault.
    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut places: Vec<String> = Vec::new();
        let mut cells: BTreeMap<(String, String), String> = BTreeMap::new();
        for result in &self.results {
            let place = result.cut.boundary();
            if places.last() != Some(&place) {
                places.push(place.clone());
            }
            let column = result.cut.kind.to_string();
            cells.insert((place, column), result.outcome.to_string());
        }
        let width = places.iter().map(String::len).max().unwrap_or(0).max(5);
        let columns: Vec<String> = self.kinds.iter().map(FaultKind::to_string).collect();
        let mut row = |place: &str, cells: &mut dyn Iterator<Item = &str>| {
            let cells: String = cells.map(|cell| format!("  {cell:11}")).collect();
            writeln!(f, "{}", format!("{place:width$}{cells}").trim_end())
        };
        row("", &mut std::iter::empty())?;
        row("place", &mut columns.iter().map(String::as_str))?;
        for place in &places {
            let cell = |column: &String| {
                let cell = cells.get(&(place.clone(), column.clone()));
                cell.map_or("-", String::as_str)
            };
            row(place, &mut columns.iter().map(cell))?;
        }
        Ok(())
    }
}
