//! [`Then`]: what a peer does after an answer, as an option.

use standin_config::OptionValue;

/// What a peer does after its answer.
#[derive(Clone, Debug, PartialEq, Eq, OptionValue)]
pub enum Then {
    /// Closes the connection.
    Close,
    /// Sends the end of the stream, and continues with the next frame.
    HalfClose,
    /// Resets the connection.
    Reset,
    /// Keeps the connection open, but stops receiving.
    StopReading,
    /// Begins TLS, and continues after the handshake.
    StartTls,
    /// Holds the conversation for the test, which gets it by this name.
    Hold(String),
}

impl From<&Then> for standin_reply::Then {
    fn from(then: &Then) -> Self {
        match then {
            Then::Close => Self::Close,
            Then::HalfClose => Self::HalfClose,
            Then::Reset => Self::Reset,
            Then::StopReading => Self::StopReading,
            Then::StartTls => Self::StartTls,
            Then::Hold(name) => Self::hold(name),
        }
    }
}
