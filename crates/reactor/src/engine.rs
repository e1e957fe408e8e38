//! The loop of the reactor's thread.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use slab::Slab;
use standin_sync::Monitor;

use crate::actor::{Actor, Next, Panicked, Slot, SourceEvent, Turn};
use crate::core::{Core, Key, Request};
use crate::members::Members;
use crate::spin::Spin;
use crate::sys::Alarm;
use crate::timers::Timers;

const WAKER: Token = Token(usize::MAX);
const ALARM: Token = Token(usize::MAX - 1);

/// How many events one poll may bring.
const EVENTS: usize = 1024;

/// In how many rounds actors that always find more to do have had what came before they were asked
/// to settle.
pub(crate) const ROUNDS: u32 = 64;

/// In how many rounds all have acted that were woken before, and those that they have spawned.
pub(crate) const FEW_ROUNDS: u32 = 4;

pub(crate) struct Engine {
    core: Arc<Core<dyn Actor>>,
    poll: Poll,
    spin: Spin,
    alarm: Alarm,
    actors: Slab<Entry>,
    serial: u64,
    timers: Timers,
    /// Those that act without an event.
    due: VecDeque<Key>,
    settling: Vec<Settling>,
    spawned: Vec<(Arc<Members>, Box<dyn Actor>)>,
    is_stopping: bool,
}

struct Entry {
    /// `None` in its turn.
    actor: Option<Box<dyn Actor>>,
    members: Arc<Members>,
    serial: u64,
    wakes_at: Option<Instant>,
    is_new: bool,
    /// It is among those that act without an event.
    is_due: bool,
}

/// A wait until everything that has arrived was processed.
struct Settling {
    members: Arc<Members>,
    done: Arc<Monitor<bool>>,
    rounds: u32,
    most: u32,
}

