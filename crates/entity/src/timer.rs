//! Named intervals of time.

use std::time::{Duration, Instant};

use indexmap::IndexMap;
use jiff::Timestamp;
use miette::Diagnostic;
use serde::ser::{Serialize, SerializeStruct, Serializer};
use thiserror::Error;

/// A stretch of time: begun, and perhaps ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    started_at: Timestamp,
    started: Instant,
    elapsed: Option<Duration>,
}

impl Interval {
    fn begin() -> Self {
        Self {
            started_at: Timestamp::now(),
            started: Instant::now(),
            elapsed: None,
        }
    }

    /// When it began, by the wall clock.
    #[must_use]
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// Whether it has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.elapsed.is_some()
    }

    /// How long it took, by the monotonic clock; `None` while it lasts.
    #[must_use]
    pub fn elapsed(&self) -> Option<Duration> {
        self.elapsed
    }
}

impl Serialize for Interval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Interval", 2)?;
        fields.serialize_field("started_at", &self.started_at.to_string())?;
        fields.serialize_field("seconds", &self.elapsed.map(|e| e.as_secs_f64()))?;
        fields.end()
    }
}

/// Ending an interval that was not begun.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
#[error("interval `{name}` has not been started, or has ended already")]
#[diagnostic(
    code(standin::entity::interval_not_started),
    help("call `start(\"{name}\")` before `end(\"{name}\")`")
)]
#[non_exhaustive]
pub struct IntervalError {
    /// The interval's name.
    pub name: String,
}

/// Named intervals, each name as often as it happened, in the order of their
/// first beginning.
///
/// ```
/// use standin_entity::Timer;
///
/// let mut timer = Timer::new();
/// timer.start("setup");
/// timer.end("setup")?;
/// assert!(timer.last("setup").is_some_and(|interval| interval.has_ended()));
/// assert!(timer.end("setup").is_err());
/// # Ok::<(), standin_entity::IntervalError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timer {
    intervals: IndexMap<String, Vec<Interval>>,
}

impl Timer {
    /// From `start` to the end of the stop.
    pub const LIFESPAN: &'static str = "lifespan";
    /// From `start` to `Started`.
    pub const SETUP: &'static str = "setup";
    /// From `stop` to `Stopped`.
    pub const TEARDOWN: &'static str = "teardown";

    /// Without intervals.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins an interval.
    pub fn start(&mut self, name: &str) {
        match self.intervals.get_mut(name) {
            Some(intervals) => intervals.push(Interval::begin()),
            None => {
                self.intervals
                    .insert(name.to_owned(), vec![Interval::begin()]);
            }
        }
    }

    /// Ends the latest interval of this name and answers with its length.
    ///
    /// # Errors
    ///
    /// [`IntervalError`] when none is open.
    pub fn end(&mut self, name: &str) -> Result<Duration, IntervalError> {
        match self
            .intervals
            .get_mut(name)
            .and_then(|intervals| intervals.last_mut())
        {
            Some(interval) if !interval.has_ended() => {
                let elapsed = interval.started.elapsed();
                interval.elapsed = Some(elapsed);
                Ok(elapsed)
            }
            _ => Err(IntervalError {
                name: name.to_owned(),
            }),
        }
    }

    /// Ends the latest interval of this name if it is open.
    pub(crate) fn close(&mut self, name: &str) {
        let _ = self.end(name);
    }

    /// All intervals of this name, oldest first.
    #[must_use]
    pub fn get(&self, name: &str) -> &[Interval] {
        self.intervals.get(name).map_or(&[], Vec::as_slice)
    }

    /// The latest interval of this name.
    #[must_use]
    pub fn last(&self, name: &str) -> Option<&Interval> {
        self.get(name).last()
    }

    /// Every name with its intervals.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Interval])> {
        self.intervals
            .iter()
            .map(|(name, intervals)| (name.as_str(), intervals.as_slice()))
    }

    /// Adds copies of all intervals of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (name, intervals) in &other.intervals {
            self.intervals
                .entry(name.clone())
                .or_default()
                .extend_from_slice(intervals);
        }
    }
}

impl Serialize for Timer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.intervals.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ending_what_was_not_begun_names_it() {
        let error = Timer::new().end("setup").unwrap_err();
        assert_eq!(
            error.to_string(),
            "interval `setup` has not been started, or has ended already"
        );
    }

    #[test]
    fn merging_copies() {
        let (mut a, mut b) = (Timer::new(), Timer::new());
        b.start("k");
        a.merge(&b);
        a.start("k");
        assert_eq!((a.get("k").len(), b.get("k").len()), (2, 1));
    }
}
