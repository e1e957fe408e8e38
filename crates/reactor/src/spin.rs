//! Whether to look for events for a moment before the thread sleeps.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

/// How long to look: about as long as it takes to wake a thread on another processor, which is most
/// of what a round trip through the reactor takes.
const MOMENT: Duration = Duration::from_micros(50);

/// At most so many times in a row to sleep at once, as a power of two, before another look.
const MOST: u32 = 6;

/// Looks for events for a moment before the thread sleeps, as long as they follow each other so
/// closely that it pays. A look that finds nothing is not repeated at once; the more there were of
/// them, the later.
#[derive(Debug)]
pub(crate) struct Spin {
    /// Whether another thread can run meanwhile.
    has_room: bool,
    /// How many looks have found nothing, since one has found something.
    misses: u32,
    /// How many times to sleep at once before the next look.
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
        if !is_short && self.looks() {
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

    /// Whether to look now.
    fn looks(&mut self) -> bool {
        let sleeps = self.sleeps;
        self.sleeps = sleeps.saturating_sub(1);
        self.has_room && sleeps == 0
    }
}

#[cfg(test)]
mod tests {
    use mio::{Token, Waker};

    use super::*;

    /// How many of so many waits begin with a look, while nothing comes.
    fn looks(spin: &mut Spin, waits: u32) -> u32 {
        let mut poll = Poll::new().unwrap();
        let mut events = Events::with_capacity(1);
        let mut looks = 0;
        for _ in 0..waits {
            looks += u32::from(spin.sleeps == 0);
            spin.poll(&mut poll, &mut events, Some(MOMENT)).unwrap();
        }
        looks
    }

    #[test]
    fn looks_that_find_nothing_become_rare() {
        let mut spin = Spin {
            has_room: true,
            ..Spin::new()
        };
        // At 0, 3, 8, 17, 34, 67 and each 65th from there.
        assert_eq!(looks(&mut spin, 67), 5);
        assert_eq!(looks(&mut spin, 65 * 4), 4);
    }

    #[test]
    fn a_look_that_finds_something_is_repeated_at_once() {
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
    fn with_one_processor_nobody_looks() {
        let mut spin = Spin {
            has_room: false,
            ..Spin::new()
        };
        assert_eq!(looks(&mut spin, 10), 10, "nothing is counted");
        assert_eq!(spin.misses, 0);
    }
}
