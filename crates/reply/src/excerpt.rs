//! The beginning of what was said, kept as evidence.

use std::fmt;

use standin_error::text::Count;

use crate::when::Escaped;

/// The first bytes of something, and how many there were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Excerpt {
    head: Box<[u8]>,
    len: usize,
}

impl Excerpt {
    /// Keeps at most `limit` bytes.
    pub(crate) fn new(bytes: &[u8], limit: usize) -> Excerpt {
        Excerpt {
            head: bytes[..bytes.len().min(limit)].into(),
            len: bytes.len(),
        }
    }

    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(&self.head).fmt(f)?;
        match self.len - self.head.len() {
            0 => Ok(()),
            more => write!(f, " and {} more", Count(more, "byte")),
        }
    }
}
