//! Sending.

use std::{io, time::Duration};

use standin_error::text::Count;
use standin_record::{Event as Recorded, Place};

use super::{
    Connection, Inner,
    core::Outgoing,
    waiting::{Failed, Waits},
};
use crate::{
    error::{SendError, SendFailure},
    framing::{FrameError, Framing},
    operation::Operation,
    state::{Event, Fault, LocalEnd, Outbound, Stand},
    sys::{self, Blocking, Interest, Stream},
    time::Deadline,
    transform::TransformError,
    turn_lock::{NotNow, Turn},
};

impl Connection {
    /// Sends all of `bytes`; returns how many that are.
    ///
    /// "Sent" means that the system has taken them, as with any socket.
    ///
    /// # Errors
    ///
    /// Returns [`SendError`], which has the exact number of bytes sent before.
    #[track_caller]
    pub fn send(
        &self,
        bytes: &[u8],
        timeout: impl Into<Option<Duration>>,
    ) -> Result<usize, SendError> {
        self.operations(Place::caller())
            .send(bytes, timeout)
            .block()
    }

    /// Sends `payload` in one frame; returns the size of the frame in bytes.
    ///
    /// # Errors
    ///
    /// Returns [`SendError::Frame`] if no frame can carry it, and then nothing is sent; and as
    /// [`send`](Connection::send).
    #[track_caller]
    pub fn send_frame(
        &self,
        framing: &mut (impl Framing + ?Sized),
        payload: &[u8],
        timeout: impl Into<Option<Duration>>,
    ) -> Result<usize, SendError> {
        self.operations(Place::caller())
            .send_frame(framing, payload, timeout)
            .block()
    }
}

/// What ended a send early.
#[derive(Debug)]
pub(super) enum SendStop {
    NotNow(NotNow),
    /// This side has shut down the sending half.
    ShutDown,
    PeerClosed,
    Reset,
    Frame(FrameError),
    /// The connection's transform cannot continue.
    Transform(TransformError),
    Io(io::Error),
}

impl From<NotNow> for SendStop {
    fn from(not_now: NotNow) -> Self {
        SendStop::NotNow(not_now)
    }
}

impl Inner {
    pub(super) fn send_in_turn(
        &self,
        turn: &mut Turn<'_, Outgoing<Stream>>,
        bytes: &[u8],
        sent: &mut usize,
        deadline: &mut Deadline,
        place: Option<Place>,
    ) -> Result<(), SendStop> {
        let state = &self.core.state;
        if !state.is_new() && !self.core.is_open() {
            return Err(NotNow::Closed.into());
        }
        let (outgoing, line) = turn.parts();
        let Outgoing {
            stream: Some(stream),
            waiting,
            layer,
        } = outgoing
        else {
            return Err(NotNow::Closed.into());
        };
        let waits = Waits {
            stream,
            interest: Interest::Writable,
            waiting,
            line,
        };
        match layer {
            None => self.write(waits, bytes, sent, deadline, place),
            Some(layer) => self.send_transformed(waits, layer, bytes, sent, deadline, place),
        }
    }

    /// Writes bytes to the wire, as they are.
    #[inline]
    pub(super) fn write(
        &self,
        mut waits: Waits<'_>,
        bytes: &[u8],
        sent: &mut usize,
        deadline: &mut Deadline,
        place: Option<Place>,
    ) -> Result<(), SendStop> {
        let recording = &self.recording;
        let mut rest = bytes;
        while !rest.is_empty() {
            match waits
                .again()
                .persist(deadline, None, Blocking::UntilSome, |stream, blocking| {
                    let send = || stream.send(rest, blocking);
                    recording.send(rest, blocking, place, send)
                }) {
                Ok(count) => {
                    *sent += count;
                    rest = &rest[count..];
                    if !rest.is_empty() {
                        // There was not enough room: the rest has to wait.
                        waits.waiting.tried(false);
                    }
                }
                Err(failed) => return Err(self.not_sent(failed, place)),
            }
        }
        Ok(())
    }

    /// What ended a write to the wire.
    #[cold]
    pub(super) fn not_sent(&self, failed: Failed, place: Option<Place>) -> SendStop {
        let error = match failed {
            Failed::NotNow(not_now) => return not_now.into(),
            Failed::Io(error) => error,
        };
        let event = match Fault::new(&error) {
            _ if error.kind() == io::ErrorKind::BrokenPipe => Event::Refused,
            Some(fault) if sys::is_final(&error) => Event::OutboundFailed(fault),
            _ => return SendStop::Io(error),
        };
        end(self.apply(event, place))
    }

    #[cold]
    pub(super) fn send_error(
        &self,
        stop: SendStop,
        sent: usize,
        size: usize,
        deadline: &Deadline,
        place: Place,
    ) -> SendError {
        let stand = self.core.stand();
        // A peer that sends and is not read may for that reason not read either.
        let unread = match stop {
            SendStop::NotNow(NotNow::TimedOut) => self.unread(),
            _ => 0,
        };
        let failure = Box::new(SendFailure {
            circumstances: self.circumstances(deadline, stand.for_send()),
            sent,
            size,
            unread,
        });
        let error = match (stand.local, stop) {
            (LocalEnd::Aborted, _) => SendError::Aborted(failure),
            (LocalEnd::Closed, _) | (_, SendStop::NotNow(NotNow::Closed)) => {
                SendError::Closed(failure)
            }
            (_, SendStop::NotNow(NotNow::TimedOut)) => SendError::TimedOut(failure),
            (_, SendStop::ShutDown) => SendError::ShutDown(failure),
            (_, SendStop::PeerClosed) => SendError::PeerClosed(failure),
            (_, SendStop::Reset) => SendError::Reset(failure),
            (_, SendStop::Frame(source)) => SendError::Frame { failure, source },
            (_, SendStop::Transform(source)) => SendError::Transform { failure, source },
            (_, SendStop::Io(source) | SendStop::NotNow(NotNow::Io(source))) => {
                SendError::Io { failure, source }
            }
        };
        if error.is_timeout() && !deadline.forbids_waiting() {
            let passed = || Recorded::DeadlinePassed {
                after: deadline.elapsed(),
                wanted: format!("the peer to take {}, it took {sent}", Count(size, "byte")),
            };
            self.recording.happened(passed, Some(place));
        }
        error
    }
}

impl Inner {
    /// How many bytes there are for the next receive.
    fn unread(&self) -> usize {
        let in_system = self.core.with_stream(|stream| Ok(stream.unread()));
        // A thread that receives currently will not leave any.
        let kept = self.core.receiving.try_enter();
        kept.map_or(0, |mut turn| turn.value().buffer.len()) + in_system.unwrap_or(0)
    }
}

/// Why nothing more can be sent.
pub(super) fn end(stand: Stand) -> SendStop {
    match (stand.outbound, stand.fault) {
        (Outbound::ShutDown, _) => SendStop::ShutDown,
        (Outbound::Failed, Some(fault)) if fault.is_reset() => SendStop::Reset,
        (Outbound::Failed, Some(fault)) => SendStop::Io(fault.error()),
        // Open is what a connection that was closed here meanwhile remains, and then that is what
        // is reported.
        (Outbound::Open | Outbound::Refused | Outbound::Failed, _) => SendStop::PeerClosed,
    }
}
