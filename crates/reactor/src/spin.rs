//! Adaptive polling: the thread polls for events for a moment before it sleeps.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

/// How long to poll: about as long as it takes to wake a thread on another processor, which is most
/// of what a round trip through the reactor takes.
const MOMENT: Duration = Duration::from_micros(50);

/// The most sleeps between two polls, as a power of two.
const MOST: u32 = 6;

/// Polls for events for a moment before the thread sleeps, as long as this finds some. After a poll
/// without events the thread sleeps at once for a while, twice as often after each.
#[derive(Debug)]
pub(crate) struct Spin {
    /// Whether other threads can run meanwhile, on another processor.
    has_room: bool,
    /// The number of consecutive polls without events.
    misses: u32,
    /// The number of sleeps until the next poll.
    sleeps: u32,
}

impl Spin {
    pub(crate) fn new() -> Spin {
        Spin {
            has_room: thread::available_parallelism().is_ok_and(|count| count.get() > 1),
            misses: 0,
            sleeps: 0,
        }
    }

    /// Waits for events as [`Poll::poll`] does.
    pub(crate) fn poll(
        &mut self,
        poll: &mut Poll,
        events: &mut Events,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        let is_short = timeout.is_some_and(|timeout| timeout < MOMENT);
        if !is_short && self.polls_first() {
            let begin = Instant::now();
            while begin.elapsed() < MOMENT {
                poll.poll(events, Some(Duration::ZERO))?;
                if !events.is_empty() {
                    self.misses = 0;
                    return Ok(());
                }
                thread::yield_now();
            }
            self.misses = (self.misses + 1).min(MOST);
            self.sleeps = 1 << self.misses;
        }
        poll.poll(events, timeout)
    }

    /// Whether to poll before this sleep.
    fn polls_first(&mut self) -> bool {
        let sleeps = self.sleeps;
        self.sleeps = sleeps.saturating_sub(1);
        self.has_room && sleeps == 0
    }
}

#[cfg(test)]
mod tests {
    use mio::{Token, Waker};

    use super::*;

    /// How many of so many waits without events begin with a poll.
    fn polls(spin: &mut Spin, waits: u32) -> u32 {
        let mut poll = Poll::new().unwrap();
        let mut events = Events::with_capacity(1);
        let mut polls = 0;
        for _ in 0..waits {
            polls += u32::from(spin.sleeps == 0);
            let waited = spin.poll(&mut poll, &mut events, Some(MOMENT));
            // One that is suspended and continued meanwhile is interrupted.
            let is_interrupted = |error: io::Error| error.kind() == io::ErrorKind::Interrupted;
            assert!(waited.err().is_none_or(is_interrupted));
        }
        polls
    }

    #[test]
    fn polls_without_events_become_rare() {
        let mut spin = Spin {
            has_room: true,
            ..Spin::new()
        };
        // At 0, 3, 8, 17, 34, 67 and each 65th from there.
        assert_eq!(polls(&mut spin, 67), 5);
        assert_eq!(polls(&mut spin, 65 * 4), 4);
    }

    #[test]
    fn a_poll_with_events_is_followed_by_another() {
        let mut spin = Spin {
            has_room: true,
            ..Spin::new()
        };
        let mut poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), Token(0)).unwrap();
        let mut events = Events::with_capacity(1);
        for _ in 0..10 {
            waker.wake().unwrap();
            spin.poll(&mut poll, &mut events, None).unwrap();
            assert!(!events.is_empty());
            assert_eq!((spin.misses, spin.sleeps), (0, 0));
        }
    }

    #[test]
    fn with_one_processor_there_is_no_poll() {
        let mut spin = Spin {
            has_room: false,
            ..Spin::new()
        };
        polls(&mut spin, 10);
        assert_eq!(spin.misses, 0);
    }
}
