//! What is on its way to a receiver.

use std::collections::VecDeque;
use std::time::Instant;

/// What is on its way to a receiver, in order.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    items: VecDeque<(Instant, Item)>,
    bytes: Vec<u8>,
    /// How many of `bytes` are gone.
    gone: usize,
}

/// What is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// So many bytes.
    Bytes(usize),
    /// Something that happens to the connection.
    Act(Act),
}

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// The receiver is told that there is no more.
    End,
    Close,
    Reset,
    Silence,
}

/// From how many bytes on those that are gone are cleared away while others are there.
const CLEARED: usize = 64 << 10;

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.gone
    }

    pub(crate) fn push(&mut self, due: Instant, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.gone > CLEARED && self.gone > self.len() {
            self.bytes.drain(..self.gone);
            self.gone = 0;
        }
        self.bytes.extend_from_slice(bytes);
        match self.items.back_mut() {
            Some((same, Item::Bytes(count))) if *same == due => *count += bytes.len(),
            _ => self.items.push_back((due, Item::Bytes(bytes.len()))),
        }
    }

    pub(crate) fn push_act(&mut self, due: Instant, act: Act) {
        self.items.push_back((due, Item::Act(act)));
    }

    /// The first of all, and when it is there.
    pub(crate) fn first(&self) -> Option<(Instant, Item)> {
        self.items.front().copied()
    }

    /// The first bytes.
    pub(crate) fn bytes(&self, count: usize) -> &[u8] {
        &self.bytes[self.gone..self.gone + count]
    }

    /// So many of the first bytes are sent.
    pub(crate) fn sent(&mut self, count: usize) {
        self.gone += count;
        if let Some((_, Item::Bytes(left))) = self.items.front_mut() {
            *left -= count;
            if *left == 0 {
                self.items.pop_front();
            }
        }
        if self.gone == self.bytes.len() {
            self.bytes.clear();
            self.gone = 0;
        }
    }

    /// What is first, and no bytes, is done.
    pub(crate) fn acted(&mut self) {
        self.items.pop_front();
    }
}
