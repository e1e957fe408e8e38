//! A timer of the system's, which is exact. A poll's timeout is rounded up to whole milliseconds.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// Ends a poll at a time.
#[derive(Debug)]
pub(crate) struct Alarm {
    timer: OwnedFd,
    time: Option<Instant>,
}

impl Alarm {
    pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Alarm { timer, time: None })
    }

    /// Ends the next poll at `time`, and gives the timeout that the poll needs for it beside.
    pub(crate) fn set(&mut self, time: Option<Instant>) -> io::Result<Option<Duration>> {
        if self.time == time {
            return Ok(None);
        }
        // Zero would be no time at all.
        let left = time.map(|time| {
            time.saturating_duration_since(Instant::now())
                .max(Duration::from_nanos(1))
        });
        // Longer than any test, and not too long for the system.
        let left = left.map(|left| left.min(Duration::from_secs(1 << 30)));
        let value = left
            .and_then(|left| Timespec::try_from(left).ok())
            .unwrap_or_default();
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: value,
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        self.time = time;
        Ok(None)
    }

    /// The time has come.
    pub(crate) fn rang(&mut self) {
        self.time = None;
    }
}
