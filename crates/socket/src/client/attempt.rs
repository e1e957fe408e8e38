//! Connecting, independent of the waiter.

use std::{io, marker::PhantomData, task::Waker, time::Duration};

use standin_record::Place;

use super::{
    Client, Inner,
    course::{ConnectStop, Course, Step},
};
use crate::{
    address::Address,
    connection::{Connection, OwnedConnection, Owner, Parts, deadline},
    error::{Attempt, ConnectError, ConnectFailure, Party, Role},
    operation::{self, Descriptor, Kept, Operation, Waits},
    recording::{Recording, last_records},
    state::Event,
    sys::{Interest, Stream},
    time::Deadline,
    turn_lock::{NotNow, Part, Turn},
};

impl Client {
    /// Returns a [`connect`](Client::connect) as a value: see [`operation`](crate::operation).
    /// `place` is the line of the test that asks for it. Names are resolved in the first try, which
    /// may therefore take a while.
    pub fn connecting(
        &self,
        place: Place,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Operation<Output = Result<Connection, ConnectError>> {
        Connect::of(&self.inner, place, deadline(timeout))
    }

    /// Returns a [`connect_owned`](Client::connect_owned) as a value, in the same way.
    pub fn connecting_owned(
        &self,
        place: Place,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Operation<Output = Result<OwnedConnection, ConnectError>> {
        Connect::of(&self.inner, place, deadline(timeout))
    }
}

/// The result of a connect.
trait Made {
    /// The owner of the connection.
    fn owner() -> Owner;

    fn of(connection: Connection) -> Self;
}

impl Made for Connection {
    fn owner() -> Owner {
        Owner::everybody()
    }

    fn of(connection: Connection) -> Connection {
        connection
    }
}

impl Made for OwnedConnection {
    fn owner() -> Owner {
        Owner::one()
    }

    fn of(connection: Connection) -> OwnedConnection {
        OwnedConnection::new(connection)
    }
}

/// A connect.
struct Connect<'c, M> {
    inner: &'c Inner,
    place: Place,
    deadline: Deadline,
    part: Part<'c, usize>,
    /// Since it is its turn.
    course: Option<Course>,
    /// Which socket of the course it is that something is kept with.
    socket: Option<usize>,
    kept: Kept,
    makes: PhantomData<fn() -> M>,
}

/// Why a connect goes no further for now, or at all.
enum Stop {
    Waits(Waits),
    NotNow(NotNow),
    Connect(ConnectStop),
}

impl From<NotNow> for Stop {
    fn from(not_now: NotNow) -> Self {
        Stop::NotNow(not_now)
    }
}

impl From<ConnectStop> for Stop {
    fn from(stop: ConnectStop) -> Self {
        Stop::Connect(stop)
    }
}

impl<'c, M: Made> Connect<'c, M> {
    fn of(inner: &'c Inner, place: Place, deadline: Deadline) -> Connect<'c, M> {
        Connect {
            inner,
            place,
            deadline,
            part: inner.slot.part(),
            course: None,
            socket: None,
            kept: Kept::default(),
            makes: PhantomData,
        }
    }

    /// Goes on in its turn, which has just begun if there is no course yet.
    fn advance(&mut self, turn: &Turn<'_, usize>) -> Result<Step, Stop> {
        let inner = self.inner;
        let course = match &mut self.course {
            Some(course) => course,
            None => {
                if let Some(earlier) = inner.slot.begin(turn)? {
                    earlier.end_at(Event::Close, self.place);
                }
                self.course.insert(Course::of(inner, &mut self.deadline)?)
            }
        };
        Ok(course.advance(inner, &mut self.deadline)?)
    }

    fn run(&mut self) -> Result<M, Stop> {
        let mut turn = self.part.enter(&mut self.deadline)?;
        loop {
            match self.advance(&turn)? {
                Step::Connected(stream, ends) => {
                    let owner = M::owner();
                    let made = self
                        .inner
                        .finish(&mut turn, owner, stream, ends, self.place);
                    return Ok(M::of(made?));
                }
                Step::Outcome(left) => {
                    let connecting = self.course.as_ref().and_then(Course::connecting);
                    let source = connecting.ok_or(ConnectStop::Failed)?.source();
                    match turn.wait(source, Interest::Writable, left) {
                        // Then the address is given up.
                        Ok(()) | Err(NotNow::TimedOut) => {}
                        Err(other) => return Err(other.into()),
                    }
                }
                Step::Rest(until) => turn.pause_until(until)?,
            }
        }
    }

    fn try_once(&mut self, waker: &Waker) -> Result<M, Stop> {
        let Some(mut turn) = self.part.resume(waker)? else {
            return match self.deadline.is_over() {
                true => Err(NotNow::TimedOut.into()),
                false => Err(Stop::Waits(Waits {
                    readiness: None,
                    until: self.deadline.end_of(),
                })),
            };
        };
        if turn.is_over() {
            return Err(NotNow::Closed.into());
        }
        let waits = match self.advance(&turn)? {
            Step::Connected(stream, ends) => {
                let owner = M::owner();
                let made = self
                    .inner
                    .finish(&mut turn, owner, stream, ends, self.place);
                return Ok(M::of(made?));
            }
            Step::Outcome(left) => Waits {
                readiness: Some(Interest::Writable),
                until: left.end(),
            },
            Step::Rest(until) => Waits {
                readiness: None,
                until: Some(until),
            },
        };
        let socket = self.course.as_ref().map(|course| course.sockets);
        if self.socket != socket {
            self.socket = socket;
            self.kept.clear();
        }
        self.part.suspend(turn, waker);
        Err(Stop::Waits(waits))
    }

    fn error(&mut self, stop: Result<NotNow, ConnectStop>) -> ConnectError {
        let not_now = match stop {
            Ok(not_now) => Some(not_now),
            Err(ConnectStop::TimedOut) => Some(NotNow::TimedOut),
            Err(ConnectStop::Failed) => None,
            Err(ConnectStop::Resolve { host, source }) => {
                return ConnectError::Resolve {
                    party: Box::new(self.inner.party()),
                    host,
                    source,
                };
            }
        };
        let attempts = self.course.take().map(|course| course.attempts);
        self.inner
            .error(not_now, attempts.unwrap_or_default(), &self.deadline)
    }
}

impl<M: Made> Operation for Connect<'_, M> {
    type Output = Result<M, ConnectError>;

