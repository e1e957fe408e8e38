//! Errors: who failed, what was wanted, how long it took, the state of the stream, and the bytes
//! that did arrive.

mod accept;
mod connect;
mod control;
mod difference;
mod evidence;
mod party;
mod receive;
mod send;

use std::{fmt, time::Duration};

use standin_error::text::Span;

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

/// Under which circumstances an operation on a stream failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Circumstances {
    /// The party that failed.
    pub party: Party,
    /// How long the operation had waited.
    pub elapsed: Duration,
    /// How long it was allowed to wait; `None` when there was no limit.
    pub limit: Option<Duration>,
    /// How the stream stood afterwards.
    pub state: StreamState,
}

impl Circumstances {
    /// "after 1.2s (limit 2s)", for messages.
    pub(crate) fn timing(&self) -> Timing {
        Timing {
            elapsed: self.elapsed,
            limit: self.limit,
        }
    }
}

/// The common methods of the errors of receives and sends: `$failure`, in every variant, has the
/// circumstances.
macro_rules! with_circumstances {
    ($error:ident, $failure:ty: $($plain:ident),+; $($with_more:ident),+) => {
        impl $error {
            /// Returns the details of the failure.
            pub fn failure(&self) -> &$failure {
                match self {
                    $($error::$plain(failure))|+ | $($error::$with_more { failure, .. })|+ => failure,
                }
            }

            /// Adds possible causes that the caller knows: the message ends with them.
            #[must_use]
            pub fn with_note(mut self, note: impl Into<Box<str>>) -> Self {
                let failure = match &mut self {
                    $($error::$plain(failure))|+ | $($error::$with_more { failure, .. })|+ => failure,
                };
                failure.circumstances.party.note = Some(note.into());
                self
            }

            /// Returns the party that failed.
            pub fn party(&self) -> &crate::error::Party {
                &self.failure().circumstances.party
            }

            /// Returns how the stream stood.
            pub fn stream_state(&self) -> crate::error::StreamState {
                self.failure().circumstances.state
            }

            /// Returns whether the time limit was exceeded.
            pub fn is_timeout(&self) -> bool {
                matches!(self, $error::TimedOut(_))
            }
        }
    };
}

use with_circumstances;

/// Shows how long something took and may have taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) elapsed: Duration,
    pub(crate) limit: Option<Duration>,
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(limit) = self.limit else {
            return write!(f, "{} (no limit)", When(self.elapsed));
        };
        if limit.is_zero() {
            return f.write_str("at once, without waiting");
        }
        let limit = Span(limit).to_string();
        if Span(self.elapsed).to_string() == limit {
            write!(f, "after {limit}")
        } else {
            write!(f, "{} (limit {limit})", When(self.elapsed))
        }
    }
}

/// Less than a millisecond is of no use to a reader.
struct When(Duration);

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < Duration::from_millis(1) {
            f.write_str("at once")
        } else {
            write!(f, "after {}", Span(self.0))
        }
    }
}
