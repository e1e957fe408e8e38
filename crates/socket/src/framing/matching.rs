//! Frames whose end is found by a closure.

use std::{borrow::Cow, fmt};

use super::{Found, FrameError, Framing};

/// Frames whose end is found by a closure: it is called with all bytes so far and returns the end
/// of the first frame in them.
///
/// ```
/// use standin_socket::framing::{Decoder, Matching};
///
/// let prompt = regex::bytes::Regex::new(r"(?m)^\w+> ")?;
/// let end = |bytes: &[u8]| prompt.find(bytes).map(|found| found.end());
/// let mut decoder = Decoder::new(Matching::new(end));
/// decoder.push(b"welcome\nadmin> ");
/// assert_eq!(decoder.next()?.as_deref(), Some(&b"welcome\nadmin> "[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Matching<P> {
    predicate: P,
}

impl<P: FnMut(&[u8]) -> Option<usize>> Matching<P> {
    /// Creates a framing whose frames end where `predicate` returns.
    pub fn new(predicate: P) -> Matching<P> {
        Matching { predicate }
    }
}

impl<P: FnMut(&[u8]) -> Option<usize>> Framing for Matching<P> {
    fn find(&mut self, bytes: &[u8], _seen: usize) -> Result<Found, FrameError> {
        if bytes.is_empty() {
            return Ok(Found::Incomplete);
        }
        Ok(match (self.predicate)(bytes) {
            Some(end) => Found::frame(0..end, end),
            None => Found::Incomplete,
        })
    }

    fn describe(&self) -> Cow<'static, str> {
        "bytes that match".into()
    }
}

impl<P> fmt::Debug for Matching<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matching").finish_non_exhaustive()
    }
}
