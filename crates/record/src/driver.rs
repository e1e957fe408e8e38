//! [`DriverTape`]: what is recorded of the life of one driver.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use standin_sync::Unpoisoned;

use crate::address::Address;
use crate::clock::Tick;
use crate::event::Event;
use crate::place::Place;
use crate::tape::{Others, Tape};
use crate::tapes::Tapes;
use crate::transcript::{Line, Probe, ProgramEnd, Setting, Step, Story, Transcript};

/// How many steps, conditions and lines of a driver are kept, and how much of a text.
const STEPS: usize = 128;
const PROBES: usize = 32;
const LINES: usize = 64;
const TEXT: usize = 512;

/// How many steps a life usually has.
const USUAL_STEPS: usize = 10;

/// The recording of one driver: its steps, its readiness conditions, lines of its logs, its end;
/// and its connections.
///
/// [`Recorder::driver`](crate::Recorder::driver) returns it; clones share the recording. At most
/// some 100 KiB are kept; texts are cut after 512 bytes, and the oldest are dropped first.
#[derive(Clone)]
pub struct DriverTape(Arc<Driver>);

struct Driver {
    name: Arc<str>,
    tapes: Arc<Tapes>,
    connections: AtomicUsize,
    life: Mutex<Life>,
}

#[derive(Default)]
struct Life {
    kind: String,
    waits_for: Vec<String>,
    settings: Vec<Setting>,
    steps: VecDeque<Open>,
    probes: Vec<(Tick, Tick, Probe)>,
    lines: VecDeque<(Tick, Line)>,
    exit: Option<(Tick, ProgramEnd)>,
    dropped: u64,
}

/// A step that is under way, or over.
struct Open {
    name: &'static str,
    began: Tick,
    ended: Option<Tick>,
    error: Option<Box<str>>,
}

impl DriverTape {
    pub(crate) fn new(name: Arc<str>, tapes: Arc<Tapes>) -> Self {
        Self(Arc::new(Driver {
            name,
            tapes,
            connections: AtomicUsize::new(0),
            life: Mutex::default(),
        }))
    }

    /// `text` as it would be kept: without what must not be.
    pub fn redacted(&self, text: &str) -> String {
        self.0.tapes.shared().redact.text(text)
    }

    /// Returns the name of the driver.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Adds a connection of the driver, from when it was connected or accepted: `opening` says
    /// which. Connections of a driver are numbered in the order in which they are added.
    pub fn connection(
        &self,
        opening: &Event,
        local: impl Into<Address>,
        peer: impl Into<Address>,
        place: Option<Place>,
    ) -> Arc<Tape> {
        let index = self.0.connections.fetch_add(1, Ordering::Relaxed);
        let name = Arc::clone(&self.0.name);
        let ends = [local.into(), peer.into()];
        self.0.tapes.add(name, index, opening, ends, place)
    }

    pub(crate) fn transcript(&self) -> Transcript {
        let tapes = self.0.tapes.all().0;
        let own = tapes.iter().filter(|tape| tape.is_of(&self.0.name));
        Transcript {
            conversations: own.map(|tape| tape.conversation()).collect(),
            names: self.0.tapes.names(),
            ..Transcript::default()
        }
    }

