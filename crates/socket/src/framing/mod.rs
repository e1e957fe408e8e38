//! Where one message ends and the next begins: bytes in, frames out.
//!
//! Nothing here reads from a socket or a clock. A [`Framing`] inspects the bytes so far and returns
//! where the first frame ends, or that more bytes are needed;
//! [`Connection::receive_frame`](crate::Connection::receive_frame) supplies them. To use your own
//! protocol, implement [`Framing`] for it; to test it without sockets, use a [`Decoder`].
//!
//! | framing | a frame is |
//! | --- | --- |
//! | [`Delimiter`] | everything up to a byte string |
//! | [`Lines`] | a line that ends with LF or CRLF |
//! | [`LengthPrefix`] | a length of 1, 2, 4 or 8 bytes, either endianness, and so many bytes |
//! | [`FixedSize`] | so many bytes |
//! | [`Matching`] | everything up to where a closure says |
//!
//! Your own protocol, here packets that begin with a type that determines their end:
//!
//! ```
//! use standin_socket::framing::{Decoder, Found, FrameError, Framing};
//!
//! struct Packets;
//!
//! impl Framing for Packets {
//!     fn find(&mut self, bytes: &[u8], _seen: usize) -> Result<Found, FrameError> {
//!         let size = match bytes.first() {
//!             None => return Ok(Found::Missing(1)),
//!             Some(b'P') => 1, // a ping is nothing but its type
//!             Some(b'T') => 5, // a time has four bytes more
//!             Some(other) => {
//!                 return Err(FrameError::invalid(format!("unknown type {other:#04x}")));
//!             }
//!         };
//!         Ok(match size - bytes.len().min(size) {
//!             0 => Found::frame(0..size, size),
//!             missing => Found::Missing(missing),
//!         })
//!     }
//! }
//!
//! let mut decoder = Decoder::new(Packets);
//! decoder.push(b"PT1");
//! assert_eq!(decoder.next()?.as_deref(), Some(&b"P"[..]));
//! assert_eq!(decoder.next()?, None);
//! decoder.push(b"234P");
//! assert_eq!(decoder.next()?.as_deref(), Some(&b"T1234"[..]));
//! # Ok::<(), FrameError>(())
//! ```

mod decoder;
mod delimiter;
mod fixed;
mod length;
mod matching;

use std::{borrow::Cow, ops::Range};

use miette::Diagnostic;
use thiserror::Error;

pub use self::{
    decoder::Decoder,
    delimiter::{Delimiter, Lines},
    fixed::FixedSize,
    length::{Endian, LengthPrefix, Width},
    matching::Matching,
};

/// Finds the end of the first frame in a stream of bytes.
pub trait Framing {
    /// Finds the end of the first frame in `bytes`, which start at the beginning of that frame and
    /// may extend beyond its end.
    ///
    /// `seen` is how many of the first bytes an earlier call for the same frame has inspected
    /// without finding its end; a search can continue there. It is zero for a new frame, and may be
    /// zero again for the same frame: when a receive timed out, and another one continues.
    ///
    /// # Errors
    ///
    /// Returns [`FrameError`] if the bytes cannot be the beginning of a frame.
    fn find(&mut self, bytes: &[u8], seen: usize) -> Result<Found, FrameError>;

    /// Makes the frame that carries `payload`, for sending.
    ///
    /// # Errors
    ///
    /// Returns [`FrameError`] if no frame can carry it; the default implementation always does.
    fn encode(&mut self, payload: &[u8]) -> Result<Vec<u8>, FrameError> {
        let _ = payload;
        Err(FrameError::invalid("this framing cannot make frames"))
    }

    /// Returns the name of a frame in messages: "a line".
    fn describe(&self) -> Cow<'static, str> {
        "a frame".into()
    }
}

impl<F: Framing + ?Sized> Framing for &mut F {
    fn find(&mut self, bytes: &[u8], seen: usize) -> Result<Found, FrameError> {
        (**self).find(bytes, seen)
    }

