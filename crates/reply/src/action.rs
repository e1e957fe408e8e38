//! [`Action`]: what a conversation wants done.

use std::sync::Arc;
use std::time::Instant;

/// What the owner of the connection does for a [`Conversation`](crate::Conversation), besides
/// sending its [output](crate::Conversation::output) at any time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Receives what comes.
    Receive,
    /// Receives nothing before all of the output is sent.
    Send,
    /// Receives nothing before that time.
    Wait(Instant),
    /// Asks again soon: there is more to do than should be done at once.
    Again,
    /// Sends the end of the stream, and asks again.
    HalfClose,
    /// Stops receiving, and keeps the connection.
    Idle,
    /// Leaves the conversation to the test, under this name, until
    /// [`resume`](crate::Conversation::resume).
    Hold(Arc<str>),
    /// Begins TLS, and after the handshake [resumes](crate::Conversation::resume) the conversation.
    /// What has come already is [taken](crate::Conversation::take_rest) before, as a part of the
    /// handshake: nobody may take it for something that came over TLS.
    StartTls,
    /// Closes the connection: the conversation is over.
    Close,
    /// Resets the connection: the conversation is over.
    Reset,
}
