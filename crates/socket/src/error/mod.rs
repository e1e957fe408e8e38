//! Errors: who, what was wanted, how long it took, how the stream stands, and what did arrive.

mod accept;
mod connect;
mod control;
mod difference;
mod evidence;
mod party;
mod receive;
mod send;

use std::{fmt, time::Duration};

pub use self::{
    accept::{AcceptError, CloseError},
    connect::{Attempt, BindError, ConnectError, ConnectFailure},
    control::ControlError,
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
        match (self.elapsed, self.limit) {
            (_, Some(Duration::ZERO)) => f.write_str("at once, without waiting"),
            (Duration::ZERO, Some(limit)) => write!(f, "at once (limit {limit:?})"),
            (Duration::ZERO, None) => f.write_str("at once (no limit)"),
            (elapsed, Some(limit)) => write!(f, "after {:?} (limit {limit:?})", readable(elapsed)),
            (elapsed, None) => write!(f, "after {:?} (no limit)", readable(elapsed)),
        }
    }
}

/// Nobody reads nanoseconds in a failed test: three or four digits are enough.
fn readable(time: Duration) -> Duration {
    let unit = if time >= Duration::from_millis(1) {
        Duration::from_millis(1)
    } else {
        Duration::from_micros(1)
    };
    let rounded = time.as_nanos() / unit.as_nanos() * unit.as_nanos();
    u64::try_from(rounded).map_or(time, Duration::from_nanos)
}

/// `1 byte`, `2 bytes`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes(pub(crate) usize);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} byte{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}
