//! Deliberate misbehaviour of a peer.

use std::time::Duration;

use standin_record::{By, Event as Recorded, Place};

use super::Connection;
use crate::{
    error::{ControlError, ReceiveError, SendError},
    operation::Operation,
    state::Event,
};

impl Connection {
    /// Resets the connection now: the peer gets `ECONNRESET` where it waits, and bytes on their way
    /// may be lost. Here it is closed, as by [`close`](Connection::close).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let limit = Duration::from_secs(10);
    /// # let server = standin_socket::Server::builder().bind()?;
    /// # let peer = standin_socket::Client::builder().port(server.port()).build().connect(limit)?;
    /// # let connection = server.accept(limit)?;
    /// use standin_socket::ReceiveError;
    ///
    /// connection.reset()?;
    /// let error = peer.receive_some(1, limit).unwrap_err();
    /// assert!(matches!(error, ReceiveError::Reset(_)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the connection is closed already, or a Unix socket's, which cannot be
    /// reset.
    #[track_caller]
    pub fn reset(&self) -> Result<(), ControlError> {
        self.reset_at(Place::caller())
    }

    /// Returns the same, for a layer above, as a line of the test wants it.
    #[doc(hidden)]
    pub fn reset_at(&self, place: Place) -> Result<(), ControlError> {
        let place = Some(place);
        let inner = &*self.inner;
        if self.peer_address().socket_addr().is_none() {
            return Err(ControlError::Unsupported {
                party: Box::new(inner.party()),
                action: "reset",
                reason: "a Unix socket cannot be reset",
            });
        }
        let mut outcome = Ok(());
        let is_first = inner.close_after(Event::Close, |stream| {
            let reset = || Recorded::Reset(By::Us);
            inner.recording.happened(reset, place);
            outcome = stream.reset(inner.core.sending.try_enter().is_none());
        });
        if !is_first {
            return Err(ControlError::Closed {
                party: Box::new(inner.party()),
                action: "reset",
            });
        }
        tracing::debug!(connection = %inner.party(), "reset");
        outcome.map_err(|source| ControlError::Io {
            party: Box::new(inner.party()),
            action: "reset",
            source,
        })
    }

    /// Receives exactly `count` bytes, returns them, and [resets](Connection::reset) the
    /// connection: a peer that dies while it receives.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`receive_exactly`](Connection::receive_exactly), and then the
    /// connection is not reset.
    #[track_caller]
    pub fn reset_after_receiving(
        &self,
        count: usize,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Vec<u8>, ReceiveError> {
        let received = self.receive_exactly(count, timeout)?;
        // Fails only when another thread has just closed it, which was first then.
        let _ = self.reset();
        Ok(received)
    }

    /// Sends the first `count` of `bytes` and [resets](Connection::reset) the connection: a peer
    /// that dies while it sends. Returns how many were sent.
    ///
    /// Bytes that the peer's system has not taken before the reset are lost, as when a peer really
    /// dies.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`send`](Connection::send), and then the connection is not reset.
    #[track_caller]
    pub fn reset_after_sending(
        &self,
        bytes: &[u8],
        count: usize,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<usize, SendError> {
        let sent = self.send(&bytes[..count.min(bytes.len())], timeout)?;
        let _ = self.reset();
        Ok(sent)
    }

    /// Sends `bytes` in pieces of `size` bytes, a pause of `every` between them: a peer on a slow
    /// line.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`send`](Connection::send). The timeout includes the pauses.
    #[track_caller]
    pub fn send_in_pieces(
        &self,
        bytes: &[u8],
        size: usize,
        every: Duration,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<usize, SendError> {
        self.operations(Place::caller())
            .send_in_pieces(bytes, size, every, timeout)
            .block()
    }

    /// Waits for the time of `delay` and then sends `bytes`: a peer that thinks.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`send`](Connection::send). The timeout includes the delay.
    #[track_caller]
    pub fn send_delayed(
        &self,
        bytes: &[u8],
        delay: Duration,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<usize, SendError> {
        self.operations(Place::caller())
            .send_delayed(bytes, delay, timeout)
            .block()
    }

    /// Makes the system's receive buffer as small as possible, so that a peer that continues to
    /// send soon notices that its bytes are not received.
    ///
    /// To stop reading, simply do not receive: bytes stay with the system until a receive asks for
    /// them. The system still takes what it has already announced to the peer; for a small buffer
    /// from the start, see [`ServerBuilder::receive_buffer`](crate::ServerBuilder::receive_buffer).
    ///
    /// # Errors
    ///
    /// Returns an error if the connection is closed on this side.
    #[track_caller]
    pub fn stop_reading(&self) -> Result<(), ControlError> {
        let place = Place::caller();
        self.control("stop reading", |stream| {
            stream.options().set_recv_buffer_size(1)
        })?;
        self.record_fault(|| "no longer reads".to_owned(), place);
        Ok(())
    }

    fn record_fault(&self, fault: impl FnOnce() -> String, place: Place) {
        let recording = &self.inner.recording;
        recording.happened(|| Recorded::Fault(fault()), Some(place));
    }
}
