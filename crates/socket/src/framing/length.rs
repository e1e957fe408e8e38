//! Frames that begin with their length.

use std::borrow::Cow;

use super::{Found, FrameError, Framing};

/// How many bytes a length has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    /// 1 byte.
    U8,
    /// 2 bytes.
    U16,
    /// 4 bytes.
    U32,
    /// 8 bytes.
    U64,
}

impl Width {
    /// Returns the number of bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Width::U8 => 1,
            Width::U16 => 2,
            Width::U32 => 4,
            Width::U64 => 8,
        }
    }

    /// The largest length that fits.
    const fn max(self) -> u64 {
        u64::MAX >> (64 - 8 * self.bytes())
    }
}

/// Which byte of a length comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Endian {
    /// The most significant one, as in most network protocols.
    #[default]
    Big,
    /// The least significant one.
    Little,
}

/// Frames that begin with the number of bytes that follow. The payload is what follows.
///
/// ```
/// use standin_socket::framing::{Decoder, Endian, Framing, LengthPrefix, Width};
///
/// let mut framing = LengthPrefix::new(Width::U16, Endian::Big).limit(1000);
/// assert_eq!(framing.encode(b"abc")?, b"\x00\x03abc");
///
/// let mut decoder = Decoder::new(framing);
/// decoder.push(b"\x00\x03abc\x00");
/// assert_eq!(decoder.next()?.as_deref(), Some(&b"abc"[..]));
/// decoder.push(b"\xff");
/// assert!(decoder.next()?.is_none()); // 255 bytes, none of them here yet
/// # Ok::<(), standin_socket::framing::FrameError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LengthPrefix {
    width: Width,
    endian: Endian,
    limit: u64,
    counts_itself: bool,
}

impl LengthPrefix {
    /// The largest payload, unless [`limit`](LengthPrefix::limit) changes it: 16 MiB.
    pub const DEFAULT_LIMIT: u64 = 16 << 20;

    /// Frames that begin with a length of that width and endianness.
    pub fn new(width: Width, endian: Endian) -> LengthPrefix {
        LengthPrefix {
            width,
            endian,
            limit: Self::DEFAULT_LIMIT,
            counts_itself: false,
        }
    }

    /// Sets the largest payload that is received or sent, in bytes. A frame that announces more is
    /// an error at once. Default: 16 MiB.
    #[must_use]
    pub fn limit(mut self, bytes: u64) -> LengthPrefix {
        self.limit = bytes;
        self
    }

    /// Makes the length count its own bytes too, as some protocols do. Default: it counts the
    /// payload alone.
    #[must_use]
    pub fn counts_itself(mut self) -> LengthPrefix {
        self.counts_itself = true;
        self
    }

    fn header(&self) -> u64 {
        self.width.bytes() as u64
    }

    fn read(&self, bytes: &[u8]) -> u64 {
        let digit = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        match self.endian {
            Endian::Big => bytes.iter().fold(0, digit),
            Endian::Little => bytes.iter().rev().fold(0, digit),
        }
    }
}

impl Framing for LengthPrefix {
    fn find(&mut self, bytes: &[u8], _seen: usize) -> Result<Found, FrameError> {
        let header = self.width.bytes();
        let Some(length) = bytes.get(..header) else {
            return Ok(Found::Missing(header - bytes.len()));
        };
        let mut length = self.read(length);
        if self.counts_itself {
            let least = self.header();
            length = length.checked_sub(least).ok_or(FrameError::TooShort {
                size: length,
                least,
            })?;
        }
        let too_long = FrameError::TooLong {
            size: length,
            limit: self.limit,
        };
        if length > self.limit {
            return Err(too_long);
        }
        let size = usize::try_from(length)
            .ok()
            .and_then(|length| length.checked_add(header))
            .ok_or(too_long)?;
        Ok(match size.checked_sub(bytes.len()) {
            None | Some(0) => Found::frame(header..size, size),
            Some(missing) => Found::Missing(missing),
        })
    }

    fn encode(&mut self, payload: &[u8]) -> Result<Vec<u8>, FrameError> {
        let size = payload.len() as u64;
        let length = if self.counts_itself {
            size.saturating_add(self.header())
        } else {
            size
        };
        if size > self.limit || length > self.width.max() {
            let fits = self.width.max() - if self.counts_itself { self.header() } else { 0 };
            return Err(FrameError::TooLong {
                size,
                limit: self.limit.min(fits),
            });
        }
        let mut frame = Vec::with_capacity(self.width.bytes() + payload.len());
        match self.endian {
            Endian::Big => frame.extend_from_slice(&length.to_be_bytes()[8 - self.width.bytes()..]),
            Endian::Little => frame.extend_from_slice(&length.to_le_bytes()[..self.width.bytes()]),
        }
        frame.extend_from_slice(payload);
        Ok(frame)
    }

    fn describe(&self) -> Cow<'static, str> {
        format!(
            "a frame with a length of {} bytes before it",
            self.width.bytes()
        )
        .into()
    }
}
