//! [`Framing`]: how a stream is cut into frames, as an option.

use regex::bytes::Regex;
use standin_config::{Config, Constraint, OptionValue};
use standin_reply::Replies;
use standin_socket::framing::{self, Delimiter, FixedSize, LengthPrefix, Lines, Matching, Width};

use super::bytes::Bytes;
use super::expression::Expression;

/// How a stream is cut into frames.
#[derive(Clone, Debug, PartialEq, OptionValue)]
pub enum Framing {
    /// Lines that end with LF or CRLF.
    Lines,
    /// The bytes as they arrive.
    Raw,
    /// Frames that end with these bytes.
    Delimiter(Bytes),
    /// Frames that begin with the number of bytes that follow.
    #[config(key = "length_prefix")]
    LengthPrefix(Length),
    /// Frames of a fixed number of bytes.
    #[config(key = "fixed_size")]
    FixedSize(usize),
    /// Frames that end where this regular expression ends that matches first.
    Matching(Expression),
}

/// A length before a frame.
#[derive(Clone, Debug, PartialEq, Config)]
#[config(table)]
pub struct Length {
    /// How many bytes the length has: 1, 2, 4 or 8.
    #[config(constraint = Constraint::one_of([1, 2, 4, 8]))]
    width: usize,
    /// Which of its bytes comes first: the most significant one (`"big"`), as in most protocols, or
    /// the least significant one (`"little"`).
    #[config(default = Endian::Big)]
    endian: Endian,
    /// Whether the length counts its own bytes, too.
    #[config(default = false)]
    counts_itself: bool,
    /// The largest payload, in bytes. Default: 16 MiB.
    limit: Option<u64>,
}

/// Which byte of a length comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, OptionValue)]
pub(crate) enum Endian {
    Big,
    Little,
}

/// Why there is no such framing: the key and what is wrong with its value.
pub(crate) struct FramingError {
    pub(crate) key: &'static str,
    pub(crate) message: String,
}

/// A framing of one connection.
type AnyFraming = Box<dyn framing::Framing + Send>;

impl Framing {
    /// Creates the framing of each connection; `None` for raw bytes.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no such framing: the key, and what is wrong with its value.
    pub fn maker(
        &self,
    ) -> Result<Option<impl Fn() -> AnyFraming + Send + Sync + 'static>, (&'static str, String)>
    {
        let replies = self.replies();
        let replies = replies.map_err(|FramingError { key, message }| (key, message))?;
        if replies.new_framing().is_none() {
            return Ok(None);
        }
        let raw = || -> AnyFraming { Box::new(FixedSize::new(1)) };
        Ok(Some(move || replies.new_framing().unwrap_or_else(raw)))
    }

    /// A peer with this framing that answers nothing yet.
    pub(crate) fn replies(&self) -> Result<Replies, FramingError> {
        let wrong = |key, message: String| FramingError { key, message };
        Ok(match self {
            Framing::Lines => Replies::framed(Lines::new()),
            Framing::Raw => Replies::raw(),
            Framing::Delimiter(bytes) => {
                let delimiter = Delimiter::new(bytes.as_ref());
                let delimiter = delimiter.map_err(|error| wrong("delimiter", error.to_string()))?;
                Replies::framed(delimiter)
            }
            Framing::LengthPrefix(length) => Replies::framed(length.framing()),
            Framing::FixedSize(0) => {
                return Err(wrong(
                    "fixed_size",
                    "a frame must have at least 1 byte".to_owned(),
                ));
            }
            Framing::FixedSize(size) => Replies::framed(FixedSize::new(*size)),
            Framing::Matching(expression) => {
                let regex = Regex::new(expression.as_str());
                let regex = regex.map_err(|error| wrong("matching", error.to_string()))?;
                Replies::framed(Matching::new(move |bytes: &[u8]| {
                    let mut found = regex.find_iter(bytes).map(|found| found.end());
                    // Nothing makes no frame.
                    found.find(|end| *end > 0)
                }))
            }
        })
    }
}

impl Length {
    fn framing(&self) -> LengthPrefix {
        let width = match self.width {
            1 => Width::U8,
            2 => Width::U16,
            4 => Width::U32,
            _ => Width::U64,
        };
        let endian = match self.endian {
            Endian::Big => framing::Endian::Big,
            Endian::Little => framing::Endian::Little,
        };
        let mut framing = LengthPrefix::new(width, endian);
        if self.counts_itself {
            framing = framing.counts_itself();
        }
        match self.limit {
            Some(limit) => framing.limit(limit),
            None => framing,
        }
    }
}
