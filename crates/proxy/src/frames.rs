//! Cutting a direction into frames, without holding back more than has to be.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use standin_socket::framing::{Found, FrameError, Framing};

/// Makes the framing of each direction of each connection: what
/// [`TcpProxyBuilder::framed`](crate::TcpProxyBuilder::framed) makes of a framing.
#[derive(Clone)]
pub struct NewFraming(Arc<dyn Fn() -> Box<dyn Framing + Send> + Send + Sync>);

impl NewFraming {
    /// Gives each direction a clone of the framing.
    pub fn new(framing: impl Framing + Clone + Send + Sync + 'static) -> NewFraming {
        NewFraming::by(move || Box::new(framing.clone()))
    }

    pub(crate) fn by(make: impl Fn() -> Box<dyn Framing + Send> + Send + Sync + 'static) -> Self {
        NewFraming(Arc::new(make))
    }

    pub(crate) fn make(&self) -> Box<dyn Framing + Send> {
        (self.0)()
    }
}

impl fmt::Debug for NewFraming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NewFraming")
            .field(&self.make().describe())
            .finish()
    }
}

/// The frames of a direction.
pub(crate) struct Frames {
    framing: Box<dyn Framing + Send>,
    /// What has come of the current frame, and perhaps beyond it.
    pending: Vec<u8>,
    /// How many bytes of it the framing has looked at.
    seen: usize,
    /// How many bytes of it went on already.
    passed: usize,
    /// How many frames were complete before it.
    index: u64,
    is_broken: bool,
}

/// A whole frame, and where in it the payload is.
type Whole<'i> = (Cow<'i, [u8]>, Range<usize>);

/// The most bytes that are looked at for the end of a frame.
const LIMIT: usize = 64 << 20;

impl Frames {
    pub(crate) fn new(framing: Box<dyn Framing + Send>) -> Frames {
        Frames {
            framing,
            pending: Vec::new(),
            seen: 0,
            passed: 0,
            index: 0,
            is_broken: false,
        }
    }

    /// How many frames were complete before the current one.
    pub(crate) fn index(&self) -> u64 {
        self.index
    }

    /// How many bytes of the current frame went on.
    pub(crate) fn passed(&self) -> usize {
        self.passed
    }

    /// There are no more frames: the bytes were not what they should be.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Takes bytes up to the end of the current frame, and gives it, if it is complete, with the
    /// bytes behind it. Once they are not frames, all that is left is [held](Frames::take_held).
    pub(crate) fn next<'i>(
        &mut self,
        input: &'i [u8],
    ) -> Result<(Option<Whole<'i>>, &'i [u8]), FrameError> {
        let before = self.pending.len();
        if before == 0 {
            if input.is_empty() {
                return Ok((None, input));
            }
            return match self.find(input, 0) {
                Ok(Some((payload, size))) => {
                    let (whole, left) = input.split_at(size);
                    Ok((Some((Cow::Borrowed(whole), payload)), left))
                }
                Ok(None) => {
                    self.pending.extend_from_slice(input);
                    self.seen = input.len();
                    Ok((None, &[]))
                }
                Err(error) => {
                    self.pending.extend_from_slice(input);
                    Err(self.broken(error))
                }
            };
        }
        if input.is_empty() && self.seen == before {
            return Ok((None, input));
        }
        self.pending.extend_from_slice(input);
        let pending = std::mem::take(&mut self.pending);
        let found = self.find(&pending, self.seen);
        self.pending = pending;
        match found {
            Ok(Some((payload, size))) => {
                let whole: Vec<u8> = self.pending[..size].to_vec();
                self.seen = 0;
                let left = match size.checked_sub(before) {
                    Some(used) => {
                        self.pending.clear();
                        &input[used..]
                    }
                    None => {
                        self.pending.drain(..size);
                        &[]
                    }
                };
                Ok((Some((Cow::Owned(whole), payload)), left))
            }
            Ok(None) if self.pending.len() > LIMIT => {
                let error = FrameError::invalid(format!("no end of a frame within {LIMIT} bytes"));
                Err(self.broken(error))
            }
            Ok(None) => {
                self.seen = self.pending.len();
                Ok((None, &[]))
            }
            Err(error) => Err(self.broken(error)),
        }
    }

    fn broken(&mut self, error: FrameError) -> FrameError {
        self.is_broken = true;
        error
    }

    fn find(
        &mut self,
        bytes: &[u8],
        seen: usize,
    ) -> Result<Option<(Range<usize>, usize)>, FrameError> {
        match self.framing.find(bytes, seen)? {
            Found::Frame { payload, size } => {
                let is_sound = (1..=bytes.len()).contains(&size)
                    && payload.start <= payload.end
                    && payload.end <= size;
                match is_sound {
                    true => Ok(Some((payload, size))),
                    false => Err(FrameError::invalid(format!(
                        "a frame of {size} bytes with the payload {payload:?} in {} bytes",
                        bytes.len()
                    ))),
                }
            }
            Found::Missing(_) | Found::Incomplete => Ok(None),
        }
    }

    /// The bytes of the current frame that were not passed on yet.
    pub(crate) fn unpassed(&self) -> Vec<u8> {
        self.pending.get(self.passed..).unwrap_or_default().to_vec()
    }

    /// The same of a stream that is broken, which no longer keeps anything.
    pub(crate) fn take_held(&mut self) -> Vec<u8> {
        let held = self.unpassed();
        self.pending = Vec::new();
        held
    }

    /// So many bytes more of the current frame went on.
    pub(crate) fn pass(&mut self, count: usize) {
        self.passed += count;
    }

    /// The current frame is complete, and the next one begins.
    pub(crate) fn done(&mut self) {
        self.index += 1;
        self.passed = 0;
    }
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frames")
            .field("framing", &self.framing.describe())
            .field("index", &self.index)
            .field("passed", &self.passed)
            .field("pending", &self.pending.len())
            .finish_non_exhaustive()
    }
}
