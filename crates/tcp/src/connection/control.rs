//! Methods of a connection besides sending and receiving: ending it correctly or abruptly, and
//! querying its state.

use std::time::Duration;

use standin_socket::StreamState;
use standin_socket::operation::{Place, Thread, now};

use super::TcpConnection;
use crate::TcpError;

impl TcpConnection {
    /// Closes the connection, on all handles. The peer sees the end of the
    /// stream at once.
    #[track_caller]
    pub fn close(&self) {
        self.socket.close();
    }

    /// Closes the connection as [`close`](TcpConnection::close) does; every wait on it, now and
    /// later, fails with an error that says it was aborted.
    #[track_caller]
    pub fn abort(&self) {
        self.socket.abort();
    }

    /// Ends the sending direction: the peer sees the end of the stream after the bytes sent before.
    /// Receiving continues.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection is closed on this side, or the peer has reset it.
    #[track_caller]
    pub fn shutdown_write(&self) -> Result<(), TcpError> {
        Ok(self.socket.shutdown_write()?)
    }

    /// Ends the receiving direction: a receive returns bytes that have already arrived, and then
    /// fails. The peer does not notice.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection is closed on this side, or the peer has reset it.
    #[track_caller]
    pub fn shutdown_read(&self) -> Result<(), TcpError> {
        Ok(self.socket.shutdown_read()?)
    }

    /// Resets the connection now: the peer gets `ECONNRESET` where it waits, and bytes on their
    /// way may be lost. On this side it is closed.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection is closed already, or is one of a Unix socket, which
    /// cannot be reset.
    #[track_caller]
    pub fn reset(&self) -> Result<(), TcpError> {
        Ok(self.socket.reset()?)
    }

    /// Receives exactly `count` bytes, returns them, and [resets](TcpConnection::reset) the
    /// connection: a peer that dies in the middle of listening.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`receive_exactly`](TcpConnection::receive_exactly); the connection is
    /// not reset then.
    #[track_caller]
    pub fn reset_after_receiving(&self, count: usize) -> Result<Vec<u8>, TcpError> {
        now(self
            .talk(Thread, Place::caller())
            .reset_after_receiving(count))
    }

    /// Sends the first `count` of `bytes`, returns how many were sent, and
    /// [resets](TcpConnection::reset) the connection: a peer that dies in the middle of talking.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`send`](TcpConnection::send); the connection is not reset then.
    #[track_caller]
    pub fn reset_after_sending(
        &self,
        bytes: impl AsRef<[u8]>,
        count: usize,
    ) -> Result<usize, TcpError> {
        now(self
            .talk(Thread, Place::caller())
            .reset_after_sending(bytes, count))
    }

    /// Sends `bytes` in pieces of `size` bytes, a pause of `every` between them: a peer on a
    /// slow line.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`send`](TcpConnection::send). The time limit includes the pauses.
    #[track_caller]
    pub fn send_in_pieces(
        &self,
        bytes: impl AsRef<[u8]>,
        size: usize,
        every: Duration,
    ) -> Result<usize, TcpError> {
        now(self
            .talk(Thread, Place::caller())
            .send_in_pieces(bytes, size, every))
    }

    /// Waits for the time of `delay` and then sends `bytes`: a peer that takes its time.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`send`](TcpConnection::send). The time limit includes the delay.
    #[track_caller]
    pub fn send_delayed(
        &self,
        bytes: impl AsRef<[u8]>,
        delay: Duration,
    ) -> Result<usize, TcpError> {
        now(self
            .talk(Thread, Place::caller())
            .send_delayed(bytes, delay))
    }

    /// Makes the system's receive buffer as small as it can be, so that a peer that continues
    /// sending soon notices that nobody receives.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection is closed on this side.
    #[track_caller]
    pub fn stop_reading(&self) -> Result<(), TcpError> {
        Ok(self.socket.stop_reading()?)
    }

    /// Limits how many bytes a single receive may collect when the peer decides how many come:
    /// up to a delimiter or a match, a frame, to the end, until silence. It holds for all
    /// handles of the connection.
    pub fn set_receive_limit(&self, bytes: usize) {
        self.socket.set_receive_limit(bytes);
    }

    /// Puts bytes back in front of those that the next receive finds.
    pub fn unread(&self, bytes: Vec<u8>) {
        self.socket.unread(bytes);
    }

    /// Returns whether this side has neither closed nor aborted the connection.
    pub fn is_open(&self) -> bool {
        self.socket.is_open()
    }

    /// Returns whether the connection is up: not closed on this side, not reset, and not ended by
    /// both sides. Asks the system; this does not disturb a receive or send in progress.
    pub fn is_connected(&self) -> bool {
        self.socket.is_connected()
    }

    /// Returns whether the peer has closed its end, even if bytes from before that are unread. Asks
    /// the system, as [`is_connected`](TcpConnection::is_connected) does.
    pub fn peer_has_ended(&self) -> bool {
        self.socket.peer_has_ended()
    }

    /// Returns the state of the stream, as seen by the operations so far.
    pub fn stream_state(&self) -> StreamState {
        self.socket.stream_state()
    }
}
