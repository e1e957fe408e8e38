//! Frames that end with certain bytes.

use std::borrow::Cow;

use memchr::{memchr, memmem};

use super::{Found, FrameError, Framing};

/// Frames that end with a byte string. The payload is what comes before it.
///
/// ```
/// use standin_socket::framing::{Decoder, Delimiter, Framing};
///
/// let mut decoder = Decoder::new(Delimiter::new(b"\0\0")?);
/// decoder.push(b"ab\0cd\0\0");
/// assert_eq!(decoder.next()?.as_deref(), Some(&b"ab\0cd"[..]));
/// assert_eq!(Delimiter::new(b"|")?.encode(b"ab")?, b"ab|");
/// # Ok::<(), standin_socket::framing::FrameError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Delimiter {
    delimiter: Vec<u8>,
    kept: bool,
}

impl Delimiter {
    /// Frames that end with `delimiter`.
    ///
    /// # Errors
    ///
    /// Returns [`FrameError::EmptyDelimiter`].
    pub fn new(delimiter: impl Into<Vec<u8>>) -> Result<Delimiter, FrameError> {
        let delimiter = delimiter.into();
        if delimiter.is_empty() {
            return Err(FrameError::EmptyDelimiter);
        }
        Ok(Delimiter {
            delimiter,
            kept: false,
        })
    }

    /// Makes the delimiter part of the payload: of what is received, and of what is to be sent.
    #[must_use]
    pub fn kept(mut self) -> Delimiter {
        self.kept = true;
        self
    }
}

impl Framing for Delimiter {
    fn find(&mut self, bytes: &[u8], seen: usize) -> Result<Found, FrameError> {
        // The delimiter may have begun in the bytes that were seen before.
        let from = seen
            .saturating_sub(self.delimiter.len() - 1)
            .min(bytes.len());
        Ok(match memmem::find(&bytes[from..], &self.delimiter) {
            Some(at) => {
                let start = from + at;
                let end = start + self.delimiter.len();
                Found::frame(0..if self.kept { end } else { start }, end)
            }
            None => Found::Incomplete,
        })
    }

    fn encode(&mut self, payload: &[u8]) -> Result<Vec<u8>, FrameError> {
        let payload = match payload.strip_suffix(&*self.delimiter) {
            Some(payload) if self.kept => payload,
            None if self.kept => {
                return Err(FrameError::invalid(format!(
                    "the delimiter is part of the payload, which does not end with \"{}\"",
                    self.delimiter.escape_ascii()
                )));
            }
            _ => payload,
        };
        let frame = [payload, &self.delimiter].concat();
        // Looked for in the whole frame: a payload may end with the beginning of a delimiter.
        match memmem::find(&frame, &self.delimiter) {
            Some(at) if at < payload.len() => Err(FrameError::DelimiterInPayload { at }),
            _ => Ok(frame),
        }
    }

    fn describe(&self) -> Cow<'static, str> {
        format!("everything up to \"{}\"", self.delimiter.escape_ascii()).into()
    }
}

/// Lines that end with LF or CRLF. The payload is the line without its end.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Lines {}

impl Lines {
    /// Lines that end with LF or CRLF, and are sent with LF.
    pub fn new() -> Lines {
        Lines {}
    }
}

impl Framing for Lines {
    fn find(&mut self, bytes: &[u8], seen: usize) -> Result<Found, FrameError> {
        let seen = seen.min(bytes.len());
        Ok(match memchr(b'\n', &bytes[seen..]) {
            Some(at) => {
                let end = seen + at;
                let line = bytes[..end].strip_suffix(b"\r").map_or(end, <[u8]>::len);
                Found::frame(0..line, end + 1)
            }
            None => Found::Incomplete,
        })
    }

    fn encode(&mut self, payload: &[u8]) -> Result<Vec<u8>, FrameError> {
        // A line that ends with CR would lose it, as that begins the line's end.
        let end = payload.strip_suffix(b"\r").map(<[u8]>::len);
        match memchr(b'\n', payload).or(end) {
            Some(at) => Err(FrameError::DelimiterInPayload { at }),
            None => Ok([payload, b"\n"].concat()),
        }
    }

    fn describe(&self) -> Cow<'static, str> {
        "a line".into()
    }
}
