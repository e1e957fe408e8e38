//! The beginning of a message, kept as evidence.

use std::fmt;

use standin_error::text::Count;

use crate::when::Escaped;

/// How much of a frame is kept as evidence.
pub(crate) const EVIDENCE: usize = 512;

/// The first bytes of something, and how many there were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Excerpt {
    head: Vec<u8>,
    len: usize,
}

impl Excerpt {
    /// Keeps at most `limit` bytes.
    pub(crate) fn new(bytes: &[u8], limit: usize) -> Excerpt {
        Excerpt {
            head: bytes[..bytes.len().min(limit)].to_vec(),
            len: bytes.len(),
        }
    }

    /// Keeps the first of so many bytes instead, in the same memory.
    pub(crate) fn replace(&mut self, head: &[u8], len: usize) {
        self.head.clear();
        self.head.extend_from_slice(head);
        self.len = len;
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
