//! Receiving.

use std::{
    borrow::Cow,
    io,
    sync::{PoisonError, atomic::Ordering},
    time::Duration,
};

use super::{Connection, Inner, deadline, here, there};
use crate::{
    buffer::Buffer,
    error::{Evidence, ReceiveError, ReceiveFailure},
    lane::{NotNow, Turn},
    sys::{Interest, Stream},
    time::Deadline,
};

/// Reads of at most this size go into a vector that is cleared first, in one system call. Larger ones are left to the
/// standard library, which needs no clearing but begins with small reads.
const CHUNK: usize = 64 << 10;

impl Connection {
    /// Receives whatever comes first, from 1 to `max` bytes: what is there already, or else what the wait brings.
    ///
    /// A `max` of zero gives no bytes, at once.
    ///
    /// # Errors
    /// [`ReceiveError::TimedOut`] when nothing came, [`ReceiveError::PeerClosed`] at the end of the stream, now and
    /// every time after; and the others.
    pub fn receive_some(
        &self,
        max: usize,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Vec<u8>, ReceiveError> {
        self.receive(
            timeout,
            || format!("up to {max} bytes").into(),
            |receiver| {
                if max == 0 {
                    return Ok(Vec::new());
                }
                if !receiver.buffer().is_empty() {
                    return Ok(receiver.buffer().take(max));
                }
                let mut bytes = vec![0; max.min(CHUNK)];
                let count = receiver.read(&mut bytes)?;
                bytes.truncate(count);
                bytes.shrink_to_fit();
                Ok(bytes)
            },
        )
    }

    /// Receives exactly `count` bytes, however many pieces they come in.
    ///
    /// # Errors
    /// Any [`ReceiveError`]. What came is kept, and shown by the error.
    pub fn receive_exactly(
        &self,
        count: usize,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Vec<u8>, ReceiveError> {
        self.receive(
            timeout,
            || format!("exactly {count} bytes").into(),
            |receiver| receiver.exactly(count),
        )
    }

    fn receive<R>(
        &self,
        timeout: impl Into<Option<Duration>>,
        wanted: impl FnOnce() -> Cow<'static, str>,
        body: impl FnOnce(&mut Receiver<'_>) -> Result<R, Stop>,
    ) -> Result<R, ReceiveError> {
        let inner = &*self.inner;
        let mut deadline = deadline(timeout);
        let turn = match inner.receiving.enter(&mut deadline) {
            Ok(turn) => turn,
            Err(not_now) => {
                return Err(inner.receive_error(not_now.into(), wanted(), &[], &deadline));
            }
        };
        let mut receiver = Receiver {
            inner,
            turn,
            deadline,
        };
        receiver.collect_returned();
        let stop = if inner.here.load(Ordering::SeqCst) == here::OPEN {
            match body(&mut receiver) {
                Ok(received) => return Ok(received),
                Err(stop) => stop,
            }
        } else {
            Stop::NotNow(NotNow::Closed)
        };
        let Receiver {
            mut turn, deadline, ..
        } = receiver;
        Err(inner.receive_error(stop, wanted(), turn.value().as_slice(), &deadline))
    }
}

/// What ended a receive early.
#[derive(Debug)]
enum Stop {
    NotNow(NotNow),
    PeerClosed,
    Reset,
    Limit,
    Io(io::Error),
}

impl From<NotNow> for Stop {
    fn from(not_now: NotNow) -> Self {
        Stop::NotNow(not_now)
    }
}

/// A receive that has its turn.
struct Receiver<'a> {
    inner: &'a Inner,
    turn: Turn<'a, Buffer>,
    deadline: Deadline,
}

impl Receiver<'_> {
    fn buffer(&mut self) -> &mut Buffer {
        self.turn.value()
    }

    fn collect_returned(&mut self) {
        if self.inner.has_returned.swap(false, Ordering::AcqRel) {
            let returned = std::mem::take(
                &mut *self
                    .inner
                    .returned
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner),
            );
            self.buffer().put_back(returned);
        }
    }

    fn exactly(&mut self, count: usize) -> Result<Vec<u8>, Stop> {
        let mut bytes = self.buffer().take(count);
        let outcome = if count - bytes.len() <= CHUNK {
            self.exactly_small(&mut bytes, count)
        } else {
            self.exactly_large(&mut bytes, count)
        };
        match outcome {
            Ok(()) => Ok(bytes),
            Err(stop) => {
                self.buffer().put_back(bytes);
                Err(stop)
            }
        }
    }

