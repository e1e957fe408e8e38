//! Why a send did not get rid of everything.

use std::{fmt, io};

use miette::Diagnostic;
use standin_error::text::Count;
use thiserror::Error;

use super::{Circumstances, with_circumstances};
use crate::{framing::FrameError, transform::TransformError};

/// Why a send failed.
///
/// [`SendError::sent`] returns exactly how many bytes the system took before; the peer may or may
/// not have received them.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum SendError {
    /// The time was up: the peer does not read, or not fast enough.
    #[error("{}", .0.sentence("timed out"))]
    #[diagnostic(
        code(standin::socket::send_timed_out),
        help("{}", .0.way_out())
    )]
    TimedOut(Box<SendFailure>),

    /// The peer closed the connection and takes no more (`EPIPE`).
    #[error("{}", .0.sentence("the peer no longer reads"))]
    #[diagnostic(
        code(standin::socket::send_peer_closed),
        help("the peer closed the connection; what it sent before can still be received")
    )]
    PeerClosed(Box<SendFailure>),

    /// This side has shut down its sending half.
    #[error("{}", .0.sentence("the sending half was shut down on this side"))]
    #[diagnostic(
        code(standin::socket::send_shut_down),
        help("nothing can be sent after `shutdown_write`; receiving still works")
    )]
    ShutDown(Box<SendFailure>),

    /// The connection was reset (`ECONNRESET`).
    #[error("{}", .0.sentence("the connection was reset"))]
    #[diagnostic(
        code(standin::socket::send_reset),
        help(
            "the peer was killed, closed without reading everything, or reset the connection on purpose"
        )
    )]
    Reset(Box<SendFailure>),

    /// The connection was closed on this side, before the send or by another thread while it
    /// waited.
    #[error("{}", .0.sentence("the connection was closed on this side"))]
    #[diagnostic(
        code(standin::socket::send_closed),
        help(
            "something closed the connection, or stopped what it belongs to; use a newer connection"
        )
    )]
    Closed(Box<SendFailure>),

    /// The owner of the connection was aborted.
    #[error("{}", .0.sentence("aborted"))]
    #[diagnostic(
        code(standin::socket::send_aborted),
        help("the operation was aborted; look for the caller of `abort`")
    )]
    Aborted(Box<SendFailure>),

    /// No frame can carry the payload. Nothing was sent.
    #[error("{}", failure.sentence("the payload does not fit into a frame"))]
    #[diagnostic(
        code(standin::socket::send_frame),
        help("see the cause; check the framing's width and limit")
    )]
    Frame {
        /// The circumstances.
        failure: Box<SendFailure>,
        /// The reason.
        source: FrameError,
    },

    /// The [`Transform`](crate::Transform) failed to encode or decode bytes.
    #[error("{}", failure.sentence("the TLS stream is no longer usable"))]
    #[diagnostic(forward(source))]
    Transform {
        /// The circumstances.
        failure: Box<SendFailure>,
        /// The reason.
        source: TransformError,
    },

    /// The system reported something else.
    #[error("{}", failure.sentence("the system reported an error"))]
    #[diagnostic(code(standin::socket::send_failed), help("see the cause"))]
    Io {
        /// The circumstances.
        failure: Box<SendFailure>,
        /// The system's error.
        source: io::Error,
    },
}

standin_error::reportable!(SendError);

/// The circumstances of a failed send.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SendFailure {
    /// The party, the time taken, and the state of the stream.
    pub circumstances: Circumstances,
    /// How many bytes the system took.
    pub sent: usize,
    /// How many there were to send.
    pub size: usize,
    /// How many bytes from the peer this side's system had for a receive when the time was up; 0
    /// for other failures.
    pub unread: usize,
}

impl SendFailure {
    fn way_out(&self) -> &'static str {
        if self.unread == 0 {
            "the peer reads too slowly or not at all; wait longer, or have it read"
        } else {
            "the peer may read nothing because nobody reads what it sends: receive in another thread while this one sends"
        }
    }

    fn sentence<'a>(&'a self, what: &'a str) -> impl fmt::Display + 'a {
        Sentence {
            failure: self,
            what,
        }
    }
}

struct Sentence<'a> {
    failure: &'a SendFailure,
    what: &'a str,
}

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SendFailure {
            circumstances,
            sent,
            size,
            unread,
        } = self.failure;
        write!(
            f,
            "{}: {} {}: sent {sent} of {}; {}",
            circumstances.party,
            self.what,
            circumstances.timing(),
            Count(*size, "byte"),
            circumstances.state
        )?;
        if *unread > 0 {
            write!(
                f,
                "; {} from the peer wait here unread",
                Count(*unread, "byte")
            )?;
        }
        write!(f, "{}", circumstances.party.ending())
    }
}

with_circumstances!(SendError, SendFailure: TimedOut, PeerClosed, ShutDown, Reset, Closed, Aborted; Frame, Transform, Io);

impl SendError {
    /// Returns how many bytes the system took before.
    pub fn sent(&self) -> usize {
        self.failure().sent
    }
}
