//! A direction without sockets and without a clock, for tests and the fuzzer.

use std::sync::Arc;
use std::time::Instant;

use crate::control::Shared;
use crate::queue::Act;
use crate::random::Random;
use crate::rule::Rule;
use crate::stream::{Note, Out, Stream};
use crate::{Fault, Link, NewFraming};

/// A direction of one connection. Whenever it waits, the clock advances to that time.
#[derive(Debug)]
pub struct Passage {
    stream: Stream,
    has_frames: bool,
    now: Instant,
    has_ended: bool,
    rules: Vec<Arc<Rule>>,
    got: Got,
}

/// The bytes and events of a receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Got {
    /// The bytes that have arrived.
    pub bytes: Vec<u8>,
    /// The events of the connection, with the number of bytes before each.
    pub(crate) acts: Vec<(usize, Act)>,
    /// The faults that have happened, with the number of bytes received before each.
    pub fired: Vec<(String, u64)>,
}

impl Got {
    /// Returns whether the receiver has seen an end, a close or a reset.
    pub fn is_over(&self) -> bool {
        self.acts.iter().any(|(_, act)| *act != Act::Silence)
    }
}

impl Passage {
    /// Creates a passage that behaves as if there were no proxy.
    pub fn new(framing: Option<&NewFraming>, seed: u64) -> Passage {
        let mut stream = Stream::new(Random::new(seed, 0, 1));
        if let Some(framing) = framing {
            stream.set_framing(framing.make());
        }
        Passage {
            stream,
            has_frames: framing.is_some(),
            now: Instant::now(),
            has_ended: false,
            rules: Vec::new(),
            got: Got::default(),
        }
    }

    /// Uses this link for later bytes.
    pub fn set_link(&mut self, link: Link) {
        let Shared { link, pace } = link.into();
        self.stream.set_link(&link, pace);
    }

    /// Adds a fault. Returns whether it is valid.
    pub fn inject(&mut self, fault: Fault) -> bool {
        if fault.needs_frames() && !self.has_frames {
            return false;
        }
        let Ok(rule) = Rule::new(fault) else {
            return false;
        };
        let rule = Arc::new(rule);
        self.rules.push(Arc::clone(&rule));
        self.stream.arm(self.now, rule);
        true
    }

    /// Takes all faults away that have not happened.
    pub fn withdraw_all(&mut self) {
        self.rules.clear();
        self.stream.disarm(|_| false);
    }

    /// Passes bytes on; the receiver takes at most that many of those that are sent at once.
    pub fn push(&mut self, bytes: &[u8], takes: usize) {
        if self.has_ended {
            return;
        }
        let mut sent = 0;
        if self.stream.is_plain() {
            sent = bytes.len().min(takes);
            self.got.bytes.extend_from_slice(&bytes[..sent]);
            self.stream.passed(sent);
        }
        self.stream.push(self.now, &bytes[sent..]);
    }

    /// Ends the direction on the sender's side.
    pub fn end(&mut self) {
        self.has_ended = true;
        self.stream.end(self.now);
    }

    /// Lets the receiver take everything that is for it, at most `takes` bytes at once, whenever it
    /// comes. Once the receiver has seen an end, there is no more.
    pub fn receive(&mut self, takes: usize) {
        while !self.got.is_over() {
            let count = match self.stream.next(self.now) {
                Out::Nothing => return,
                Out::Wait(at) => {
                    assert!(at > self.now, "it would wait forever");
                    self.now = at;
                    continue;
                }
                Out::Act(act) => {
                    self.got.acts.push((self.got.bytes.len(), act));
                    continue;
                }
                Out::Send(bytes) => {
                    assert!(!bytes.is_empty(), "it would send nothing forever");
                    let count = bytes.len().min(takes.max(1));
                    self.got.bytes.extend_from_slice(&bytes[..count]);
                    count
                }
            };
            self.stream.sent(self.now, count);
        }
    }

    /// Returns the bytes and events of the receiver.
    pub fn into_got(mut self) -> Got {
        for note in self.stream.take_notes() {
            if let Note::Fired { rule, bytes, .. } = note {
                self.got.fired.push((rule.fault.to_string(), bytes));
            }
        }
        // A cut is noted when it reaches the receiver, other faults when they happen.
        self.got.fired.sort();
        self.got
    }
}
