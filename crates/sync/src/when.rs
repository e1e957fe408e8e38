use std::io;
use std::task::Waker;
use std::time::Instant;

use crate::Monitor;
use crate::long_wait;
use crate::operation::{Attempt, Descriptor, Interest, Kept, Operation, Waits};

impl<T> Monitor<T> {
    /// Waits until `look` returns something for the value, at most until `until`; then it returns
    /// `None`.
    pub fn when<R>(
        &self,
        until: Option<Instant>,
        look: impl FnMut(&mut T) -> Option<R>,
    ) -> impl Operation<Output = Option<R>> {
        When {
            monitor: self,
            since: None,
            until,
            look,
            kept: Kept::default(),
        }
    }

    /// As [`when`](Monitor::when), as a part of a wait that began at `since`.
    pub fn when_since<R>(
        &self,
        since: Instant,
        until: Option<Instant>,
        look: impl FnMut(&mut T) -> Option<R>,
    ) -> impl Operation<Output = Option<R>> {
        When {
            monitor: self,
            since: Some(since),
            until,
            look,
            kept: Kept::default(),
        }
    }
}

struct When<'m, T, L> {
    monitor: &'m Monitor<T>,
    since: Option<Instant>,
    until: Option<Instant>,
    look: L,
    kept: Kept,
}

impl<T, R, L: FnMut(&mut T) -> Option<R>> Operation for When<'_, T, L> {
    type Output = Option<R>;

    fn block(mut self) -> Option<R> {
        self.since.into_iter().for_each(long_wait::goes_on_since);
        let mut found = None;
        let Self { monitor, until, .. } = self;
        drop(monitor.wait_while(monitor.lock(), until, |value| {
            found = (self.look)(value);
            found.is_none()
        }));
        found
    }

    fn attempt(&mut self, waker: &Waker) -> Attempt<Option<R>> {
        let mut value = self.monitor.lock();
        let found = (self.look)(&mut value);
        let is_over = || self.until.is_some_and(|until| until <= Instant::now());
        if found.is_some() || is_over() {
            return Attempt::Done(found);
        }
        self.monitor.wake_at_change(waker);
        Attempt::Waits(Waits {
            readiness: None,
            until: self.until,
        })
    }

    fn fail(&mut self, _: io::Error) -> Option<R> {
        None
    }

    /// It is not a socket.
    fn interest(&self) -> Option<Interest> {
        None
    }

    fn descriptor(&self) -> io::Result<Descriptor> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn kept(&self) -> &Kept {
        &self.kept
    }
}
