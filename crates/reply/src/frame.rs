//! A frame as the user's code sees it.

use std::borrow::Cow;

/// A received frame, for a closure that answers it.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    pub(crate) payload: &'a [u8],
    pub(crate) connection: usize,
    pub(crate) state: Option<&'a str>,
}

impl<'a> Frame<'a> {
    /// Returns the payload: with lines the line without its end.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Returns the payload as text, with what is not UTF-8 replaced by `\u{fffd}`.
    pub fn text(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.payload)
    }

    /// Returns the index of its connection, counted from 0.
    pub fn connection(&self) -> usize {
        self.connection
    }

    /// Returns the state that the connection [is in](crate::Answer::enter), if any.
    pub fn state(&self) -> Option<&'a str> {
        self.state
    }
}

impl AsRef<[u8]> for Frame<'_> {
    fn as_ref(&self) -> &[u8] {
        self.payload
    }
}