    fn exactly_small(&mut self, bytes: &mut Vec<u8>, count: usize) -> Result<(), Stop> {
        let mut filled = bytes.len();
        bytes.resize(count, 0);
        while filled < count {
            match self.read(&mut bytes[filled..]) {
                Ok(more) => filled += more,
                Err(stop) => {
                    bytes.truncate(filled);
                    return Err(stop);
                }
            }
        }
        Ok(())
    }

    fn exactly_large(&mut self, bytes: &mut Vec<u8>, count: usize) -> Result<(), Stop> {
        // All at once, so that nothing is ever moved; the system provides the memory as it is written to.
        bytes
            .try_reserve_exact(count - bytes.len())
            .map_err(|_| Stop::Limit)?;
        while bytes.len() < count {
            self.append(bytes, count)?;
            if self.deadline.has_passed() && bytes.len() < count {
                return Err(Stop::NotNow(NotNow::TimedOut));
            }
        }
        Ok(())
    }

    /// Waits for bytes and reads as many as there are and have room in `target`; at least one.
    fn read(&mut self, target: &mut [u8]) -> Result<usize, Stop> {
        self.ready(|stream| match stream.read(target)? {
            0 => Ok(Read::End(0)),
            count => Ok(Read::Some(count)),
        })
    }

    /// Waits for bytes and appends as many as there are, until `bytes` has `size`; at least one.
    fn append(&mut self, bytes: &mut Vec<u8>, size: usize) -> Result<usize, Stop> {
        self.ready(|stream| {
            let before = bytes.len();
            let room = (size - before) as u64;
            let result = stream.append_to(bytes, room);
            let count = bytes.len() - before;
            match result {
                // The standard library reads until the end of the stream or the limit.
                Ok(_) if (count as u64) < room => Ok(Read::End(count)),
                Ok(_) => Ok(Read::Some(count)),
                Err(error) if count == 0 => Err(error),
                // The system tells an error once. What came before it goes first.
                Err(error) => Ok(Read::Error(count, error)),
            }
        })
    }

    /// Tries to read, and waits and tries again while there is nothing.
    fn ready(&mut self, mut read: impl FnMut(&Stream) -> io::Result<Read>) -> Result<usize, Stop> {
        let there = &self.inner.there;
        let guard = self.inner.stream();
        let Some(stream) = &*guard else {
            return Err(Stop::NotNow(NotNow::Closed));
        };
        loop {
            match there.load(Ordering::Relaxed) {
                there::OPEN => {}
                there::CLOSED => return Err(Stop::PeerClosed),
                _ => return Err(Stop::Reset),
            }
            let error = match read(stream) {
                Ok(Read::Some(count)) => return Ok(count),
                Ok(Read::End(count)) => {
                    there.store(there::CLOSED, Ordering::Relaxed);
                    if count > 0 {
                        return Ok(count);
                    }
                    continue;
                }
                Ok(Read::Error(count, error)) => {
                    if error.kind() == io::ErrorKind::ConnectionReset {
                        there.store(there::RESET, Ordering::Relaxed);
                    }
                    return Ok(count);
                }
                Err(error) => error,
            };
            match error.kind() {
                io::ErrorKind::WouldBlock => {
                    self.turn.wait(
                        stream.source(),
                        Interest::Readable,
                        self.deadline.remaining(),
                    )?;
                }
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::ConnectionReset => there.store(there::RESET, Ordering::Relaxed),
                _ => return Err(Stop::Io(error)),
            }
        }
    }
}

/// What one attempt to read brought.
enum Read {
    Some(usize),
    /// So many, and then the end of the stream.
    End(usize),
    /// So many, and then an error.
    Error(usize, io::Error),
}

impl Inner {
    #[cold]
    fn receive_error(
        &self,
        stop: Stop,
        wanted: Cow<'static, str>,
        received: &[u8],
        deadline: &Deadline,
    ) -> ReceiveError {
        let failure = self.failure(deadline);
        let failure = Box::new(ReceiveFailure {
            failure,
            wanted,
            received: Evidence::new(received),
        });
        match (self.here.load(Ordering::SeqCst), stop) {
            (here::ABORTED, _) => ReceiveError::Aborted(failure),
            (here::CLOSED, _) | (_, Stop::NotNow(NotNow::Closed)) => ReceiveError::Closed(failure),
            (_, Stop::NotNow(NotNow::TimedOut)) => ReceiveError::TimedOut(failure),
            (_, Stop::PeerClosed) => ReceiveError::PeerClosed(failure),
            (_, Stop::Reset) => ReceiveError::Reset(failure),
            (_, Stop::Limit) => ReceiveError::Limit(failure),
            (_, Stop::Io(source) | Stop::NotNow(NotNow::Io(source))) => {
                ReceiveError::Io { failure, source }
            }
        }
    }
}
