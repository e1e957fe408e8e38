//! Why a receive ends without what it wanted.

use std::io;

use crate::{
    error::Difference,
    framing::FrameError,
    state::{Inbound, Stand},
    transform::TransformError,
    turn_lock::NotNow,
};

/// What ended a receive early.
#[derive(Debug)]
pub(super) enum ReceiveStop {
    NotNow(NotNow),
    /// This side has shut down the receiving half.
    ShutDown,
    PeerClosed,
    Reset,
    /// There is no room for more. Never a read of nothing, which would look like the end of the
    /// stream.
    Limit,
    Frame(FrameError),
    Unexpected(Box<Difference>),
    /// The connection's transform cannot continue.
    Transform(TransformError),
    Io(io::Error),
}

impl ReceiveStop {
    /// Why nothing more can be received, once everything was.
    pub(super) fn of(stand: Stand) -> ReceiveStop {
        match (stand.inbound, stand.fault) {
            (Inbound::ShutDown, _) => ReceiveStop::ShutDown,
            (Inbound::Failed, Some(fault)) if fault.is_reset() => ReceiveStop::Reset,
            (Inbound::Failed, Some(fault)) => ReceiveStop::Io(fault.error()),
            // Open is what a connection that was closed here meanwhile remains, and then that is
            // what is reported.
            (Inbound::Open | Inbound::Ended | Inbound::Failed, _) => ReceiveStop::PeerClosed,
        }
    }
}

impl From<NotNow> for ReceiveStop {
    fn from(not_now: NotNow) -> Self {
        ReceiveStop::NotNow(not_now)
    }
}

impl From<FrameError> for ReceiveStop {
    fn from(error: FrameError) -> Self {
        ReceiveStop::Frame(error)
    }
}