    fn encode(&mut self, payload: &[u8]) -> Result<Vec<u8>, FrameError> {
        (**self).encode(payload)
    }

    fn describe(&self) -> Cow<'static, str> {
        (**self).describe()
    }
}

impl<F: Framing + ?Sized> Framing for Box<F> {
    fn find(&mut self, bytes: &[u8], seen: usize) -> Result<Found, FrameError> {
        (**self).find(bytes, seen)
    }

    fn encode(&mut self, payload: &[u8]) -> Result<Vec<u8>, FrameError> {
        (**self).encode(payload)
    }

    fn describe(&self) -> Cow<'static, str> {
        (**self).describe()
    }
}

/// The result of a [`Framing`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A whole frame.
    Frame {
        /// The part of it that the receiver wants.
        payload: Range<usize>,
        /// How many bytes the frame has with everything: the next one begins there.
        size: usize,
    },
    /// No end yet, and at least this many more bytes belong to the frame. No more than these are
    /// read, so that the bytes of the next frame stay where they are.
    Missing(usize),
    /// No end yet, and no knowing how far away it is. Bytes are read ahead; what is left over is
    /// kept.
    Incomplete,
}

impl Found {
    /// Creates a whole frame of `size` bytes that carries `payload`.
    pub fn frame(payload: Range<usize>, size: usize) -> Found {
        Found::Frame { payload, size }
    }

    /// Refuses a frame that lies outside the bytes it was found in, or makes no progress.
    pub(crate) fn checked(self, available: usize) -> Result<Found, FrameError> {
        match &self {
            Found::Frame { size: 0, .. } => Err(FrameError::invalid("an empty frame")),
            Found::Frame { payload, size }
                if *size > available || payload.start > payload.end || payload.end > *size =>
            {
                Err(FrameError::invalid(format!(
                    "a frame of {size} bytes with the payload {payload:?} in {available} bytes"
                )))
            }
            Found::Missing(0) => Ok(Found::Missing(1)),
            _ => Ok(self),
        }
    }
}

/// Why bytes are not a frame, or a payload does not fit one.
#[derive(Clone, PartialEq, Eq, Error, Diagnostic)]
#[non_exhaustive]
pub enum FrameError {
    /// The frame announces a size above the limit.
    #[error("a frame of {size} bytes is over the limit of {limit}")]
    #[diagnostic(
        code(standin::socket::frame_too_long),
        help("raise the framing's limit, or check that its width and endianness are the peer's")
    )]
    TooLong {
        /// The announced size.
        size: u64,
        /// The limit.
        limit: u64,
    },

    /// The frame announces a size below that of its own length field.
    #[error(
        "a frame that counts its own length field cannot have {size} bytes; it needs at least {least}"
    )]
    #[diagnostic(
        code(standin::socket::frame_too_short),
        help("the peer's length may not count the length field itself")
    )]
    TooShort {
        /// The announced size.
        size: u64,
        /// The size of the length field.
        least: u64,
    },

    /// The delimiter has no bytes.
    #[error("the delimiter is empty")]
    #[diagnostic(code(standin::socket::frame_delimiter), help("give at least one byte"))]
    EmptyDelimiter,

    /// The payload holds the delimiter, and would be read as two frames.
    #[error("the payload holds the delimiter at byte {at}")]
    #[diagnostic(
        code(standin::socket::frame_payload),
        help("escape the payload, or use a length prefix")
    )]
    DelimiterInPayload {
        /// Where.
        at: usize,
    },

    /// An error of your own framing.
    #[error("{0}")]
    #[diagnostic(
        code(standin::socket::frame_invalid),
        help("compare the bytes with the protocol")
    )]
    Invalid(String),
}

standin_error::reportable!(FrameError);

impl FrameError {
    /// Creates an error with a message, for your own framings.
    pub fn invalid(message: impl Into<String>) -> FrameError {
        FrameError::Invalid(message.into())
    }
}
