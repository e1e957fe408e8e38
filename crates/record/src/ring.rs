//! The records of one connection, one after the other in a ring of bytes.

use crate::clock::Tick;

/// A record without its bytes, as it stands before them in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) time: Tick,
    pub(crate) length: u64,
    pub(crate) kept: u16,
    pub(crate) place: u16,
    pub(crate) kind: u8,
}

/// How many bytes a header takes.
pub(crate) const HEADER: usize = 21;

/// What a ring begins with: some records of a line each.
const FIRST: usize = 512;

/// After so many records a ring asks again for the memory that was refused: those who have it
/// are many, and each of them is looked at.
const PATIENCE: u32 = 256;

impl Header {
    /// Straight to where it belongs: a copy of an array that has just been put together waits
    /// for all of its parts.
    #[inline]
    fn encode(self, out: &mut [u8; HEADER]) {
        out[..8].copy_from_slice(&self.time.0.to_le_bytes());
        out[8..16].copy_from_slice(&self.length.to_le_bytes());
        out[16..18].copy_from_slice(&self.kept.to_le_bytes());
        out[18..20].copy_from_slice(&self.place.to_le_bytes());
        out[20] = self.kind;
    }

    #[inline]
    fn decode(bytes: &[u8; HEADER]) -> Self {
        let eight = |at: usize| std::array::from_fn(|index| bytes[at + index]);
        let two = |at: usize| [bytes[at], bytes[at + 1]];
        Self {
            time: Tick(u64::from_le_bytes(eight(0))),
            length: u64::from_le_bytes(eight(8)),
            kept: u16::from_le_bytes(two(16)),
            place: u16::from_le_bytes(two(18)),
            kind: bytes[20],
        }
    }
}

/// A ring that grows up to a limit, and then forgets its oldest records.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    buffer: Box<[u8]>,
    /// Where the oldest record begins.
    head: usize,
    length: usize,
    /// The bytes of all records before the oldest one: positions count from the very first.
    gone: u64,
    /// For how many records memory is not asked for again.
    refused: u32,
}

