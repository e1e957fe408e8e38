//! Sending.

use std::{io, sync::atomic::Ordering, time::Duration};

use super::{
    Connection, Inner, Outgoing, deadline, here, there,
    waiting::{self, Failed, Side},
};
use crate::{
    error::{SendError, SendFailure},
    framing::{FrameError, Framing},
    lane::{NotNow, Turn},
    sys::{Patience, Stream},
    time::{Deadline, Remaining},
};

impl Connection {
    /// Sends all of `bytes`; says how many that are.
    ///
    /// "Sent" means that the system has taken them, as with any socket.
    ///
    /// # Errors
    /// [`SendError`], which says exactly how many bytes were taken before.
    pub fn send(
        &self,
        bytes: &[u8],
        timeout: impl Into<Option<Duration>>,
    ) -> Result<usize, SendError> {
        let mut deadline = deadline(timeout);
        let mut sent = 0;
        match self.inner.send_all(bytes, &mut sent, &mut deadline) {
            Ok(()) => Ok(sent),
            Err(stop) => Err(self.inner.send_error(stop, sent, bytes.len(), &deadline)),
        }
    }

    /// Sends `payload` in one frame; says how many bytes the frame has.
    ///
    /// # Errors
    /// [`SendError::Frame`] when no frame can carry it, and then nothing is sent; and as [`send`](Connection::send).
    pub fn send_frame(
        &self,
        framing: &mut (impl Framing + ?Sized),
        payload: &[u8],
        timeout: impl Into<Option<Duration>>,
    ) -> Result<usize, SendError> {
        match framing.encode(payload) {
            Ok(frame) => self.send(&frame, timeout),
            Err(error) => {
                Err(self
                    .inner
                    .send_error(Stop::Frame(error), 0, payload.len(), &deadline(timeout)))
            }
        }
    }

    /// Sends after a delay, in pieces, with pauses. All in one turn: nobody else's bytes come between.
    pub(super) fn send_paced(
        &self,
        bytes: &[u8],
        size: usize,
        mut pause: Duration,
        every: Duration,
        mut deadline: Deadline,
    ) -> Result<usize, SendError> {
        let mut sent = 0;
        deadline.start();
        let mut paced = || -> Result<(), Stop> {
            let mut turn = self.inner.sending.enter(&mut deadline)?;
            for piece in bytes.chunks(size) {
                if !pause.is_zero() {
                    match deadline.remaining().at_most(pause) {
                        Remaining::Time(time) => turn.pause(time)?,
                        _ => return Err(NotNow::TimedOut.into()),
                    }
                    if deadline.has_passed() {
                        return Err(NotNow::TimedOut.into());
                    }
                }
                self.inner
                    .send_in_turn(&mut turn, piece, &mut sent, &mut deadline)?;
                pause = every;
            }
            Ok(())
        };
        match paced() {
            Ok(()) => Ok(sent),
            Err(stop) => Err(self.inner.send_error(stop, sent, bytes.len(), &deadline)),
        }
    }
}

/// What ended a send early.
#[derive(Debug)]
pub(super) enum Stop {
    NotNow(NotNow),
    PeerClosed,
    Reset,
    Frame(FrameError),
    Io(io::Error),
}

impl From<NotNow> for Stop {
    fn from(not_now: NotNow) -> Self {
        Stop::NotNow(not_now)
    }
}

impl Inner {
    pub(super) fn send_all(
        &self,
        bytes: &[u8],
        sent: &mut usize,
        deadline: &mut Deadline,
    ) -> Result<(), Stop> {
        let mut turn = self.sending.enter(deadline)?;
        self.send_in_turn(&mut turn, bytes, sent, deadline)
    }

    pub(super) fn send_in_turn(
        &self,
        turn: &mut Turn<'_, Outgoing>,
        bytes: &[u8],
        sent: &mut usize,
        deadline: &mut Deadline,
    ) -> Result<(), Stop> {
        if self.here.load(Ordering::SeqCst) != here::OPEN {
            return Err(NotNow::Closed.into());
        }
        let Outgoing {
            stream: Some(stream),
            waiting,
        } = turn.value()
        else {
            return Err(NotNow::Closed.into());
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let attempt = |stream: &Stream, patience| stream.send(rest, patience);
            match waiting::persist(
                stream,
                waiting,
                Side::Send,
                deadline,
                None,
                Patience::Some,
                attempt,
            ) {
                Ok(count) => {
                    *sent += count;
                    rest = &rest[count..];
                    if !rest.is_empty() {
                        // There was not enough room: the rest has to wait.
                        waiting.tried(false);
                    }
                }
                Err(Failed::NotNow(not_now)) => return Err(not_now.into()),
                Err(Failed::Io(error)) => match error.kind() {
                    io::ErrorKind::BrokenPipe
                        if self.there.load(Ordering::Relaxed) != there::RESET =>
                    {
                        return Err(Stop::PeerClosed);
                    }
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                        self.there.store(there::RESET, Ordering::Relaxed);
                        return Err(Stop::Reset);
                    }
                    _ => return Err(Stop::Io(error)),
                },
            }
        }
        Ok(())
    }

    #[cold]
    pub(super) fn send_error(
        &self,
        stop: Stop,
        sent: usize,
        size: usize,
        deadline: &Deadline,
    ) -> SendError {
        let failure = Box::new(SendFailure {
            failure: self.failure(deadline),
            sent,
            size,
        });
        match (self.here.load(Ordering::SeqCst), stop) {
            (here::ABORTED, _) => SendError::Aborted(failure),
            (here::CLOSED, _) | (_, Stop::NotNow(NotNow::Closed)) => SendError::Closed(failure),
            (_, Stop::NotNow(NotNow::TimedOut)) => SendError::TimedOut(failure),
            (_, Stop::PeerClosed) => SendError::PeerClosed(failure),
            (_, Stop::Reset) => SendError::Reset(failure),
            (_, Stop::Frame(source)) => SendError::Frame { failure, source },
            (_, Stop::Io(source) | Stop::NotNow(NotNow::Io(source))) => {
                SendError::Io { failure, source }
            }
        }
    }
}
