//! Why a receive failed.

use std::{borrow::Cow, fmt, io};

use miette::Diagnostic;
use standin_error::text::Count;
use thiserror::Error;

use super::{Circumstances, Difference, Evidence, with_circumstances};
use crate::{framing::FrameError, transform::TransformError};

/// Why a receive failed.
///
/// Bytes that had arrived stay with the connection: the next receive begins with them.
/// [`ReceiveError::received`] shows them.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The time was up.
    #[error("{}", .0.sentence("timed out"))]
    #[diagnostic(
        code(standin::socket::receive_timed_out),
        help("the bytes that arrived are kept for the next receive; wait longer, or ask for less")
    )]
    TimedOut(Box<ReceiveFailure>),

    /// The peer closed the connection, or its sending half, before that.
    #[error("{}", .0.sentence("the peer closed the connection"))]
    #[diagnostic(
        code(standin::socket::receive_peer_closed),
        help("the bytes before the end are kept: receive_some and receive_to_end return them")
    )]
    PeerClosed(Box<ReceiveFailure>),

    /// This side has shut down receiving, and everything that had arrived was received.
    #[error("{}", .0.sentence("the receiving half was shut down on this side"))]
    #[diagnostic(
        code(standin::socket::receive_shut_down),
        help("nothing can be received after `shutdown_read`; sending still works")
    )]
    ShutDown(Box<ReceiveFailure>),

    /// The connection was reset (`ECONNRESET`), and everything that had arrived was received.
    #[error("{}", .0.sentence("the connection was reset"))]
    #[diagnostic(
        code(standin::socket::receive_reset),
        help(
            "the peer was killed, closed without reading everything, or reset the connection on purpose"
        )
    )]
    Reset(Box<ReceiveFailure>),

    /// The connection was closed on this side, before the receive or by another thread while it
    /// waited.
    #[error("{}", .0.sentence("the connection was closed on this side"))]
    #[diagnostic(
        code(standin::socket::receive_closed),
        help(
            "something closed the connection, or stopped what it belongs to; use a newer connection"
        )
    )]
    Closed(Box<ReceiveFailure>),

    /// The owner of the connection was aborted.
    #[error("{}", .0.sentence("aborted"))]
    #[diagnostic(
        code(standin::socket::receive_aborted),
        help("the operation was aborted; look for the caller of `abort`")
    )]
    Aborted(Box<ReceiveFailure>),

    /// More arrived than the receive may collect, or more was requested than there is memory.
    #[error("{}", .0.sentence("too many bytes"))]
    #[diagnostic(
        code(standin::socket::receive_limit),
        help(
            "the bytes so far are kept; raise the connection's receive limit if that many are expected"
        )
    )]
    Limit(Box<ReceiveFailure>),

    /// Other bytes arrived than expected.
    #[error("{}\n{difference}{}", failure.headline("unexpected bytes"), failure.circumstances.party.ending())]
    #[diagnostic(
        code(standin::socket::receive_unexpected),
        help("the bytes are kept: receive them to continue")
    )]
    Unexpected {
        /// The circumstances.
        failure: Box<ReceiveFailure>,
        /// Where the bytes differ.
        difference: Box<Difference>,
    },

    /// The bytes are not a valid frame.
    #[error("{}", failure.sentence("what arrived is not a frame"))]
    #[diagnostic(
        code(standin::socket::receive_frame),
        help("the bytes are kept: receive them in another way to continue")
    )]
    Frame {
        /// The circumstances.
        failure: Box<ReceiveFailure>,
        /// The reason.
        source: FrameError,
    },

    /// The [`Transform`](crate::Transform) failed to encode or decode bytes.
    #[error("{}", failure.sentence("the TLS stream is no longer usable"))]
    #[diagnostic(forward(source))]
    Transform {
        /// The circumstances.
        failure: Box<ReceiveFailure>,
        /// The reason.
        source: TransformError,
    },

    /// The system reported something else.
    #[error("{}", failure.sentence("the system reported an error"))]
    #[diagnostic(code(standin::socket::receive_failed), help("see the cause"))]
    Io {
        /// The circumstances.
        failure: Box<ReceiveFailure>,
        /// The system's error.
        source: io::Error,
    },
}

standin_error::reportable!(ReceiveError);

/// The circumstances of a failed receive.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReceiveFailure {
    /// The party, the time taken, and the state of the stream.
    pub circumstances: Circumstances,
    /// What the receive wanted, in words: "exactly 4 bytes".
    pub wanted: Cow<'static, str>,
    /// The bytes that had arrived.
    pub received: Evidence,
}

impl ReceiveFailure {
    fn sentence<'a>(&'a self, what: &'a str) -> impl fmt::Display + 'a {
        Sentence {
            failure: self,
            what,
            with_dump: true,
        }
    }

    /// The same without the bytes, which follow in another form.
    fn headline<'a>(&'a self, what: &'a str) -> impl fmt::Display + 'a {
        Sentence {
            failure: self,
            what,
            with_dump: false,
        }
    }
}

struct Sentence<'a> {
    failure: &'a ReceiveFailure,
    what: &'a str,
    with_dump: bool,
}

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReceiveFailure {
            circumstances,
            wanted,
            received,
        } = self.failure;
        write!(
            f,
            "{}: {} {}: wanted {wanted}, ",
            circumstances.party,
            self.what,
            circumstances.timing()
        )?;
        match received.len() {
            0 => f.write_str("received nothing")?,
            count => write!(f, "received {}", Count(count, "byte"))?,
        }
        write!(f, "; {}", circumstances.state)?;
        if self.with_dump && !received.is_empty() {
            write!(f, "\n{received}")?;
        }
        if self.with_dump {
            write!(f, "{}", circumstances.party.ending())?;
        }
        Ok(())
    }
}

with_circumstances!(ReceiveError, ReceiveFailure: TimedOut, PeerClosed, ShutDown, Reset, Closed, Aborted, Limit; Unexpected, Frame, Transform, Io);

impl ReceiveError {
    /// Returns the bytes that had arrived.
    pub fn received(&self) -> &Evidence {
        &self.failure().received
    }

    /// Returns whether the peer closed the connection in good order.
    pub fn is_peer_closed(&self) -> bool {
        matches!(self, ReceiveError::PeerClosed(_))
    }
}
