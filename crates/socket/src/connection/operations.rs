//! The operations on a connection, as values.

use std::{
    io,
    task::Waker,
    time::{Duration, Instant},
};

use standin_record::Place;

use super::{
    Connection, Inner,
    core::Incoming,
    deadline,
    paced::{Pace, Paced},
    receive_stop::ReceiveStop,
    receiver::Receiver,
    sending::{AtOnce, Plan, Sending},
    wanted::{
        Buffered, Exactly, Expected, First, FirstInto, Frame, Peek, ToEnd, Until, UntilSilence,
        Wanted,
    },
};
use crate::{
    error::{Evidence, ReceiveError, SendError},
    framing::{Framing, Lines, Matching},
    operation::{Attempt, Descriptor, Interest, Kept, Operation, Waits},
    sys::Stream,
    time::Deadline,
    turn_lock::{NotNow, Part},
};

/// Creates [operations](crate::operation) on a connection, which can then be tried or awaited.
///
/// Each does what the method of [`Connection`] of the same name does.
#[derive(Clone, Copy, Debug)]
pub struct Operations<'c> {
    connection: &'c Connection,
    place: Place,
}

impl Connection {
    /// Returns the operations of the connection as values: see [`operation`](crate::operation).
    /// `place` is the line of the test that requests them.
    ///
    /// ```
    /// # use std::{task::Waker, time::Duration};
    /// # let limit = Duration::from_secs(10);
    /// # let server = standin_socket::Server::builder().bind()?;
    /// # let peer = standin_socket::Client::builder().port(server.port()).build().connect(limit)?;
    /// # let connection = server.accept(limit)?;
    /// use standin_socket::operation::{Attempt, Operation, Place};
    ///
    /// let mut line = connection.operations(Place::caller()).receive_line(limit);
    /// assert!(matches!(line.attempt(Waker::noop()), Attempt::Waits(_)));
    /// peer.send(b"hello\n", limit)?;
    /// assert_eq!(line.block()?, b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn operations(&self, place: Place) -> Operations<'_> {
        Operations {
            connection: self,
            place,
        }
    }
}

