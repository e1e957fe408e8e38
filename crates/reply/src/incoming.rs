//! What has come and is not looked at yet.

use standin_socket::framing::{Decoder, FrameError, Framing};

use crate::excerpt::EVIDENCE;
use crate::user_code::AnyFraming;

/// The bytes of a connection, cut into frames.
pub(crate) enum Incoming {
    Framed(Decoder<AnyFraming>),
    /// Whatever comes is a frame.
    Raw(Vec<u8>),
}

/// Why there is no frame.
pub(crate) enum Broken {
    NotAFrame(FrameError),
    /// The beginning of the frame.
    TooLong(Vec<u8>),
}

impl Incoming {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        match self {
            Incoming::Framed(decoder) => decoder.push(bytes),
            Incoming::Raw(waiting) => waiting.extend_from_slice(bytes),
        }
    }

    /// The next frame that is complete. None may have more than `limit` bytes, with everything
    /// that belongs to it. Own framings are code of a user's.
    pub(crate) fn next(&mut self, limit: usize) -> Result<Option<Vec<u8>>, Broken> {
        match self {
            Incoming::Framed(decoder) => {
                let before = decoder.rest().len();
                if before == 0 {
                    return Ok(None);
                }
                // As much as has come at least, however it was cut.
                let rest = decoder.rest();
                let head = (before > limit).then(|| rest[..EVIDENCE.min(limit + 1)].to_vec());
                let frame = decoder.next().map_err(Broken::NotAFrame)?;
                let size = match &frame {
                    Some(_) => before - decoder.rest().len(),
                    None => before,
                };
                match head {
                    Some(head) if size > limit => Err(Broken::TooLong(head)),
                    _ => Ok(frame),
                }
            }
            Incoming::Raw(waiting) if waiting.is_empty() => Ok(None),
            Incoming::Raw(waiting) if waiting.len() <= limit => Ok(Some(std::mem::take(waiting))),
            Incoming::Raw(waiting) => Ok(Some(waiting.drain(..limit.max(1)).collect())),
        }
    }

    /// What is left without being a frame.
    pub(crate) fn rest(&self) -> &[u8] {
        match self {
            Incoming::Framed(decoder) => decoder.rest(),
            Incoming::Raw(waiting) => waiting,
        }
    }

    /// Takes what is left.
    pub(crate) fn take_rest(&mut self) -> Vec<u8> {
        match self {
            Incoming::Framed(decoder) => decoder.take_rest(),
            Incoming::Raw(waiting) => std::mem::take(waiting),
        }
    }

    pub(crate) fn framing(&mut self) -> Option<&mut AnyFraming> {
        match self {
            Incoming::Framed(decoder) => Some(decoder.framing()),
            Incoming::Raw(_) => None,
        }
    }

    /// Makes a frame of a payload.
    pub(crate) fn encode(&mut self, payload: &[u8]) -> Result<Vec<u8>, FrameError> {
        match self {
            Incoming::Framed(decoder) => decoder.framing().encode(payload),
            Incoming::Raw(_) => Ok(payload.to_vec()),
        }
    }
}
