//! The report: a tree of what happened to entities.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::status::Status;
use crate::timer::Timer;

/// A report on an entity and its children: a copy, taken at one time. Serialises to JSON and the
/// like; the fields are the format.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The entity's name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Its status; of an entity that is not a resource, `NONE`.
    pub status: Status,
    /// Whether it was aborted, and so what follows may be incomplete.
    pub aborted: bool,
    /// Its intervals: `setup`, `teardown`, `lifespan` and its own.
    pub timer: Timer,
    /// Its own events, in order. Of very many the latest are kept.
    pub events: Vec<Event>,
    /// Its failures, in order. Of very many the first and the latest are kept.
    pub failures: Vec<Failure>,
    /// How many failures between those are not kept.
    pub failures_omitted: usize,
    /// Notes that are not failures, in order, such as a process that had to be killed. Of very many
    /// the first are kept.
    pub notes: Vec<String>,
    /// The reports of its children, in the order in which they joined. Of very many that no longer
    /// exist the latest are kept, and those with failures.
    pub children: Vec<Report>,
}

impl Report {
    /// Returns whether nothing failed, here and below.
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.aborted && self.failures.is_empty() && self.children.iter().all(Self::passed)
    }

    /// This report and all below it, parents first.
    pub fn walk(&self) -> impl Iterator<Item = &Report> {
        let mut stack = vec![self];
        std::iter::from_fn(move || {
            let report = stack.pop()?;
            stack.extend(report.children.iter().rev());
            Some(report)
        })
    }
}

impl Report {
    /// Everything that happened, here and below, in the order in which it happened, each
    /// with the report of that to which it did.
    pub fn history(&self) -> impl Iterator<Item = (&Report, &Event)> {
        let of = |report| Report::events_of(report);
        let mut all: Vec<_> = self.walk().flat_map(of).collect();
        all.sort_by_key(|(_, event)| event.number);
        all.into_iter()
    }

    fn events_of(&self) -> impl Iterator<Item = (&Report, &Event)> {
        self.events.iter().map(move |event| (self, event))
    }
}

/// The tree as text, for people: a line for each entity with its status and
/// how long its intervals took, and below it what went wrong.
///
/// ```text
/// environment[exchange], setup 0.9ms, teardown 0.2ms
///   TcpServer[server] STOPPED, setup 0.2ms, lifespan 4.1ms, teardown 0.1ms
/// ```
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

impl Report {
    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let indent = "  ".repeat(depth);
        write!(f, "{indent}{}[{}]", self.kind, self.name)?;
        if self.status != Status::None {
            write!(f, " {}", self.status)?;
        }
        if self.aborted {
            f.write_str(", aborted")?;
        }
        for (name, intervals) in self.timer.iter() {
            match intervals.last().map(|last| last.elapsed()) {
                Some(Some(elapsed)) => write!(f, ", {name} {elapsed:.1?}")?,
                Some(None) => write!(f, ", {name} not ended")?,
                None => {}
            }
        }
        writeln!(f)?;
        for failure in &self.failures {
            let message = failure.message.replace('\n', &format!("\n{indent}    "));
            writeln!(f, "{indent}  {} failed: {message}", failure.during)?;
        }
        for note in &self.notes {
            let note = note.replace('\n', &format!("\n{indent}    "));
            writeln!(f, "{indent}  note: {note}")?;
        }
        self.children
            .iter()
            .try_for_each(|child| child.write(f, depth + 1))
    }
}

/// Something that happened to an entity. Prints as what it is, such as `STARTED`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// When.
    pub at: SystemTime,
    /// What.
    pub what: What,
    /// Counts the events of all entities: the clock may give two of them one time.
    number: u64,
}

/// An event of an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// It has this status now.
    Entered(Status),
    /// This operation failed: `start`, `stop`, ...
    Failed(String),
    /// It was aborted.
    Aborted,
}

impl Event {
    /// Returns the number of the event among those of all entities of the process: a reader that
    /// has seen the events up to a number continues with the next one.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    fn now(what: What) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        Self {
            at: SystemTime::now(),
            what,
            number: NUMBER.fetch_add(1, Ordering::SeqCst),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Entered(status) => status.fmt(f),
            What::Failed(during) => write!(f, "{during} failed"),
            What::Aborted => f.write_str("aborted"),
        }
    }
}

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The operation: `start`, `stop`, `abort`, ...
    pub during: String,
    /// The error, as its report shows it.
    pub message: String,
}