impl Ring {
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.buffer.len()
    }

    /// Where the next record begins, counted from the very first.
    pub(crate) fn end(&self) -> u64 {
        self.gone + self.length as u64
    }

    /// Writes a record. The ring grows up to `limit` if `claim` has the memory for it;
    /// otherwise `forget` is called with each record that makes room. Returns whether the
    /// record is kept: one larger than the whole ring is not.
    #[inline]
    pub(crate) fn push(
        &mut self,
        header: Header,
        bytes: &[u8],
        limit: usize,
        claim: impl Fn(usize) -> bool,
        mut forget: impl FnMut(Header),
    ) -> bool {
        debug_assert_eq!(usize::from(header.kept), bytes.len());
        let size = HEADER + bytes.len();
        if self.buffer.len() - self.length < size {
            if self.buffer.len() < limit {
                self.grow(size, limit, claim);
            }
            if self.buffer.len() < size {
                return false;
            }
            while self.buffer.len() - self.length < size {
                let oldest = self.pop();
                forget(oldest);
            }
        }
        let start = self.index(self.length);
        match self.buffer[start..].first_chunk_mut() {
            Some(place) => {
                header.encode(place);
                self.length += HEADER;
            }
            None => {
                let mut encoded = [0; HEADER];
                header.encode(&mut encoded);
                self.append(&encoded);
            }
        }
        self.append(bytes);
        true
    }

    /// Every record with its bytes, the oldest first.
    pub(crate) fn records(&self) -> impl Iterator<Item = (Header, Vec<u8>)> + '_ {
        let mut at = 0;
        std::iter::from_fn(move || {
            if at >= self.length {
                return None;
            }
            let header = self.header(at);
            let mut bytes = vec![0; usize::from(header.kept)];
            self.copy(at + HEADER, &mut bytes);
            at += HEADER + bytes.len();
            Some((header, bytes))
        })
    }

    /// Overwrites what was written at `position` (counted from the very first byte), as far as
    /// it is still there.
    pub(crate) fn overwrite(&mut self, position: u64, length: usize, with: u8) {
        let Some(start) = position.checked_sub(self.gone) else {
            return;
        };
        let end = (start + length as u64).min(self.length as u64);
        for at in start..end {
            let index = self.index(at as usize);
            self.buffer[index] = with;
        }
    }

    /// Takes the last record back, which begins at `position` (counted from the very first byte),
    /// if it has these bytes and `is_meant` says so of the rest.
    pub(crate) fn take_back(
        &mut self,
        position: u64,
        bytes: &[u8],
        is_meant: impl FnOnce(Header) -> bool,
    ) -> Option<Header> {
        let at = usize::try_from(position.checked_sub(self.gone)?).ok()?;
        let size = HEADER + bytes.len();
        if at + size != self.length {
            return None;
        }
        let header = self.header(at);
        let mut kept = vec![0; bytes.len()];
        self.copy(at + HEADER, &mut kept);
        let is_same = usize::from(header.kept) == bytes.len() && kept == bytes && is_meant(header);
        if !is_same {
            return None;
        }
        self.length = at;
        Some(header)
    }

    /// Gives up the buffer. Returns its size.
    pub(crate) fn clear(&mut self, mut forget: impl FnMut(Header)) -> usize {
        while self.length > 0 {
            let oldest = self.pop();
            forget(oldest);
        }
        self.head = 0;
        std::mem::take(&mut self.buffer).len()
    }

    #[cold]
    fn grow(&mut self, size: usize, limit: usize, claim: impl Fn(usize) -> bool) {
        if self.refused > 0 {
            self.refused -= 1;
            return;
        }
        let old = self.buffer.len();
        let wanted = (self.length + size).next_power_of_two().max(FIRST);
        let new = wanted.max(old * 2).min(limit);
        if new <= old {
            return;
        }
        if !claim(new - old) {
            self.refused = PATIENCE;
            return;
        }
        let mut buffer = vec![0; new].into_boxed_slice();
        self.copy(0, &mut buffer[..self.length]);
        self.buffer = buffer;
        self.head = 0;
    }

    #[inline]
    fn pop(&mut self) -> Header {
        let header = self.header(0);
        let size = HEADER + usize::from(header.kept);
        self.head = self.index(size);
        self.length -= size;
        self.gone += size as u64;
        header
    }

    #[inline]
    fn header(&self, at: usize) -> Header {
        let start = self.index(at);
        if let Some(place) = self.buffer[start..].first_chunk() {
            return Header::decode(place);
        }
        let mut bytes = [0; HEADER];
        self.copy(at, &mut bytes);
        Header::decode(&bytes)
    }

    #[inline]
    fn index(&self, at: usize) -> usize {
        let index = self.head + at;
        if index < self.buffer.len() {
            index
        } else {
            index - self.buffer.len()
        }
    }

    /// There is room for it.
    #[inline]
    fn append(&mut self, bytes: &[u8]) {
        let start = self.index(self.length);
        if let Some(place) = self.buffer.get_mut(start..start + bytes.len()) {
            place.copy_from_slice(bytes);
            self.length += bytes.len();
            return;
        }
        let first = bytes.len().min(self.buffer.len() - start);
        let (head, tail) = bytes.split_at(first);
        self.buffer[start..start + first].copy_from_slice(head);
        self.buffer[..tail.len()].copy_from_slice(tail);
        self.length += bytes.len();
    }

    fn copy(&self, at: usize, out: &mut [u8]) {
        if out.is_empty() {
            return;
        }
        let start = self.index(at);
        let first = out.len().min(self.buffer.len() - start);
        let (head, tail) = out.split_at_mut(first);
        head.copy_from_slice(&self.buffer[start..start + first]);
        tail.copy_from_slice(&self.buffer[..tail.len()]);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    fn header(number: u64, bytes: &[u8]) -> Header {
        Header {
            time: Tick(number),
            length: number * 3,
            kept: bytes.len() as u16,
            place: number as u16,
            kind: number as u8,
        }
    }

    proptest! {
        #[test]
        fn keeps_the_newest_records_within_its_limit(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 1..100),
            limit in 0_usize..5_000,
            memory in 0_usize..5_000,
        ) {
            let mut ring = Ring::default();
            let spent = std::cell::Cell::new(0);
            let claim = |bytes: usize| {
                let enough = spent.get() + bytes <= memory;
                if enough {
                    spent.set(spent.get() + bytes);
                }
                enough
            };
            let mut expected: VecDeque<(Header, Vec<u8>)> = VecDeque::new();
            for (number, piece) in pieces.into_iter().enumerate() {
                let header = header(number as u64, &piece);
                let mut forgotten = Vec::new();
                let kept = ring.push(header, &piece, limit, claim, |old| forgotten.push(old));
                for old in forgotten {
                    prop_assert_eq!(expected.pop_front().unwrap().0, old);
                }
                if kept {
                    expected.push_back((header, piece));
                }
                prop_assert!(ring.capacity() <= limit.min(memory));
                prop_assert_eq!(ring.capacity(), spent.get());
            }
            let found: Vec<_> = ring.records().collect();
            prop_assert_eq!(found, Vec::from(expected));
        }
    }

    #[test]
    fn overwrites_what_is_still_there() {
        let mut ring = Ring::default();
        let mut positions = Vec::new();
        for number in 0..30 {
            positions.push(ring.end() + HEADER as u64);
            ring.push(header(number, b"secret"), b"secret", 512, |_| true, |_| ());
        }
        for position in positions {
            ring.overwrite(position, 6, b'*');
        }
        assert!(ring.records().count() >= 15);
        assert!(ring.records().all(|(_, bytes)| bytes == b"******"));
    }

    #[test]
    fn does_not_ask_for_memory_with_each_record() {
        let mut ring = Ring::default();
        let asked = std::cell::Cell::new(0);
        let claim = |_| {
            asked.set(asked.get() + 1);
            false
        };
        for number in 0..1000 {
            assert!(!ring.push(header(number, b"a"), b"a", 4096, claim, |_| ()));
        }
        assert_eq!(asked.get(), 4);
    }

    #[test]
    fn gives_up_everything() {
        let mut ring = Ring::default();
        assert_eq!(ring.capacity(), 0);
        assert!(ring.push(header(1, b"a"), b"a", 4096, |_| true, |_| ()));
        let mut forgotten = 0;
        assert_eq!(ring.clear(|_| forgotten += 1), 512);
        assert_eq!((forgotten, ring.capacity()), (1, 0));
        assert!(ring.push(header(2, b"b"), b"b", 4096, |_| true, |_| ()));
        assert_eq!(ring.records().count(), 1);
    }
}