    pub(crate) fn has_connections(&self) -> bool {
        self.0.connections.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn begin(&self) -> Tick {
        self.0.tapes.shared().begin
    }

    /// Sets the kind of the driver, such as `tcp-server`.
    pub fn set_kind(&self, kind: impl Into<String>) {
        self.life().kind = kind.into();
    }

    /// The options of the driver with where each comes from.
    pub fn set_settings(&self, settings: impl IntoIterator<Item = Setting>) {
        let settings = settings.into_iter().map(|setting| Setting {
            value: self.cut(&setting.value),
            ..setting
        });
        let settings = settings.collect();
        self.life().settings = settings;
    }

    /// Sets the drivers that its start waits for.
    pub fn set_waits_for(&self, names: impl IntoIterator<Item = String>) {
        let names = names.into_iter().collect();
        self.life().waits_for = names;
    }

    /// A step of the driver's life begins, such as `starting`. With [`Step::START`] a new life
    /// does: what was asked before it was ready, and how it ended, is of the former one.
    pub fn step_began(&self, name: &'static str) {
        let now = Tick::now();
        self.life().begin(now, name);
    }

    /// A step is under way that may have been before: it begins if it has not yet.
    pub fn step_goes_on(&self, name: &'static str) {
        let now = Tick::now();
        let mut life = self.life();
        if life.open(name).is_none() {
            life.begin(now, name);
        }
    }

    /// The latest step of that name is over, with the message of its error if it failed. Does
    /// nothing if it is over already.
    pub fn step_ended(&self, name: &str, error: Option<&str>) {
        let now = Tick::now();
        let error = error.map(|error| self.cut(error).into());
        if let Some(step) = self.life().open(name) {
            step.ended = Some(now);
            step.error = error;
        }
    }

    /// Every step that is under way is over, and this is why.
    pub fn steps_ended(&self, error: &str) {
        let now = Tick::now();
        let error: Box<str> = self.cut(error).into();
        let mut life = self.life();
        let open = life.steps.iter_mut().filter(|step| step.ended.is_none());
        for step in open {
            step.ended = Some(now);
            step.error = Some(error.clone());
        }
    }

    /// It was asked whether a condition of its readiness holds. Of each condition the first
    /// time, the last answer and how often it was asked are kept.
    pub fn probed(&self, condition: &str, answer: &str, is_met: bool) {
        let now = Tick::now();
        let (condition, answer) = (self.cut(condition), self.cut(answer));
        let mut life = self.life();
        let mut probes = life.probes.iter_mut();
        if let Some((_, last, probe)) = probes.find(|(_, _, probe)| probe.condition == condition) {
            *last = now;
            probe.count += 1;
            probe.answer = answer;
            probe.is_met = is_met;
            return;
        }
        if life.probes.len() == PROBES {
            life.probes.remove(0);
            life.dropped += 1;
        }
        let probe = Probe {
            condition,
            answer,
            is_met,
            count: 1,
            ..Probe::default()
        };
        life.probes.push((now, now, probe));
    }

    /// A condition holds now, if it was asked before whether it does.
    pub fn met(&self, condition: &str) {
        if self.life().probes.is_empty() {
            return;
        }
        let condition = self.cut(condition);
        let mut life = self.life();
        let mut probes = life.probes.iter_mut();
        if let Some((_, last, probe)) = probes.find(|(_, _, probe)| probe.condition == condition) {
            *last = Tick::now();
            probe.count += 1;
            probe.is_met = true;
        }
    }

    /// A line of one of its logs that matters: what it was looked for, or what it printed at
    /// last.
    pub fn logged(&self, log: &str, line: &str) {
        let now = Tick::now();
        let line = Line {
            log: self.cut(log),
            text: self.cut(line),
            ..Line::default()
        };
        let mut life = self.life();
        if life.lines.len() == LINES {
            life.lines.pop_front();
            life.dropped += 1;
        }
        life.lines.push_back((now, line));
    }

    /// Its program ended: how, and whether it should end like that. The first time since its start
    /// counts.
    pub fn exited(&self, how: &str, is_expected: bool) {
        let now = Tick::now();
        let end = ProgramEnd {
            how: self.cut(how),
            is_expected,
            ..ProgramEnd::default()
        };
        self.life().exit.get_or_insert((now, end));
    }

    pub(crate) fn story(&self) -> Story {
        let at = |tick: Tick| tick.since(self.0.tapes.shared().begin);
        let life = self.life();
        let steps = life.steps.iter().map(|step| Step {
            name: step.name.to_owned(),
            at: at(step.began),
            took: step.ended.map(|ended| ended.since(step.began)),
            error: step.error.as_deref().map(str::to_owned),
        });
        let probes = life.probes.iter().map(|(first, last, probe)| Probe {
            first: at(*first),
            last: at(*last),
            ..probe.clone()
        });
        let lines = life.lines.iter().map(|(time, line)| Line {
            at: at(*time),
            ..line.clone()
        });
        let exit = life.exit.as_ref().map(|(time, end)| ProgramEnd {
            at: at(*time),
            ..end.clone()
        });
        Story {
            name: Arc::clone(&self.0.name),
            kind: life.kind.clone(),
            waits_for: life.waits_for.clone(),
            settings: life.settings.clone(),
            steps: steps.collect(),
            probes: probes.collect(),
            lines: lines.collect(),
            exit,
            dropped: life.dropped,
        }
    }

    fn life(&self) -> std::sync::MutexGuard<'_, Life> {
        self.0.life.lock().unpoisoned()
    }

    /// A text without what must not be kept, and not longer than what is kept.
    fn cut(&self, text: &str) -> String {
        // An expression may need more to match than what is kept of it.
        let mut text = self.0.tapes.shared().redact.text(text);
        if text.len() > TEXT {
            let end = (0..=TEXT).rev().find(|end| text.is_char_boundary(*end));
            text.truncate(end.unwrap_or(0));
            text.push('…');
        }
        text
    }
}

impl Life {
    fn begin(&mut self, now: Tick, name: &'static str) {
        if name == Step::START {
            self.probes.clear();
            self.exit = None;
        }
        if self.steps.len() == STEPS {
            self.steps.pop_front();
            self.dropped += 1;
        }

        self.steps
            .reserve(USUAL_STEPS.saturating_sub(self.steps.len()));
        self.steps.push_back(Open {
            name,
            began: now,
            ended: None,
            error: None,
        });
    }

    /// The latest step of that name, if it is not over.
    fn open(&mut self, name: &str) -> Option<&mut Open> {
        let mut steps = self.steps.iter_mut().rev();
        steps.find(|step| step.name == name && step.ended.is_none())
    }
}

impl fmt::Debug for DriverTape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DriverTape").field(&self.0.name).finish()
    }
}

/// How long something took, or until `now` if it is not over.
pub(crate) fn until(step: &Step, now: Duration) -> Duration {
    step.took.unwrap_or_else(|| now.saturating_sub(step.at))
}
