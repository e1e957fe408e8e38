//! [`Redact`]: what must not be kept.

use std::borrow::Cow;
use std::collections::VecDeque;

use miette::Diagnostic;
use regex::bytes::Regex;
use thiserror::Error;

use crate::ring::Ring;

/// The replacement for each redacted byte.
pub(crate) const MASK: u8 = b'*';

/// How much of a stream is looked at again when more of it comes.
const LOOK_BACK: usize = 1024;

/// In how many pieces a secret is found.
const PIECES: usize = 128;

/// What a connection needs for it beside its records.
pub(crate) const MEMORY: usize = 2
    * (2 * LOOK_BACK
        + 2 * PIECES * size_of::<(usize, usize, u64)>()
        + 2 * PIECES * size_of::<(u64, u64)>());

/// The expressions to redact: each byte of a match becomes a `*` before it is recorded.
///
/// Every piece is searched whole, although only its beginning is kept, and together with the
/// preceding 1,024 bytes of the same direction: a secret is found in up to 128 pieces. A longer one
/// that arrives in several pieces is only found if the expression matches a part of it.
///
/// ```
/// use standin_record::Redact;
///
/// let redact = Redact::new(["password=\\S+"])?;
/// assert_eq!(redact.text("user=me password=hunter2"), "user=me ****************");
/// # Ok::<(), standin_record::RedactError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Redact(Vec<Regex>);

/// A pattern to redact is not a valid regular expression.
#[derive(Clone, Error, Diagnostic, PartialEq, Eq)]
#[error("{pattern:?} is not a valid regular expression: {reason}")]
#[diagnostic(
    code(standin::record::bad_pattern),
    help("the syntax is that of the `regex` crate; a literal `(` or `[` needs a backslash")
)]
pub struct RedactError {
    pattern: String,
    reason: String,
}

standin_error::reportable!(RedactError);

impl Redact {
    /// Creates a redaction of everything that matches any of `patterns`.
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is not a regular expression of the `regex` crate.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, RedactError> {
        let compiled = |pattern: &str| {
            Regex::new(pattern).map_err(|error| RedactError {
                pattern: pattern.to_owned(),
                reason: error.to_string(),
            })
        };
        patterns
            .into_iter()
            .map(compiled)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Returns whether nothing is looked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `text` without what must not be kept.
    pub fn text(&self, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        for (start, end) in self.matches(text.as_bytes()) {
            bytes[start..end].fill(MASK);
        }
        // A match of an expression over bytes may be a part of a character.
        String::from_utf8(bytes)
            .unwrap_or_else(|broken| String::from_utf8_lossy(broken.as_bytes()).into_owned())
    }

    /// `bytes` without what must not be kept.
    pub fn bytes<'b>(&self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        let mut shown = Cow::Borrowed(bytes);
        for (start, end) in self.matches(bytes) {
            shown.to_mut()[start..end].fill(MASK);
        }
        shown
    }

    fn matches(&self, bytes: &[u8]) -> Vec<(usize, usize)> {
        let all = self.0.iter().flat_map(|pattern| pattern.find_iter(bytes));
        all.map(|found| (found.start(), found.end())).collect()
    }
}

impl From<Vec<Regex>> for Redact {
    fn from(patterns: Vec<Regex>) -> Self {
        Self(patterns)
    }
}

/// The end of one direction of a stream, where a secret may have begun.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    bytes: Vec<u8>,
    /// Where parts of it are kept: their place in `bytes`, their length, their position in
    /// the ring.
    kept: VecDeque<(usize, usize, u64)>,
    /// How many bytes of the stream came before `bytes`.
    gone: u64,
    /// Where in the stream the latest secrets are, from where to where, in order.
    secrets: VecDeque<(u64, u64)>,
    /// Up to where in the stream secrets are no longer known.
    forgotten: u64,
}

impl Tail {
    /// What may be kept of `piece`: its first `keep` bytes. What turns out to be the beginning
    /// of something secret is overwritten in the ring.
    pub(crate) fn mask(
        &mut self,
        redact: &Redact,
        ring: &mut Ring,
        piece: &[u8],
        keep: usize,
    ) -> Vec<u8> {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(piece);
        let mut shown = piece[..keep].to_vec();
        for (start, end) in redact.matches(&self.bytes) {
            for (at, length, position) in &self.kept {
                let from = start.max(*at);
                let to = end.min(at + length);
                if from < to {
                    ring.overwrite(position + (from - at) as u64, to - from, MASK);
                }
            }
            self.note_secret(self.gone + start as u64, self.gone + end as u64);
            let from = start.max(before) - before;
            let to = end.saturating_sub(before).min(keep);
            if from < to {
                shown[from..to].fill(MASK);
            }
        }
        shown
    }

    /// Remembers a secret, which may be known already, or be a part of one.
    fn note_secret(&mut self, start: u64, end: u64) {
        let meets = |(from, to): &(u64, u64)| start <= *to && *from <= end;
        match self.secrets.iter_mut().rev().find(|known| meets(known)) {
            Some(known) => *known = (known.0.min(start), known.1.max(end)),
            None => {
                if self.secrets.len() == PIECES
                    && let Some((_, to)) = self.secrets.pop_front()
                {
                    self.forgotten = self.forgotten.max(to);
                }
                self.secrets.push_back((start, end));
            }
        }
    }

    /// Hides what is secret of `bytes`, which are the last of the stream.
    pub(crate) fn hide_in(&self, bytes: &mut [u8]) {
        let end = self.gone + self.bytes.len() as u64;
        // What was handed back may be more than there ever was.
        let Some(begin) = end.checked_sub(bytes.len() as u64) else {
            return;
        };
        let secrets = self.secrets.iter().copied();
        for (from, to) in secrets.chain([(0, self.forgotten)]) {
            let from = from.saturating_sub(begin) as usize;
            let to = to.saturating_sub(begin) as usize;
            bytes[from.min(to)..to].fill(MASK);
        }
    }

    /// Notes where the first `keep` bytes of the latest piece are, and forgets what is too far
    /// back.
    pub(crate) fn advance(&mut self, piece: usize, keep: usize, position: Option<u64>) {
        if let Some(position) = position {
            if self.kept.len() == PIECES {
                self.kept.pop_front();
            }
            self.kept
                .push_back((self.bytes.len() - piece, keep, position));
        }
        let Some(drop) = self.bytes.len().checked_sub(LOOK_BACK) else {
            return;
        };
        self.gone += drop as u64;
        self.bytes.drain(..drop);
        // A piece may be huge, and is over now.
        self.bytes.shrink_to(2 * LOOK_BACK);
        self.kept = std::mem::take(&mut self.kept)
            .into_iter()
            .filter(|(at, length, _)| at + length > drop)
            .map(|(at, length, position)| match at.checked_sub(drop) {
                Some(at) => (at, length, position),
                None => (0, at + length - drop, position + (drop - at) as u64),
            })
            .collect();
    }
}
