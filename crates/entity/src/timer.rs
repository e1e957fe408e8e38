//! Named intervals of time.

use std::time::{Duration, Instant, SystemTime};

use indexmap::IndexMap;
use miette::Diagnostic;
use serde::ser::{Serialize, SerializeStruct, Serializer};
use thiserror::Error;

/// A stretch of time: begun, and perhaps ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    started_at: SystemTime,
    started: Instant,
    elapsed: Option<Duration>,
}

impl Interval {
    fn begin() -> Self {
        Self {
            started_at: SystemTime::now(),
            started: Instant::now(),
            elapsed: None,
        }
    }

    /// When it began, by the wall clock.
    #[must_use]
    pub fn started_at(&self) -> SystemTime {
        self.started_at
    }

    /// Returns whether it has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.elapsed.is_some()
    }

    /// Returns how long it took, by the monotonic clock; `None` while it lasts.
    #[must_use]
    pub fn elapsed(&self) -> Option<Duration> {
        self.elapsed
    }
}

impl Serialize for Interval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Interval", 2)?;
        let started_at = humantime::format_rfc3339(self.started_at);
        fields.serialize_field("started_at", &started_at.to_string())?;
        fields.serialize_field("seconds", &self.elapsed.map(|e| e.as_secs_f64()))?;
        fields.end()
    }
}

/// Ending an interval that was not begun.
#[derive(Clone, PartialEq, Eq, Error, Diagnostic)]
#[error("interval \"{name}\" has not been started, or has ended already")]
#[diagnostic(
    code(standin::entity::interval_not_started),
    help("call `start(\"{name}\")` before `end(\"{name}\")`")
)]
#[non_exhaustive]
pub struct IntervalError {
    /// The interval's name.
    pub name: String,
}

standin_error::reportable!(IntervalError);

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
    intervals: IndexMap<String, Series>,
}

/// The intervals of one name. Of those that happen again and again only the
/// latest are kept, so that a resource may be restarted for days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Series {
    latest: Vec<Interval>,
    dropped: usize,
}

impl Series {
    /// Twice as many are held before half of them is dropped.
    const KEPT: usize = 128;

    fn push(&mut self, interval: Interval) {
        if self.latest.len() == 2 * Self::KEPT {
            self.latest.drain(..Self::KEPT);
            self.dropped += Self::KEPT;
        }
        self.latest.push(interval);
    }
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
            Some(series) => series.push(Interval::begin()),
            None => {
                let series = Series {
                    latest: vec![Interval::begin()],
                    dropped: 0,
                };
                self.intervals.insert(name.to_owned(), series);
            }
        }
    }

    /// Ends the latest interval of this name and answers with its length.
    ///
    /// # Errors
    ///
    /// Returns [`IntervalError`] if none is open.
    pub fn end(&mut self, name: &str) -> Result<Duration, IntervalError> {
        let series = self.intervals.get_mut(name);
        match series.and_then(|series| series.latest.last_mut()) {
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

    /// Returns the intervals of this name, oldest first: all of them, or the latest
    /// hundred or two where there are more.
    #[must_use]
    pub fn get(&self, name: &str) -> &[Interval] {
        self.intervals
            .get(name)
            .map_or(&[], |series| &series.latest)
    }

    /// Returns how many intervals of this name there were, those not kept included.
    #[must_use]
    pub fn count(&self, name: &str) -> usize {
        self.intervals
            .get(name)
            .map_or(0, |series| series.dropped + series.latest.len())
    }

    /// Returns the latest interval of this name.
    #[must_use]
    pub fn last(&self, name: &str) -> Option<&Interval> {
        self.get(name).last()
    }

    /// Returns every name with its intervals, as [`get`](Timer::get) gives them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Interval])> {
        self.intervals
            .iter()
            .map(|(name, series)| (name.as_str(), series.latest.as_slice()))
    }

    /// Adds copies of all intervals of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (name, theirs) in &other.intervals {
            let ours = self.intervals.entry(name.clone()).or_default();
            ours.dropped += theirs.dropped;
            for interval in &theirs.latest {
                ours.push(*interval);
            }
        }
    }
}

impl Serialize for Timer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
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
            "interval \"setup\" has not been started, or has ended already"
        );
    }

    #[test]
    fn many_intervals_are_counted_and_not_all_kept() {
        let mut timer = Timer::new();
        for _ in 0..10_000 {
            timer.start("setup");
            timer.end("setup").unwrap();
        }
        assert_eq!(timer.count("setup"), 10_000);
        assert!((Series::KEPT..=2 * Series::KEPT).contains(&timer.get("setup").len()));
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
