//! Looking at a connection without having a part in it.

use super::Connection;
use crate::sys::{Ended, Stream};

impl Connection {
    /// Whether the connection is up: not closed on this side, not reset, and not ended by both
    /// sides.
    ///
    /// The system is asked now, whatever operations have met so far. No byte is taken and no turn:
    /// a receive or send under way goes on undisturbed.
    pub fn is_connected(&self) -> bool {
        !matches!(self.ended(), None | Some(Ended::Both))
    }

    /// Whether the peer has said that it sends no more, by closing the connection or its sending
    /// half, though bytes may be left that came before. Which of both it was cannot be seen from
    /// this side. Asks the system, as [`is_connected`](Connection::is_connected) does.
    pub fn peer_has_ended(&self) -> bool {
        matches!(self.ended(), Some(Ended::Incoming | Ended::Both))
    }

    /// `None` once closed on this side.
    fn ended(&self) -> Option<Ended> {
        self.inner.core.with_stream(Stream::ended).ok()
    }
}
