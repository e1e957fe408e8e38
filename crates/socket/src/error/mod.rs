//! Errors: who, what was wanted, how long it took, how the stream stands, and what did arrive.

mod accept;
mod connect;
mod difference;
mod evidence;
mod party;
mod receive;
mod send;

use std::{fmt, time::Duration};

pub use self::{
    accept::{AcceptError, CloseError},
    connect::{Attempt, BindError, ConnectError, ConnectFailure},
    difference::Difference,
    evidence::Evidence,
    party::{Party, Role, StreamState},
    receive::{ReceiveError, ReceiveFailure},
    send::{SendError, SendFailure},
};

/// What every failed operation on a stream can tell.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// Who failed.
    pub party: Party,
    /// How long the operation had waited.
    pub elapsed: Duration,
    /// How long it was allowed to wait; `None` when there was no limit.
    pub limit: Option<Duration>,
    /// How the stream stood afterwards.
    pub state: StreamState,
}

impl Failure {
    /// "after 1.2s of at most 2s", for messages.
    pub(crate) fn timing(&self) -> Timing {
        Timing {
            elapsed: self.elapsed,
            limit: self.limit,
        }
    }
}

/// Shows how long something took and may have taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) elapsed: Duration,
    pub(crate) limit: Option<Duration>,
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nobody reads nanoseconds in a failed test.
        let elapsed =
            Duration::from_millis(u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX));
        match self.limit {
            Some(Duration::ZERO) => f.write_str("at once, without waiting"),
            Some(limit) => write!(f, "after {elapsed:?} (limit {limit:?})"),
            None => write!(f, "after {elapsed:?} (no limit)"),
        }
    }
}
