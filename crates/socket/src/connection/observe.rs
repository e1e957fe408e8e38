//! Looking at a connection without having a part in it.

use super::Connection;
use crate::sys::{Ended, Stream};

impl Connection {
    /// Returns whether the connection is up: not closed on this side, not reset, and not ended by
    /// both sides.
    ///
    /// Asks the system, whatever operations have met so far. It takes no byte and no turn: a
    /// receive or send in progress is not disturbed.
    pub fn is_connected(&self) -> bool {
        !matches!(self.ended(), None | Some(Ended::Both))
    }

    /// Returns whether the peer has ended its direction, by closing the connection or its sending
    /// half, even if bytes from before that are unread. This side cannot distinguish the two. Asks
    /// the system, as [`is_connected`](Connection::is_connected) does.
    pub fn peer_has_ended(&self) -> bool {
        matches!(self.ended(), Some(Ended::Incoming | Ended::Both))
    }

    /// `None` once closed on this side.
    fn ended(&self) -> Option<Ended> {
        self.inner.core.with_stream(Stream::ended).ok()
    }
}