impl Engine {
    pub(crate) fn new() -> io::Result<(Self, Arc<Core<dyn Actor>>)> {
        let poll = Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), WAKER)?;
        let alarm = Alarm::new(poll.registry(), ALARM)?;
        let core = Arc::new(Core::new(waker));
        let engine = Engine {
            core: Arc::clone(&core),
            poll,
            spin: Spin::new(),
            alarm,
            actors: Slab::new(),
            serial: 0,
            timers: Timers::default(),
            due: VecDeque::new(),
            settling: Vec::new(),
            spawned: Vec::new(),
            is_stopping: false,
        };
        Ok((engine, core))
    }

    /// Runs until the last handle of the reactor is gone.
    pub(crate) fn run(&mut self) {
        self.core.enter();
        let mut events = Events::with_capacity(EVENTS);
        while !self.is_stopping {
            if let Err(error) = self.round(&mut events) {
                tracing::error!(%error, "the reactor's thread cannot go on");
                break;
            }
        }
        for request in self.core.close() {
            match request {
                Request::Settle(_, _, done) | Request::End(_, done) => {
                    done.update(|done| *done = true)
                }
                Request::Spawn(_, actor) => drop_actor(actor),
                Request::Wake(_) | Request::Stop => {}
            }
        }
        for settling in self.settling.drain(..) {
            settling.done.update(|done| *done = true);
        }
        for entry in self.actors.drain() {
            entry.members.left();
            if let Some(actor) = entry.actor {
                drop_actor(actor);
            }
        }
    }

    /// Everything that one poll brings, and what was due before.
    fn round(&mut self, events: &mut Events) -> io::Result<()> {
        let has_work = !self.due.is_empty() || !self.settling.is_empty();
        let timeout = if has_work {
            Some(Duration::ZERO)
        } else {
            self.alarm.set(self.timers.next())?
        };
        match self.spin.poll(&mut self.poll, events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        }
        let mut is_asked = false;
        let mut has_rung = cfg!(not(target_os = "linux"));
        // Those that act again do so after all whose events are here.
        let due = self.due.len();
        for event in events.iter() {
            match event.token() {
                WAKER => is_asked = true,
                ALARM => has_rung = true,
                token => {
                    let (index, slot) = Slot::of(token);
                    // An urgent byte cuts a receive short, which looks as if that were all.
                    let may_hide_more =
                        event.is_read_closed() || event.is_error() || event.is_priority();
                    let event = SourceEvent {
                        slot,
                        may_receive: event.is_readable() || may_hide_more,
                        may_hide_more,
                        has_failed: event.is_error(),
                    };
                    self.act(index, Some(event));
                }
            }
        }
        for _ in 0..due {
            let Some(key) = self.due.pop_front() else {
                break;
            };
            if let Some(entry) = self.entry(key) {
                entry.is_due = false;
                self.act(key.index, None);
            }
        }
        if has_rung {
            self.alarm.rang();
            self.ring();
        }
        self.settle();
        if is_asked {
            self.answer();
        }
        Ok(())
    }

    /// Lets those act whose time has come.
    fn ring(&mut self) {
        let now = Instant::now();
        while let Some(index) = self.timers.pop(now) {
            if let Some(entry) = self.actors.get_mut(index) {
                entry.wakes_at = None;
            }
            self.act(index, None);
        }
    }

    /// Does what other threads have asked.
    fn answer(&mut self) {
        for request in self.core.requests() {
            match request {
                Request::Spawn(members, actor) => self.add(members, actor),
                Request::Wake(key) => self.wake(key),
                Request::Settle(members, most, done) => self.settling.push(Settling {
                    members,
                    done,
                    rounds: 0,
                    most,
                }),
                Request::End(members, done) => {
                    self.end(&members);
                    done.update(|done| *done = true);
                }
                Request::Stop => self.is_stopping = true,
            }
        }
    }

    /// Ends the waits of those whose actors have nothing more to do.
    fn settle(&mut self) {
        if self.settling.is_empty() {
            return;
        }
        let mut settling = std::mem::take(&mut self.settling);
        settling.retain_mut(|settling| {
            settling.rounds += 1;
            let is_done = settling.rounds > 1 && !self.is_at_work(&settling.members);
            if is_done || settling.rounds >= settling.most {
                settling.done.update(|done| *done = true);
                return false;
            }
            true
        });
        self.settling = settling;
    }

    fn is_at_work(&self, members: &Arc<Members>) -> bool {
        self.due.iter().any(|key| {
            let entry = self.actors.get(key.index);
            entry.is_some_and(|entry| {
                entry.serial == key.serial && Arc::ptr_eq(&entry.members, members)
            })
        })
    }

    fn end(&mut self, members: &Arc<Members>) {
        let ended: Vec<usize> = self
            .actors
            .iter()
            .filter(|(_, entry)| Arc::ptr_eq(&entry.members, members))
            .map(|(index, _)| index)
            .collect();
        for index in ended {
            self.remove(index);
        }
    }

    fn add(&mut self, members: Arc<Members>, actor: Box<dyn Actor>) {
        if members.have_ended() {
            return drop_actor(actor);
        }
        members.joined();
        self.serial += 1;
        let serial = self.serial;
        let index = self.actors.insert(Entry {
            actor: Some(actor),
            members,
            serial,
            wakes_at: None,
            is_new: true,
            is_due: false,
        });
        self.act(index, None);
    }

    fn wake(&mut self, key: Key) {
        if let Some(entry) = self.entry(key)
            && !entry.is_due
        {
            entry.is_due = true;
            self.due.push_back(key);
        }
    }

    fn entry(&mut self, key: Key) -> Option<&mut Entry> {
        let entry = self.actors.get_mut(key.index)?;
        (entry.serial == key.serial).then_some(entry)
    }

    fn remove(&mut self, index: usize) {
        let Some(entry) = self.actors.try_remove(index) else {
            return;
        };
        self.timers.replace(index, entry.wakes_at, None);
        if let Some(actor) = entry.actor {
            drop_actor(actor);
        }
        entry.members.left();
    }

    /// Gives an actor its turn. An event may be of one that had the place before: then it is a turn
    /// without a reason.
    fn act(&mut self, index: usize, event: Option<SourceEvent>) {
        let Some(entry) = self.actors.get_mut(index) else {
            return;
        };
        if entry.members.have_ended() {
            return self.remove(index);
        }
        let Some(mut actor) = entry.actor.take() else {
            return;
        };
        let members = Arc::clone(&entry.members);
        let key = Key {
            index,
            serial: entry.serial,
        };
        let before = entry.wakes_at;
        let mut turn = Turn {
            core: &self.core,
            registry: self.poll.registry(),
            members: &members,
            key,
            is_first: std::mem::take(&mut entry.is_new),
            event,
            now: None,
            wakes_at: before,
            spawned: &mut self.spawned,
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| actor.act(&mut turn)));
        let after = turn.wakes_at;
        let next = match outcome {
            Ok(Ok(next)) => next,
            Ok(Err(error)) => {
                tracing::warn!(group = %members.name, %error, "an actor cannot go on");
                Next::Done
            }
            Err(payload) => {
                let panicked = Panicked::new(payload.as_ref());
                self.core.set_busy(None);
                tracing::error!(group = %members.name, %panicked, "an actor cannot go on");
                Next::Done
            }
        };
        // Nobody removes an actor in its turn.
        if let Some(entry) = self.actors.get_mut(index) {
            entry.actor = Some(actor);
            entry.wakes_at = after;
            self.timers.replace(index, before, after);
        }
        match next {
            Next::Wait => {}
            Next::Again => self.wake(key),
            Next::Done => self.remove(index),
        }
        for (members, actor) in std::mem::take(&mut self.spawned) {
            self.add(members, actor);
        }
    }
}

/// Drops an actor, and with it what a user gave it.
fn drop_actor(actor: Box<dyn Actor>) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(actor))) {
        let panicked = Panicked::new(payload.as_ref());
        tracing::error!(%panicked, "an actor that was dropped");
    }
}
