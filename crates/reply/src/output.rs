//! The bytes to be sent.

use std::collections::VecDeque;
use std::sync::Arc;

/// Bytes in the order in which they are to be sent. Large ones that many connections send are not
/// copied.
#[derive(Debug, Default)]
pub(crate) struct Output {
    chunks: VecDeque<Chunk>,
    /// How much of the first chunk was sent.
    sent: usize,
    len: usize,
}

#[derive(Debug)]
enum Chunk {
    Own(Vec<u8>),
    Shared(Arc<[u8]>),
}

impl Chunk {
    fn bytes(&self) -> &[u8] {
        match self {
            Chunk::Own(bytes) => bytes,
            Chunk::Shared(bytes) => bytes,
        }
    }
}

/// From this size on bytes are shared.
const LARGE: usize = 16 << 10;

impl Output {
    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The next bytes to be sent, not always all.
    pub(crate) fn next(&self) -> &[u8] {
        self.chunks
            .front()
            .map_or(&[], |chunk| &chunk.bytes()[self.sent..])
    }

    /// So many of the [next](Output::next) bytes were sent.
    pub(crate) fn sent(&mut self, count: usize) {
        let count = count.min(self.next().len());
        self.sent += count;
        self.len -= count;
        while let Some(chunk) = self.chunks.front()
            && chunk.bytes().len() <= self.sent
        {
            self.chunks.pop_front();
            self.sent = 0;
        }
        if self.is_empty() {
            // An idle connection holds no memory.
            *self = Output::default();
        }
    }

    /// Adds bytes.
    pub(crate) fn push(&mut self, bytes: Vec<u8>) {
        self.len += bytes.len();
        match self.chunks.back_mut() {
            _ if bytes.is_empty() => {}
            Some(Chunk::Own(last)) => last.extend_from_slice(&bytes),
            _ => self.chunks.push_back(Chunk::Own(bytes)),
        }
    }

    /// Adds bytes that others send too.
    pub(crate) fn share(&mut self, bytes: &Arc<[u8]>) {
        if bytes.len() < LARGE {
            match self.chunks.back_mut() {
                Some(Chunk::Own(last)) => {
                    last.extend_from_slice(bytes);
                    self.len += bytes.len();
                }
                _ => self.push(bytes.to_vec()),
            }
            return;
        }
        self.len += bytes.len();
        self.chunks.push_back(Chunk::Shared(Arc::clone(bytes)));
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Output::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_in_order_however_they_are_taken() {
        let large: Arc<[u8]> = vec![b'x'; LARGE].into();
        let mut output = Output::default();
        output.push(b"ab".to_vec());
        output.share(&b"cd"[..].into());
        output.share(&large);
        output.push(Vec::new());
        output.push(b"ef".to_vec());
        output.share(&b"gh"[..].into());
        assert_eq!(output.len(), 8 + LARGE);
        let mut all = Vec::new();
        while !output.is_empty() {
            let next = output.next();
            let count = next.len().min(3);
            all.extend_from_slice(&next[..count]);
            output.sent(count);
        }
        assert_eq!(all, [b"abcd", &*large, b"efgh"].concat());
        assert_eq!(output.next(), b"");
        output.sent(5);
        assert_eq!(output.len(), 0);
    }
}
