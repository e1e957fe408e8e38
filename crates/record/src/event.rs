//! [`Event`]: what happens on a connection.

use std::time::Duration;

/// The side that acted on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// The end that is recorded.
    Us,
    /// The other end.
    Peer,
}

/// Bytes that went over a connection at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// The first ones, at most [`Piece::KEPT`], without what must not be kept.
    pub kept: Vec<u8>,
    /// How many they were.
    pub length: u64,
}

impl Piece {
    /// How many bytes of a piece are kept: 512.
    pub const KEPT: usize = 512;

    /// Returns whether all of them were kept.
    pub fn is_whole(&self) -> bool {
        self.kept.len() as u64 == self.length
    }
}

/// An event on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// It was made from this end.
    Connected,
    /// It was accepted at this end.
    Accepted,
    /// Bytes went out.
    Sent(Piece),
    /// Bytes were received.
    Received(Piece),
    /// A direction was ended.
    HalfClosed(By),
    /// The connection was reset.
    Reset(By),
    /// It was closed at this end, or found to be closed at the other.
    Closed(By),
    /// An awaited event did not happen in time. Consecutive waits of one line of the test for the
    /// same event are one record.
    DeadlinePassed {
        /// How long the wait took.
        after: Duration,
        /// What was wanted and what happened instead, such as `5 bytes, 4 came`.
        wanted: String,
    },
    /// A fault was put in on purpose.
    Fault(String),
    /// An expectation was met.
    Met(String),
    /// An expectation was not met.
    Unmet(String),
    /// Something else that belongs to the connection, such as what its protocol makes of it.
    Note(String),
}

/// What a record is, as a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Connected,
    Accepted,
    Sent,
    Received,
    HalfClosed,
    PeerHalfClosed,
    Reset,
    PeerReset,
    Closed,
    PeerClosed,
    DeadlinePassed,
    Fault,
    Met,
    Unmet,
    Note,
}

impl Kind {
    const ALL: [Self; 15] = [
        Self::Connected,
        Self::Accepted,
        Self::Sent,
        Self::Received,
        Self::HalfClosed,
        Self::PeerHalfClosed,
        Self::Reset,
        Self::PeerReset,
        Self::Closed,
        Self::PeerClosed,
        Self::DeadlinePassed,
        Self::Fault,
        Self::Met,
        Self::Unmet,
        Self::Note,
    ];

    pub(crate) fn of(byte: u8) -> Self {
        // Only what this enum was is ever written.
        Self::ALL[usize::from(byte)]
    }

    /// The event with the number and the bytes of its record.
    pub(crate) fn event(self, length: u64, kept: Vec<u8>) -> Event {
        let text = |kept: Vec<u8>| String::from_utf8_lossy(&kept).into_owned();
        match self {
            Self::Connected => Event::Connected,
            Self::Accepted => Event::Accepted,
            Self::Sent => Event::Sent(Piece { kept, length }),
            Self::Received => Event::Received(Piece { kept, length }),
            Self::HalfClosed => Event::HalfClosed(By::Us),
            Self::PeerHalfClosed => Event::HalfClosed(By::Peer),
            Self::Reset => Event::Reset(By::Us),
            Self::PeerReset => Event::Reset(By::Peer),
            Self::Closed => Event::Closed(By::Us),
            Self::PeerClosed => Event::Closed(By::Peer),
            Self::DeadlinePassed => Event::DeadlinePassed {
                after: Duration::from_nanos(length),
                wanted: text(kept),
            },
            Self::Fault => Event::Fault(text(kept)),
            Self::Met => Event::Met(text(kept)),
            Self::Unmet => Event::Unmet(text(kept)),
            Self::Note => Event::Note(text(kept)),
        }
    }
}

impl Event {
    /// What is written of it: its kind, its number and its text. Bytes have a way of their own.
    pub(crate) fn parts(&self) -> (Kind, u64, &[u8]) {
        let plain = |kind| (kind, 0, &[][..]);
        match self {
            Self::Connected => plain(Kind::Connected),
            Self::Accepted => plain(Kind::Accepted),
            Self::Sent(piece) => (Kind::Sent, piece.length, &piece.kept),
            Self::Received(piece) => (Kind::Received, piece.length, &piece.kept),
            Self::HalfClosed(By::Us) => plain(Kind::HalfClosed),
            Self::HalfClosed(By::Peer) => plain(Kind::PeerHalfClosed),
            Self::Reset(By::Us) => plain(Kind::Reset),
            Self::Reset(By::Peer) => plain(Kind::PeerReset),
            Self::Closed(By::Us) => plain(Kind::Closed),
            Self::Closed(By::Peer) => plain(Kind::PeerClosed),
            Self::DeadlinePassed { after, wanted } => {
                let nanos = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
                (Kind::DeadlinePassed, nanos, wanted.as_bytes())
            }
            Self::Fault(text) => (Kind::Fault, 0, text.as_bytes()),
            Self::Met(text) => (Kind::Met, 0, text.as_bytes()),
            Self::Unmet(text) => (Kind::Unmet, 0, text.as_bytes()),
            Self::Note(text) => (Kind::Note, 0, text.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_the_byte_that_stands_for_it() {
        for (byte, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, byte);
            let event = kind.event(7, b"text".to_vec());
            assert_eq!(event.parts().0, kind);
        }
    }
}
