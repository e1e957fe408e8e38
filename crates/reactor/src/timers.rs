//! The timers of the actors.

use std::collections::BTreeSet;
use std::time::Instant;

/// The times of actors, the soonest first. An actor has one at most, so that there are never more
/// than actors.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    times: BTreeSet<(Instant, usize)>,
}

impl Timers {
    /// Replaces the time of the actor at `index`.
    pub(crate) fn replace(&mut self, index: usize, before: Option<Instant>, now: Option<Instant>) {
        if before == now {
            return;
        }
        if let Some(before) = before {
            self.times.remove(&(before, index));
        }
        if let Some(now) = now {
            self.times.insert((now, index));
        }
    }

    /// The soonest time.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.times.first().map(|(time, _)| *time)
    }

    /// Takes an actor whose time has come.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<usize> {
        let first = self.times.first()?;
        if first.0 > now {
            return None;
        }
        self.times.pop_first().map(|(_, index)| index)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_soonest_comes_first_and_each_actor_once() {
        let start = Instant::now();
        let at = |millis| Some(start + Duration::from_millis(millis));
        let mut timers = Timers::default();
        timers.replace(1, None, at(30));
        timers.replace(2, None, at(10));
        timers.replace(1, at(30), at(5));
        timers.replace(3, None, at(10));
        timers.replace(3, at(10), None);
        assert_eq!(timers.next(), at(5));
        let now = start + Duration::from_millis(20);
        assert_eq!(timers.pop(now), Some(1));
        assert_eq!(timers.pop(now), Some(2));
        assert_eq!(timers.pop(now), None);
        assert_eq!(timers.next(), None);
    }
}