// By hand, as the other few that are serialised: serde's derive would cost each user a build of it.
impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Report", 10)?;
        fields.serialize_field("name", &self.name)?;
        fields.serialize_field("kind", &self.kind)?;
        fields.serialize_field("status", &self.status)?;
        fields.serialize_field("aborted", &self.aborted)?;
        fields.serialize_field("timer", &self.timer)?;
        fields.serialize_field("events", &self.events)?;
        fields.serialize_field("failures", &self.failures)?;
        fields.serialize_field("failures_omitted", &self.failures_omitted)?;
        fields.serialize_field("notes", &self.notes)?;
        fields.serialize_field("children", &self.children)?;
        fields.end()
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Event", 2)?;
        let at = humantime::format_rfc3339(self.at);
        fields.serialize_field("at", &at.to_string())?;
        fields.serialize_field("what", &self.to_string())?;
        fields.end()
    }
}

impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Failure", 2)?;
        fields.serialize_field("during", &self.during)?;
        fields.serialize_field("message", &self.message)?;
        fields.end()
    }
}

/// What the report says of one entity, as it is now.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    status: Status,
    abort: Abort,
    pub(crate) timer: Timer,
    events: VecDeque<Event>,
    failures: Vec<Failure>,
    failures_omitted: usize,
    notes: Vec<String>,
}

/// How far the abort of an entity is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Abort {
    #[default]
    No,
    /// Every wait ends; `aborting` is still to be called.
    Requested,
    /// A thread is at it.
    Running,
    Done,
}

impl Facts {
    /// So many of the first, and so many of the latest.
    const FAILURES_KEPT: usize = 50;

    /// So many of the latest.
    const EVENTS_KEPT: usize = 256;

    fn happened(&mut self, what: What) {
        if self.events.len() == Self::EVENTS_KEPT {
            self.events.pop_front();
        }
        self.events.push_back(Event::now(what));
    }

    pub(crate) fn set_status(&mut self, status: Status) {
        self.status = status;
        self.happened(What::Entered(status));
    }

    pub(crate) fn abort(&self) -> Abort {
        self.abort
    }

    pub(crate) fn set_abort(&mut self, abort: Abort) {
        let former = std::mem::replace(&mut self.abort, abort);
        if abort == Abort::Done && former != Abort::Done {
            self.happened(What::Aborted);
        }
    }

    pub(crate) fn add_failure(&mut self, during: String, message: String) {
        if self.failures.len() >= 2 * Self::FAILURES_KEPT {
            self.failures.remove(Self::FAILURES_KEPT);
            self.failures_omitted += 1;
        }
        self.happened(What::Failed(during.clone()));
        self.failures.push(Failure { during, message });
    }

    pub(crate) fn add_note(&mut self, note: String) {
        if self.notes.len() < 2 * Self::FAILURES_KEPT {
            self.notes.push(note);
        }
    }

    /// The report, of the entity alone.
    pub(crate) fn report(&self, kind: &str, name: &str) -> Report {
        Report {
            name: name.to_owned(),
            kind: kind.to_owned(),
            status: self.status,
            aborted: self.abort == Abort::Done,
            timer: self.timer.clone(),
            events: self.events.iter().cloned().collect(),
            failures: self.failures.clone(),
            failures_omitted: self.failures_omitted,
            notes: self.notes.clone(),
            children: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_very_many_failures_the_first_and_the_latest_are_kept() {
        let mut facts = Facts::default();
        for number in 0..1000 {
            facts.add_failure("start".to_owned(), number.to_string());
        }
        let report = facts.report("entity", "e");
        let kept: Vec<&str> = report.failures.iter().map(|f| f.message.as_str()).collect();
        assert_eq!(
            (kept[0], kept[49], kept[50], kept[99]),
            ("0", "49", "950", "999")
        );
        assert_eq!(report.failures_omitted + kept.len(), 1000);
    }

    #[test]
    fn of_very_many_events_the_latest_are_kept_in_order() {
        let (mut a, mut b) = (Facts::default(), Facts::default());
        for _ in 0..1000 {
            a.set_status(Status::Starting);
            b.set_status(Status::Started);
        }
        a.set_abort(Abort::Done);
        let mut report = a.report("entity", "a");
        report.children.push(b.report("entity", "b"));
        assert_eq!(report.events.len(), Facts::EVENTS_KEPT);
        let latest: Vec<_> = report
            .history()
            .map(|(who, event)| format!("{} {event}", who.name))
            .collect();
        assert_eq!(
            latest[latest.len() - 3..],
            ["a STARTING", "b STARTED", "a aborted"]
        );
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["children"][0]["events"][0]["what"], "STARTED");
        assert!(json["events"][0]["at"].is_string());
    }
}
