//! Bytes that were read from the kernel and not handed out yet.

use std::ops::Range;

/// A queue of bytes that returns what a failed receive had read, in order and without copying large
/// blocks.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    /// How many at the front of `bytes` were handed out already.
    start: usize,
}

impl Buffer {
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The vector to read more bytes into. What is in it stays at the front.
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        &mut self.bytes
    }

    /// Adds bytes at the end.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        // Moving the rest costs no more than handing out what was before it.
        if self.start >= self.len() {
            self.tail();
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes the first `count` bytes, or all when there are fewer.
    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        let count = count.min(self.len());
        if count == self.len() && self.start == 0 {
            return std::mem::take(&mut self.bytes);
        }
        let taken = self.bytes[self.start..self.start + count].to_vec();
        self.discard(count);
        taken
    }

    /// Removes the first `size` bytes, which must be present, and returns the range `payload` of
    /// them.
    pub(crate) fn take_frame(&mut self, payload: Range<usize>, size: usize) -> Vec<u8> {
        if size < self.len() || payload.start > 0 {
            let frame = self.as_slice()[payload].to_vec();
            self.discard(size);
            return frame;
        }
        let mut frame = self.take(size);
        frame.truncate(payload.end);
        frame
    }

    /// Moves bytes into `target`; returns how many.
    pub(crate) fn take_into(&mut self, target: &mut [u8]) -> usize {
        let count = target.len().min(self.len());
        target[..count].copy_from_slice(&self.bytes[self.start..self.start + count]);
        self.discard(count);
        count
    }

    /// Forgets the first `count` bytes, which must be there.
    pub(crate) fn discard(&mut self, count: usize) {
        self.start += count;
        debug_assert!(
            self.start <= self.bytes.len(),
            "more bytes were discarded than there are"
        );
        if self.start >= self.bytes.len() {
            // An idle connection holds no memory.
            *self = Buffer::default();
        }
    }

    /// Puts bytes in front of all others.
    pub(crate) fn put_back(&mut self, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        if self.is_empty() {
            *self = Buffer { bytes, start: 0 };
        } else if let Some(start) = self.start.checked_sub(bytes.len()) {
            self.bytes[start..self.start].copy_from_slice(&bytes);
            self.start = start;
        } else {
            self.bytes.splice(..self.start, bytes);
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(bytes: &[u8]) -> Buffer {
        Buffer {
            bytes: bytes.to_vec(),
            start: 0,
        }
    }

    #[test]
    fn bytes_come_out_in_order() {
        let mut buffer = buffer(b"abcdef");
        assert_eq!(buffer.take(2), b"ab");
        buffer.tail().extend(b"gh");
        assert_eq!(buffer.take(100), b"cdefgh");
        assert!(buffer.is_empty());
    }

    #[test]
    fn what_is_put_back_comes_first() {
        let mut buffer = buffer(b"abcdef");
        let taken = buffer.take(3);
        buffer.put_back(taken);
        assert_eq!(buffer.as_slice(), b"abcdef");
        buffer.take(1);
        buffer.put_back(b"xyz".to_vec());
        assert_eq!(buffer.take(10), b"xyzbcdef");
        buffer.put_back(b"q".to_vec());
        assert_eq!(buffer.take(1), b"q");
    }

    #[test]
    fn an_emptied_buffer_holds_no_memory() {
        let mut buffer = buffer(&[0; 4096]);
        buffer.take(4000);
        let mut rest = [0; 200];
        assert_eq!(buffer.take_into(&mut rest), 96);
        assert_eq!(buffer.bytes.capacity(), 0);
    }
}