    fn block(mut self) -> Self::Output {
        self.run().map_err(|stop| match stop {
            Stop::NotNow(not_now) => self.error(Ok(not_now)),
            Stop::Connect(stop) => self.error(Err(stop)),
            // A blocking caller has waited.
            Stop::Waits(_) => self.error(Ok(NotNow::TimedOut)),
        })
    }

    fn attempt(&mut self, waker: &Waker) -> operation::Attempt<Self::Output> {
        let stop = match self.try_once(waker) {
            Ok(made) => return operation::Attempt::Done(Ok(made)),
            Err(Stop::Waits(waits)) => return operation::Attempt::Waits(waits),
            Err(Stop::NotNow(not_now)) => Ok(not_now),
            Err(Stop::Connect(stop)) => Err(stop),
        };
        operation::Attempt::Done(Err(self.error(stop)))
    }

    fn fail(&mut self, error: io::Error) -> Self::Output {
        Err(self.error(Ok(NotNow::Io(error))))
    }

    fn interest(&self) -> Option<Interest> {
        self.part.is_next().then_some(Interest::Writable)
    }

    fn yield_place(&self) {
        self.part.yield_place();
    }

    fn descriptor(&self) -> io::Result<Descriptor> {
        match self.course.as_ref().and_then(Course::connecting) {
            Some(connecting) => connecting.descriptor(),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn kept(&self) -> &Kept {
        &self.kept
    }
}

impl Inner {
    fn finish(
        &self,
        turn: &mut Turn<'_, usize>,
        owner: Owner,
        stream: Stream,
        [local, peer]: [Address; 2],
        place: Place,
    ) -> Result<Connection, NotNow> {
        let recording = Recording::new(
            self.settings.driver.as_ref(),
            &standin_record::Event::Connected,
            [&local, &peer],
            Some(place),
        );
        let connection = Connection::new(Parts {
            role: Role::Client,
            label: self.settings.label.clone(),
            index: *turn.value(),
            local,
            peer,
            stream,
            recording,
            receive_limit: self.settings.options.receive_limit,
            listed: None,
            owner,
        });
        match self.slot.put(turn, &connection) {
            Ok(()) => {
                connection.trace_made("connected");
                Ok(connection)
            }
            Err(not_now) => {
                connection.end_at(Event::Close, place);
                Err(not_now)
            }
        }
    }

    fn party(&self) -> Party {
        Party {
            role: Role::Client,
            label: self.settings.label.clone(),
            index: None,
            local: None,
            peer: None,
            note: None,
            records: last_records(self.settings.driver.as_ref()),
        }
    }

    #[cold]
    fn error(
        &self,
        not_now: Option<NotNow>,
        mut attempts: Vec<Attempt>,
        deadline: &Deadline,
    ) -> ConnectError {
        let kind = match (self.slot.is_aborted(), not_now) {
            (true, _) => ConnectError::Aborted as fn(Box<ConnectFailure>) -> ConnectError,
            (_, Some(NotNow::Closed)) => ConnectError::Closed,
            (_, Some(NotNow::TimedOut)) => ConnectError::TimedOut,
            (_, Some(NotNow::Io(error))) => {
                attempts.push(Attempt {
                    address: self.settings.target.address(),
                    error,
                });
                ConnectError::Io
            }
            (_, None) => {
                let any = |kind| attempts.iter().any(|attempt| attempt.error.kind() == kind);
                if any(io::ErrorKind::TimedOut) {
                    ConnectError::TimedOut
                } else if any(io::ErrorKind::ConnectionRefused) {
                    // Other addresses may fail otherwise: a machine without IPv6 cannot try `::1`.
                    ConnectError::Refused
                } else {
                    ConnectError::Io
                }
            }
        };
        kind(Box::new(ConnectFailure {
            party: self.party(),
            target: self.settings.target.to_string(),
            elapsed: deadline.elapsed(),
            limit: deadline.limit(),
            attempts,
        }))
    }
}
