//! The poll's own timeout, which counts in milliseconds.

use std::io;
use std::time::{Duration, Instant};

use mio::{Registry, Token};

/// Ends a poll at a time.
#[derive(Debug)]
pub(crate) struct Alarm;

impl Alarm {
    pub(crate) fn new(_: &Registry, _: Token) -> io::Result<Self> {
        Ok(Alarm)
    }

    /// Ends the next poll at `time`, and gives the timeout that the poll needs for it beside.
    pub(crate) fn set(&mut self, time: Option<Instant>) -> io::Result<Option<Duration>> {
        Ok(time.map(|time| time.saturating_duration_since(Instant::now())))
    }

    /// The time has come.
    pub(crate) fn rang(&mut self) {}
}
