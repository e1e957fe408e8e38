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

    /// Ends the next poll at `time`, or earlier, and gives the timeout that the poll needs for it
    /// beside.
    pub(crate) fn set(&mut self, time: Option<Instant>) -> io::Result<Option<Duration>> {
        let Some(time) = time else {
            return Ok(None);
        };
        // Most times are limits that nobody reaches: each later than those before, and taken back
        // long before it comes. To be woken once too early costs less than to set each of them.
        if self.time.is_some_and(|set| set <= time) {
            return Ok(None);
        }
        let left = time.saturating_duration_since(Instant::now());
        // Zero would be no time at all. The other is longer than any test, and not too long for
        // the system.
        let left = left.clamp(Duration::from_nanos(1), Duration::from_secs(1 << 30));
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec::try_from(left).unwrap_or_default(),
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        self.time = Some(time);
        Ok(None)
    }

    /// The time has come.
    pub(crate) fn rang(&mut self) {
        self.time = None;
    }
}
