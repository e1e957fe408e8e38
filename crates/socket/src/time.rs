//! Deadlines: one per operation, started by the first wait.

use std::time::{Duration, Instant};

use standin_sync::long_wait;

/// The time that one operation may take.
///
/// The clock is first read when the operation would have to wait: an operation that finds what it
/// needs at once reads no clock at all.
#[derive(Debug)]
pub(crate) struct Deadline {
    limit: Option<Duration>,
    started: Option<Instant>,
    ended: bool,
    /// Another party waits, between one try and the next.
    tries: bool,
}

impl Deadline {
    pub(crate) fn new(limit: Option<Duration>) -> Deadline {
        Deadline {
            limit,
            started: None,
            ended: false,
            tries: false,
        }
    }

    /// The caller's limit; `None` is "no limit".
    pub(crate) fn limit(&self) -> Option<Duration> {
        self.limit
    }

    /// Time since the first wait began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started
            .map_or(Duration::ZERO, |started| started.elapsed())
    }

    /// Starts the clock.
    #[inline]
    pub(crate) fn start(&mut self) {
        if self.started.is_none() {
            self.started = Some(Instant::now());
        }
    }

    /// Allows nothing more, but keeps the limit and the time taken.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }

    /// Moves the deadline out. What is left here has no limit.
    pub(crate) fn take(&mut self) -> Deadline {
        std::mem::replace(self, Deadline::new(None))
    }

    /// Allows nothing for the time of a try, or as before once more.
    pub(crate) fn set_tries(&mut self, tries: bool) {
        self.tries = tries;
    }

    /// The time at which it passes. The clock runs from now on.
    pub(crate) fn end_of(&mut self) -> Option<Instant> {
        self.start();
        self.started?.checked_add(self.limit?)
    }

    /// Reports a long wait, and continues.
    #[cold]
    pub(crate) fn goes_on(&self) {
        if self.elapsed() >= long_wait::LONG && !self.is_over() {
            long_wait::goes_on();
        }
    }

    /// Whether the limit is over, which a limit of zero always is.
    pub(crate) fn is_over(&self) -> bool {
        self.limit.is_some_and(|limit| self.elapsed() >= limit)
    }

    /// Whether a limit that allows waiting is over. For loops that never wait because there is
    /// always more.
    pub(crate) fn has_passed(&mut self) -> bool {
        if self.limit == Some(Duration::ZERO) {
            return false;
        }
        match self.tries && !self.ended {
            true => self.is_over(),
            false => self.remaining() == Remaining::Nothing,
        }
    }

    /// Whether waiting was ruled out from the start, or is no longer allowed.
    #[inline]
    pub(crate) fn forbids_waiting(&self) -> bool {
        self.ended || self.tries || self.limit == Some(Duration::ZERO)
    }

    /// How much longer to wait.
    pub(crate) fn remaining(&mut self) -> Remaining {
        if self.ended || self.tries {
            return Remaining::Nothing;
        }
        match self.limit {
            None => {
                self.start();
                Remaining::Unlimited
            }
            Some(Duration::ZERO) => Remaining::Nothing,
            Some(limit) => {
                let Some(started) = self.started else {
                    // Exactly the limit, which the socket may remember as its timeout.
                    self.start();
                    return Remaining::Time(limit);
                };
                match limit.checked_sub(started.elapsed()) {
                    None | Some(Duration::ZERO) => Remaining::Nothing,
                    Some(left) => Remaining::Time(left),
                }
            }
        }
    }
}

/// The rest of a [`Deadline`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remaining {
    /// The deadline has passed, or was zero.
    Nothing,
    Time(Duration),
    Unlimited,
}

impl Remaining {
    /// As a timeout of `mio::Poll::poll`. `Nothing` becomes a poll that does not block.
    pub(crate) fn as_timeout(self) -> Option<Duration> {
        match self {
            Remaining::Nothing => Some(Duration::ZERO),
            Remaining::Time(left) => Some(left),
            Remaining::Unlimited => None,
        }
    }

    /// The time at which nothing is left.
    pub(crate) fn end(self) -> Option<Instant> {
        Instant::now().checked_add(self.as_timeout()?)
    }

    /// Whichever ends first.
    pub(crate) fn or_sooner(self, other: Remaining) -> Remaining {
        match (self, other) {
            (Remaining::Nothing, _) | (_, Remaining::Nothing) => Remaining::Nothing,
            (Remaining::Time(left), Remaining::Time(other)) => Remaining::Time(left.min(other)),
            (Remaining::Unlimited, other) => other,
            (left, Remaining::Unlimited) => left,
        }
    }

    /// Whichever ends first.
    pub(crate) fn at_most(self, other: Duration) -> Remaining {
        self.or_sooner(Remaining::Time(other))
    }
}

/// A time that doubles until it is as long as it may be.
#[derive(Debug)]
pub(crate) struct Doubling {
    now: Duration,
    most: Duration,
}

impl Doubling {
    pub(crate) fn new((first, most): (Duration, Duration)) -> Doubling {
        Doubling { now: first, most }
    }

    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    pub(crate) fn double(&mut self) {
        self.now = self.now.saturating_mul(2).min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_allows_nothing_and_none_everything() {
        assert_eq!(
            Deadline::new(Some(Duration::ZERO)).remaining(),
            Remaining::Nothing
        );
        assert_eq!(Deadline::new(None).remaining(), Remaining::Unlimited);
        let mut long = Deadline::new(Some(Duration::MAX));
        assert!(matches!(long.remaining(), Remaining::Time(_)));
        assert!(!long.has_passed());
        long.end();
        assert_eq!(long.remaining(), Remaining::Nothing);
    }

    #[test]
    fn the_sooner_of_two_ends_is_taken() {
        let second = Remaining::Time(Duration::from_secs(1));
        let minute = Remaining::Time(Duration::from_secs(60));
        assert_eq!(second.or_sooner(minute), second);
        assert_eq!(minute.or_sooner(second), second);
        assert_eq!(Remaining::Unlimited.or_sooner(second), second);
        assert_eq!(minute.or_sooner(Remaining::Nothing), Remaining::Nothing);
    }

    #[test]
    fn a_time_doubles_as_often_as_one_likes_and_stays_within_its_limit() {
        let most = Duration::from_secs(1);
        for (first, most) in [
            (Duration::from_millis(300), most),
            (Duration::MAX / 3, Duration::MAX),
        ] {
            let mut doubling = Doubling::new((first, most));
            assert_eq!(doubling.now(), first);
            doubling.double();
            assert_eq!(doubling.now(), first * 2);
            (0..100).for_each(|_| doubling.double());
            assert_eq!(doubling.now(), most);
        }
    }
}
