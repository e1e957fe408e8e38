//! Framing without a socket.

use super::{Found, FrameError, Framing};
use crate::buffer::Buffer;

/// Cuts bytes, however they come, into frames.
///
/// ```
/// use standin_socket::framing::{Decoder, Lines};
///
/// let mut decoder = Decoder::new(Lines::new());
/// decoder.push(b"one\r\ntw");
/// assert_eq!(decoder.next()?.as_deref(), Some(&b"one"[..]));
/// assert_eq!(decoder.next()?, None);
/// assert_eq!(decoder.rest(), b"tw");
/// # Ok::<(), standin_socket::framing::FrameError>(())
/// ```
#[derive(Debug)]
pub struct Decoder<F> {
    framing: F,
    buffer: Buffer,
    seen: usize,
}

impl<F: Framing> Decoder<F> {
    /// Creates a decoder that has no bytes yet.
    pub fn new(framing: F) -> Decoder<F> {
        Decoder {
            framing,
            buffer: Buffer::default(),
            seen: 0,
        }
    }

    /// Adds received bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend(bytes);
    }

    /// Takes the payload of the next frame, if it is complete.
    ///
    /// # Errors
    ///
    /// Returns [`FrameError`] if the bytes are not a frame. They stay, and the next call returns
    /// the same error.
    #[expect(
        clippy::should_implement_trait,
        reason = "not an iterator: there may be more after `None`"
    )]
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        let available = self.buffer.len();
        match self
            .framing
            .find(self.buffer.as_slice(), self.seen)?
            .checked(available)?
        {
            Found::Frame { payload, size } => {
                self.seen = 0;
                Ok(Some(self.buffer.take_frame(payload, size)))
            }
            Found::Missing(_) | Found::Incomplete => {
                self.seen = available;
                Ok(None)
            }
        }
    }

    /// Returns the framing, to make frames with it.
    pub fn framing(&mut self) -> &mut F {
        &mut self.framing
    }

    /// Returns the bytes that are not a whole frame yet.
    pub fn rest(&self) -> &[u8] {
        self.buffer.as_slice()
    }

    /// Takes the bytes that are not a whole frame yet: the next frame begins with what comes then.
    pub fn take_rest(&mut self) -> Vec<u8> {
        self.seen = 0;
        self.buffer.take(self.buffer.len())
    }
}
