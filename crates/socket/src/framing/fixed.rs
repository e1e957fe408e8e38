//! Frames of one size.

use std::borrow::Cow;

use super::{Found, FrameError, Framing};

/// Frames that all have the same number of bytes.
#[derive(Clone, Copy, Debug)]
pub struct FixedSize {
    size: usize,
}

impl FixedSize {
    /// Frames of `size` bytes, at least 1.
    pub fn new(size: usize) -> FixedSize {
        FixedSize { size: size.max(1) }
    }
}

impl Framing for FixedSize {
    fn find(&mut self, bytes: &[u8], _seen: usize) -> Result<Found, FrameError> {
        Ok(match self.size.checked_sub(bytes.len()) {
            None | Some(0) => Found::frame(0..self.size, self.size),
            Some(missing) => Found::Missing(missing),
        })
    }

    fn encode(&mut self, payload: &[u8]) -> Result<Vec<u8>, FrameError> {
        if payload.len() == self.size {
            return Ok(payload.to_vec());
        }
        Err(FrameError::invalid(format!(
            "a payload of {} bytes in frames of {}",
            payload.len(),
            self.size
        )))
    }

    fn describe(&self) -> Cow<'static, str> {
        format!("a frame of {} bytes", self.size).into()
    }
}
