//! The different kinds of receives.

use std::{borrow::Cow, time::Duration};

use standin_error::text::Count;
use standin_record::{Event as Recorded, Place};

use super::{
    Connection, Inner, core::Incoming, receive_stop::ReceiveStop, receiver::Receiver,
    wanted::Wanted,
};
use crate::{
    error::{Evidence, ReceiveError, ReceiveFailure},
    framing::Framing,
    operation::Operation,
    state::LocalEnd,
    sys::Stream,
    time::Deadline,
    turn_lock::{NotNow, Part},
};

impl Connection {
    /// Receives from 1 to `limit` bytes: those that have already arrived, or else the next ones.
    ///
    /// A `limit` of zero returns no bytes, at once.
    ///
    /// # Errors
    ///
    /// Returns [`ReceiveError::TimedOut`] if no bytes arrived, [`ReceiveError::PeerClosed`] at the
    /// end of the stream, now and every time after; and the other variants.
    #[track_caller]
    pub fn receive_some(
        &self,
        limit: usize,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Vec<u8>, ReceiveError> {
        self.operations(Place::caller())
            .receive_some(limit, timeout)
            .block()
    }

    /// Receives the next bytes into `target` and returns how many: at least 1, unless `target` is
    /// empty. For loops that move many bytes and reuse one buffer.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`receive_some`](Connection::receive_some).
    #[track_caller]
    pub fn receive_into(
        &self,
        target: &mut [u8],
        timeout: impl Into<Option<Duration>>,
    ) -> Result<usize, ReceiveError> {
        self.operations(Place::caller())
            .receive_into(target, timeout)
            .block()
    }

    /// Receives exactly `count` bytes, however many pieces they come in.
    ///
    /// They are copied once, from the system to the result, whose memory is the requested size.
    ///
    /// # Errors
    ///
    /// Returns any [`ReceiveError`]. Bytes that did arrive are kept, and shown by the error.
    #[track_caller]
    pub fn receive_exactly(
        &self,
        count: usize,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Vec<u8>, ReceiveError> {
        self.operations(Place::caller())
            .receive_exactly(count, timeout)
            .block()
    }

    /// Receives up to and including `delimiter`. Later bytes are kept for the next receive.
    ///
    /// # Errors
    ///
    /// Returns any [`ReceiveError`]; [`ReceiveError::Limit`] if the delimiter does not come within
    /// the connection's limit, [`ReceiveError::Frame`] if it is empty.
    #[track_caller]
    pub fn receive_until(
        &self,
        delimiter: impl Into<Vec<u8>>,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Vec<u8>, ReceiveError> {
        self.operations(Place::caller())
            .receive_until(delimiter, timeout)
            .block()
    }

    /// Receives a line, which ends with LF or CRLF, and returns it without its end.
    ///
    /// # Errors
    ///
    /// Returns any [`ReceiveError`]; [`ReceiveError::PeerClosed`] also if the last line has no end:
    /// it is kept.
    #[track_caller]
    pub fn receive_line(
        &self,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Vec<u8>, ReceiveError> {
        self.operations(Place::caller())
            .receive_line(timeout)
            .block()
    }

    /// Receives up to a position chosen by `matching`: it is called with all bytes so far, each
    /// time that more have arrived, and returns the number of those to take. It may send on this
    /// connection or close it; to receive on it is an error.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let limit = Duration::from_secs(10);
    /// # let server = standin_socket::Server::builder().bind()?;
    /// # let peer = standin_socket::Client::builder().port(server.port()).build().connect(limit)?;
    /// # let connection = server.accept(limit)?;
    /// let pattern = regex::bytes::Regex::new(r"id=\d+;")?;
    /// peer.send(b"hello id=12;id=13;", limit)?;
    /// let end = |bytes: &[u8]| pattern.find(bytes).map(|found| found.end());
    /// let greeting = connection.receive_matching(end, limit)?;
    /// assert_eq!(greeting, b"hello id=12;");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns any [`ReceiveError`]; [`ReceiveError::Limit`] if nothing matches within the
    /// connection's limit.
    #[track_caller]
    pub fn receive_matching(
        &self,
        matching: impl FnMut(&[u8]) -> Option<usize>,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Vec<u8>, ReceiveError> {
        self.operations(Place::caller())
            .receive_matching(matching, timeout)
            .block()
    }

    /// Receives one frame and returns its payload. See [`framing`](crate::framing) for the
    /// available framings and how to write one.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let limit = Duration::from_secs(10);
    /// # let server = standin_socket::Server::builder().bind()?;
    /// # let peer = standin_socket::Client::builder().port(server.port()).build().connect(limit)?;
    /// # let connection = server.accept(limit)?;
    /// use standin_socket::framing::{Endian, LengthPrefix, Width};
    ///
    /// let mut framing = LengthPrefix::new(Width::U32, Endian::Big);
    /// peer.send_frame(&mut framing, b"payload", limit)?;
    /// assert_eq!(connection.receive_frame(&mut framing, limit)?, b"payload");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns any [`ReceiveError`]; [`ReceiveError::Frame`] if the bytes are not a frame,
    /// [`ReceiveError::Limit`] if it would be larger than the connection's limit.
    #[track_caller]
    pub fn receive_frame(
        &self,
        framing: &mut (impl Framing + ?Sized),
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Vec<u8>, ReceiveError> {
        self.operations(Place::caller())
            .receive_frame(framing, timeout)
            .block()
    }

    /// Receives everything until the peer closes the connection or its sending half, or until this
    /// side shut receiving down. Returns no bytes, at once, if that has already happened.
    ///
    /// # Errors
    ///
    /// Returns any [`ReceiveError`] but [`ReceiveError::PeerClosed`]; [`ReceiveError::Limit`] if
    /// more comes than the connection's limit.
    #[track_caller]
    pub fn receive_to_end(
        &self,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Vec<u8>, ReceiveError> {
        self.operations(Place::caller())
            .receive_to_end(timeout)
            .block()
    }

    /// Receives everything until no bytes arrive for the time of `silence`, the peer closes, or
    /// this side [shuts down](Connection::shutdown_read) receiving. Returns no bytes if none
    /// arrive.
    ///
    /// # Errors
    ///
    /// Returns any [`ReceiveError`]; [`ReceiveError::TimedOut`] if there is no silence within
    /// `timeout`, [`ReceiveError::PeerClosed`] or [`ReceiveError::ShutDown`] if the stream had
    /// ended and there was nothing.
    #[track_caller]
    pub fn receive_until_silence(
        &self,
        silence: Duration,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Vec<u8>, ReceiveError> {
        self.operations(Place::caller())
            .receive_until_silence(silence, timeout)
            .block()
    }

    /// Receives what has arrived, up to the connection's limit, without waiting. No bytes when
    /// nothing has.
    ///
    /// # Errors
    ///
    /// Returns any [`ReceiveError`] but [`ReceiveError::TimedOut`], unless another thread is
    /// receiving.
    #[track_caller]
    pub fn receive_buffered(&self) -> Result<Vec<u8>, ReceiveError> {
        self.operations(Place::caller()).receive_buffered().block()
    }

    /// Shows what the next receive would find, from 1 to `limit` bytes, without taking it.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`receive_some`](Connection::receive_some).
    #[track_caller]
    pub fn peek(
        &self,
        limit: usize,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Vec<u8>, ReceiveError> {
        self.operations(Place::caller())
            .peek(limit, timeout)
            .block()
    }

    /// Receives `expected`; anything else is an error.
    ///
    /// # Errors
    ///
    /// Returns [`ReceiveError::Unexpected`] as soon as other bytes arrive, with the difference;
    /// other variants if fewer arrive. The bytes are kept.
    #[track_caller]
    pub fn expect(
        &self,
        expected: impl AsRef<[u8]>,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<(), ReceiveError> {
        self.operations(Place::caller())
            .expect(expected, timeout)
            .block()
    }
}

impl Inner {
    /// Receives what is wanted in this thread's turn.
    pub(super) fn receive<W: Wanted>(
        &self,
        wanted: &mut W,
        part: &mut Part<'_, Incoming<Stream>>,
        mut deadline: Deadline,
        place: Place,
    ) -> Result<W::Brings, ReceiveError> {
        let turn = match part.enter(&mut deadline) {
            Ok(turn) => turn,
            Err(not_now) => {
                let nothing = Evidence::default();
                let wanted = wanted.describe(&self.recording);
                return Err(self.receive_error(not_now.into(), wanted, nothing, &deadline, place));
            }
        };
        let mut receiver = Receiver::new(self, turn, deadline, Some(place));
        let stop = match receiver.bring(wanted) {
            Ok(brought) => return Ok(brought),
            Err(stop) => stop,
        };
        // What describes the wish may be a user's code: the turn has ended by then.
        let (received, deadline) = receiver.into_evidence();
        Err(self.receive_error(
            stop,
            wanted.describe(&self.recording),
            received,
            &deadline,
            place,
        ))
    }

    pub(super) fn trace_received(&self, bytes: usize) {
        tracing::trace!(connection = %self.party(), bytes, "received");
    }

    #[cold]
    pub(super) fn receive_error(
        &self,
        stop: ReceiveStop,
        wanted: Cow<'static, str>,
        received: Evidence,
        deadline: &Deadline,
        place: Place,
    ) -> ReceiveError {
        self.record_failure(&stop, &wanted, &received, deadline, place);
        let stand = self.core.stand();
        let failure = Box::new(ReceiveFailure {
            circumstances: self.circumstances(deadline, stand.for_receive()),
            wanted,
            received,
        });
        match (stand.local, stop) {
            (LocalEnd::Aborted, _) => ReceiveError::Aborted(failure),
            (LocalEnd::Closed, _) | (_, ReceiveStop::NotNow(NotNow::Closed)) => {
                ReceiveError::Closed(failure)
            }
            (_, ReceiveStop::NotNow(NotNow::TimedOut)) => ReceiveError::TimedOut(failure),
            (_, ReceiveStop::ShutDown) => ReceiveError::ShutDown(failure),
            (_, ReceiveStop::PeerClosed) => ReceiveError::PeerClosed(failure),
            (_, ReceiveStop::Reset) => ReceiveError::Reset(failure),
            (_, ReceiveStop::Limit) => ReceiveError::Limit(failure),
            (_, ReceiveStop::Frame(source)) => ReceiveError::Frame { failure, source },
            (_, ReceiveStop::Transform(source)) => ReceiveError::Transform { failure, source },
            (_, ReceiveStop::Unexpected(difference)) => ReceiveError::Unexpected {
                failure,
                difference,
            },
            (_, ReceiveStop::Io(source) | ReceiveStop::NotNow(NotNow::Io(source))) => {
                ReceiveError::Io { failure, source }
            }
        }
    }

    /// Records an unmet receive: what did not arrive, or what arrived instead. Not for polling
    /// receives, which may repeat.
    fn record_failure(
        &self,
        stop: &ReceiveStop,
        wanted: &str,
        received: &Evidence,
        deadline: &Deadline,
        place: Place,
    ) {
        let came = || Count(received.len(), "byte");
        let event = || match stop {
            ReceiveStop::NotNow(NotNow::TimedOut) if !deadline.forbids_waiting() => {
                Some(Recorded::DeadlinePassed {
                    after: deadline.elapsed(),
                    wanted: match received.len() {
                        0 => format!("{wanted}, nothing came"),
                        _ => format!("{wanted}, {} came", came()),
                    },
                })
            }
            ReceiveStop::Unexpected(difference) => {
                let at = difference.at;
                Some(Recorded::Unmet(format!("{wanted}: byte {at} differs")))
            }
            ReceiveStop::Frame(_) => Some(Recorded::Unmet(format!("{wanted}: it is not a frame"))),
            ReceiveStop::Limit => Some(Recorded::Unmet(format!("{wanted}: too many bytes"))),
            // A receive until there is no more finds the end with nothing before it.
            ReceiveStop::PeerClosed if !received.is_empty() => Some(Recorded::Unmet(format!(
                "{wanted}: the stream ended after {}",
                came()
            ))),
            _ => None,
        };
        self.recording.happened_perhaps(event, Some(place));
    }
}
