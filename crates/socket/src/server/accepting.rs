//! Accepting, as a value.

use std::{collections::VecDeque, io, task::Waker, time::Duration};

use standin_record::Place;

use super::{Inner, Next, Pending, Server};
use crate::{
    connection::{Connection, Owner, deadline},
    error::AcceptError,
    operation::{Attempt, Descriptor, Interest, Kept, Operation, Waits},
    time::Deadline,
    turn_lock::{NotNow, Part},
};

impl Server {
    /// Returns an [`accept`](Server::accept) as a value: see [`operation`](crate::operation).
    /// `place` is the line of the test that asks for it.
    pub fn accepting(
        &self,
        place: Place,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Operation<Output = Result<Connection, AcceptError>> {
        Accept {
            inner: &self.inner,
            place,
            deadline: deadline(timeout),
            part: Part::of(&self.inner.accepting),
        }
    }
}

struct Accept<'s> {
    inner: &'s Inner,
    place: Place,
    deadline: Deadline,
    part: Part<'s, VecDeque<Pending>>,
}

impl Accept<'_> {
    fn done(&self, accepted: Result<Connection, NotNow>) -> Result<Connection, AcceptError> {
        accepted.map_err(|not_now| self.inner.accept_error(not_now, &self.deadline))
    }
}

impl Operation for Accept<'_> {
    type Output = Result<Connection, AcceptError>;

    fn block(mut self) -> Self::Output {
        let (inner, deadline) = (self.inner, &mut self.deadline);
        let turn = self.part.enter(deadline);
        let accepted = turn
            .and_then(|turn| inner.accept_in(turn, Owner::everybody(), deadline, Some(self.place)));
        self.done(accepted)
    }

    fn attempt(&mut self, waker: &Waker) -> Attempt<Self::Output> {
        let mut readiness = None;
        let outcome = match self.part.resume(waker) {
            Ok(Some(turn)) if turn.is_over() => Err(NotNow::Closed),
            Ok(Some(mut turn)) => match self.inner.next(&mut turn) {
                Ok(Next::Peer(pending)) => {
                    let place = Some(self.place);
                    Ok(Some(self.inner.admit(pending, Owner::everybody(), place)))
                }
                Ok(Next::Nobody(listener)) => {
                    drop(listener);
                    readiness = Some(Interest::Readable);
                    self.part.suspend(turn, waker);
                    Ok(None)
                }
                Ok(Next::Away) => {
                    self.part.suspend(turn, waker);
                    Ok(None)
                }
                Err(not_now) => Err(not_now),
            },
            Ok(None) => Ok(None),
            Err(not_now) => Err(not_now),
        };
        let accepted = match outcome {
            Ok(Some(accepted)) => accepted,
            Ok(None) if !self.deadline.is_over() => {
                let until = self.deadline.end_of();
                return Attempt::Waits(Waits { readiness, until });
            }
            Ok(None) => Err(NotNow::TimedOut),
            Err(not_now) => Err(not_now),
        };
        Attempt::Done(self.done(accepted))
    }

    fn fail(&mut self, error: io::Error) -> Self::Output {
        self.done(Err(NotNow::Io(error)))
    }

    fn interest(&self) -> Option<Interest> {
        self.part.is_next().then_some(Interest::Readable)
    }

    fn yield_place(&self) {
        self.part.yield_place();
    }

    fn descriptor(&self) -> io::Result<Descriptor> {
        match &*self.inner.listener() {
            Some(listener) => listener.descriptor(),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn kept(&self) -> &Kept {
        &self.inner.kept
    }
}