impl<'c> Operations<'c> {
    /// Receives the next bytes, from 1 to `limit`: see [`Connection::receive_some`].
    #[inline]
    pub fn receive_some(
        self,
        limit: usize,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Operation<Output = Result<Vec<u8>, ReceiveError>> {
        self.receive(First(limit), timeout)
    }

    /// Receives the next bytes into `target`: see [`Connection::receive_into`].
    #[inline]
    pub fn receive_into(
        self,
        target: &mut [u8],
        timeout: impl Into<Option<Duration>>,
    ) -> impl Operation<Output = Result<usize, ReceiveError>> {
        self.receive(FirstInto(target), timeout)
    }

    /// Receives exactly `count` bytes: see [`Connection::receive_exactly`].
    #[inline]
    pub fn receive_exactly(
        self,
        count: usize,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Operation<Output = Result<Vec<u8>, ReceiveError>> {
        self.receive(Exactly(count), timeout)
    }

    /// Receives up to and including `delimiter`: see [`Connection::receive_until`].
    #[inline]
    pub fn receive_until(
        self,
        delimiter: impl Into<Vec<u8>>,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Operation<Output = Result<Vec<u8>, ReceiveError>> {
        self.receive(Until::of(delimiter), timeout)
    }

    /// Receives a line: see [`Connection::receive_line`].
    #[inline]
    pub fn receive_line(
        self,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Operation<Output = Result<Vec<u8>, ReceiveError>> {
        self.receive(Frame::of(Lines::new()), timeout)
    }

    /// Receives up to a position chosen by `matching`: see [`Connection::receive_matching`].
    #[inline]
    pub fn receive_matching(
        self,
        matching: impl FnMut(&[u8]) -> Option<usize>,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Operation<Output = Result<Vec<u8>, ReceiveError>> {
        self.receive(Frame::of(Matching::new(matching)), timeout)
    }

    /// Receives one frame: see [`Connection::receive_frame`].
    #[inline]
    pub fn receive_frame(
        self,
        framing: impl Framing,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Operation<Output = Result<Vec<u8>, ReceiveError>> {
        self.receive(Frame::of(framing), timeout)
    }

    /// Receives everything until the peer closes: see [`Connection::receive_to_end`].
    #[inline]
    pub fn receive_to_end(
        self,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Operation<Output = Result<Vec<u8>, ReceiveError>> {
        self.receive(ToEnd, timeout)
    }

    /// Receives everything until no bytes arrive for the time of `silence`: see
    /// [`Connection::receive_until_silence`].
    #[inline]
    pub fn receive_until_silence(
        self,
        silence: Duration,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Operation<Output = Result<Vec<u8>, ReceiveError>> {
        self.receive(UntilSilence::of(silence), timeout)
    }

    /// Shows what the next receive would find: see [`Connection::peek`].
    #[inline]
    pub fn peek(
        self,
        limit: usize,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Operation<Output = Result<Vec<u8>, ReceiveError>> {
        self.receive(Peek(limit), timeout)
    }

    /// Receives `expected`, and nothing else will do: see [`Connection::expect`].
    #[inline]
    pub fn expect(
        self,
        expected: impl AsRef<[u8]>,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Operation<Output = Result<(), ReceiveError>> {
        self.receive(Expected(expected), timeout)
    }

    /// Receives what has arrived: see [`Connection::receive_buffered`].
    pub fn receive_buffered(self) -> impl Operation<Output = Result<Vec<u8>, ReceiveError>> {
        self.receive(Buffered, Duration::ZERO)
    }

    /// Sends all of `bytes`: see [`Connection::send`].
    #[inline]
    pub fn send(
        self,
        bytes: impl AsRef<[u8]>,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Operation<Output = Result<usize, SendError>> {
        self.sending(AtOnce::of(bytes), timeout)
    }

    /// Sends as much of `bytes` as there is room for, once there is some: at least one byte, unless
    /// there are none.
    pub fn send_part(
        self,
        bytes: impl AsRef<[u8]>,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Operation<Output = Result<usize, SendError>> {
        self.sending(AtOnce::part_of(bytes), timeout)
    }

    /// Sends `payload` in one frame: see [`Connection::send_frame`].
    pub fn send_frame(
        self,
        mut framing: impl Framing,
        payload: &[u8],
        timeout: impl Into<Option<Duration>>,
    ) -> impl Operation<Output = Result<usize, SendError>> {
        let frame = framing.encode(payload);
        self.sending(AtOnce::framed(frame, payload.len()), timeout)
    }

    /// Sends `bytes` in pieces of `size` bytes, a pause of `every` between them: see
    /// [`Connection::send_in_pieces`].
    pub fn send_in_pieces(
        self,
        bytes: impl AsRef<[u8]>,
        size: usize,
        every: Duration,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Operation<Output = Result<usize, SendError>> {
        self.sending(Paced::of(bytes, Pace::Pieces { size, every }), timeout)
    }

    /// Waits for the time of `delay` and then sends `bytes`: see [`Connection::send_delayed`].
    pub fn send_delayed(
        self,
        bytes: impl AsRef<[u8]>,
        delay: Duration,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Operation<Output = Result<usize, SendError>> {
        self.sending(Paced::of(bytes, Pace::Delay(delay)), timeout)
    }

    #[inline]
    fn receive<W: Wanted>(self, wanted: W, timeout: impl Into<Option<Duration>>) -> Receive<'c, W> {
        let inner = &*self.connection.inner;
        Receive {
            inner,
            place: self.place,
            deadline: deadline(timeout),
            wanted,
            part: Part::of(&inner.core.receiving),
        }
    }

    #[inline]
    fn sending<P: Plan>(self, plan: P, timeout: impl Into<Option<Duration>>) -> Sending<'c, P> {
        Sending::of(&self.connection.inner, self.place, plan, deadline(timeout))
    }
}

/// A receive.
struct Receive<'c, W> {
    inner: &'c Inner,
    place: Place,
    deadline: Deadline,
    wanted: W,
    part: Part<'c, Incoming<Stream>>,
}

impl<W: Wanted> Receive<'_, W> {
    fn done(&self, brought: W::Brings) -> W::Brings {
        self.inner.trace_received(self.wanted.size(&brought));
        brought
    }

    fn error(&self, stop: ReceiveStop, received: Evidence) -> ReceiveError {
        let Receive {
            inner,
            place,
            deadline,
            wanted,
            ..
        } = self;
        inner.receive_error(
            stop,
            wanted.describe(&inner.recording),
            received,
            deadline,
            *place,
        )
    }
}

impl<W: Wanted> Operation for Receive<'_, W> {
    type Output = Result<W::Brings, ReceiveError>;

    #[inline]
    fn block(mut self) -> Self::Output {
        let Receive { inner, place, .. } = self;
        let received = match self.wanted.at_once(inner, &mut self.deadline, place) {
            Some(brought) => Ok(brought),
            None => inner.receive(
                &mut self.wanted,
                &mut self.part,
                self.deadline.take(),
                place,
            ),
        };
        received.map(|brought| self.done(brought))
    }

    fn attempt(&mut self, waker: &Waker) -> Attempt<Self::Output> {
        let turn = match self.part.resume(waker) {
            Ok(Some(turn)) => turn,
            Ok(None) if !self.deadline.is_over() => return waits(None, self.deadline.end_of()),
            not_now => {
                let stop = not_now.err().unwrap_or(NotNow::TimedOut).into();
                return Attempt::Done(Err(self.error(stop, Evidence::default())));
            }
        };
        let mut deadline = self.deadline.take();
        deadline.set_tries(true);
        let mut receiver = Receiver::new(self.inner, turn, deadline, Some(self.place));
        let stop = match receiver.bring(&mut self.wanted) {
            Ok(brought) => {
                drop(receiver);
                return Attempt::Done(Ok(self.done(brought)));
            }
            Err(stop) => stop,
        };
        let is_nothing = matches!(stop, ReceiveStop::NotNow(NotNow::TimedOut));
        let received = if is_nothing && receiver.may_go_on() {
            let (turn, deadline) = receiver.into_parts();
            self.deadline = deadline;
            self.part.suspend(turn, waker);
            None
        } else {
            let (received, deadline) = receiver.into_evidence();
            self.deadline = deadline;
            Some(received)
        };
        self.deadline.set_tries(false);
        match received {
            Some(received) => Attempt::Done(Err(self.error(stop, received))),
            None => {
                let ends = [self.deadline.end_of(), self.wanted.due()];
                waits(Some(Interest::Readable), ends.into_iter().flatten().min())
            }
        }
    }

    fn fail(&mut self, error: io::Error) -> Self::Output {
        let stop = NotNow::Io(error).into();
        Err(self.error(stop, Evidence::default()))
    }

    fn interest(&self) -> Option<Interest> {
        self.part.is_next().then_some(Interest::Readable)
    }

    fn yield_place(&self) {
        self.part.yield_place();
    }

    fn descriptor(&self) -> io::Result<Descriptor> {
        self.inner.core.with_stream(Stream::descriptor)
    }

    fn kept(&self) -> &Kept {
        &self.inner.kept
    }
}

fn waits<T>(readiness: Option<Interest>, until: Option<Instant>) -> Attempt<T> {
    Attempt::Waits(Waits { readiness, until })
}
