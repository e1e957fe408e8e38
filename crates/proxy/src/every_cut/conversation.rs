//! The traffic of the proxies in a run without a cut.

use std::collections::BTreeMap;
use std::fmt;

use standin_error::text::Count;

use super::cut::{Cut, Place};
use crate::Direction;
use crate::counted::counted;

/// The traffic of the proxies in a run, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conversation {
    pub(crate) entries: Vec<Entry>,
}

/// A frame, or a piece of bytes where there are no frames.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) line: Line,
    /// Which frame of its line it is, or which byte it begins with.
    pub(crate) index: u64,
    pub(crate) size: u64,
    /// The first of its bytes.
    pub(crate) head: Vec<u8>,
    pub(crate) is_frame: bool,
}

/// A direction of a connection of a proxy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    pub(crate) proxy: String,
    pub(crate) connection: usize,
    pub(crate) direction: Direction,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line {
            proxy,
            connection,
            direction,
        } = self;
        write!(f, "{proxy}:{connection}:{direction}")
    }
}

/// A place at which the conversation can be cut.
#[derive(Clone, Debug)]
pub(crate) struct Boundary {
    pub(crate) line: Line,
    pub(crate) place: Place,
    /// Which entry of the conversation it is in.
    pub(crate) entry: usize,
}

impl Conversation {
    /// Adds what has just come.
    pub(crate) fn add(&mut self, line: Line, size: usize, head: &[u8], is_frame: bool) {
        let before = self.entries.iter().rev().find(|entry| entry.line == line);
        let index = match (before, is_frame) {
            (None, _) => 0,
            (Some(before), true) => before.index + 1,
            (Some(before), false) => before.index + before.size,
        };
        self.entries.push(Entry {
            line,
            index,
            size: size as u64,
            head: head.to_vec(),
            is_frame,
        });
    }

    /// How many connections, and how many frames or bytes.
    pub(crate) fn summary(&self) -> String {
        let mut connections: Vec<(&str, usize)> = self
            .entries
            .iter()
            .map(|entry| (&*entry.line.proxy, entry.line.connection))
            .collect();
        connections.sort_unstable();
        connections.dedup();
        let frames = self.entries.iter().filter(|entry| entry.is_frame).count();
        let bytes = self.entries.iter().filter(|entry| !entry.is_frame);
        let bytes: u64 = bytes.map(|entry| entry.size).sum();
        let frames = (frames > 0).then(|| Count(frames, "frame").to_string());
        let bytes = (bytes > 0).then(|| counted(bytes, "byte").to_string());
        let what: Vec<String> = frames.into_iter().chain(bytes).collect();
        format!(
            "{} on {}",
            what.join(" and "),
            Count(connections.len(), "connection")
        )
    }

    /// Where another run of the same test went another way.
    pub(crate) fn difference(&self, other: &Conversation) -> Option<String> {
        let (ours, theirs) = (self.sizes(), other.sizes());
        let lines = ours.keys().chain(theirs.keys());
        lines.into_iter().find_map(|line| {
            let [one, two] = [&ours, &theirs].map(|sizes| sizes.get(line).cloned());
            (one != two).then(|| {
                let said = |sizes: Option<Sizes>| sizes.unwrap_or_default().to_string();
                format!("{line}: {} at first, {} then", said(one), said(two))
            })
        })
    }

    /// What counts of each line: the number of frames, or of bytes.
    fn sizes(&self) -> BTreeMap<&Line, Sizes> {
        let mut sizes: BTreeMap<&Line, Sizes> = BTreeMap::new();
        for entry in &self.entries {
            let size = sizes.entry(&entry.line).or_default();
            match entry.is_frame {
                true => size.frames += 1,
                false => size.bytes += entry.size,
            }
        }
        sizes
    }

    /// Which entry a cut is in; the last, if it is beyond all.
    pub(crate) fn entry_of(&self, cut: &Cut) -> usize {
        let is_meant = |entry: &Entry| {
            let line = &entry.line;
            let is_line = line.proxy == cut.proxy
                && line.connection == cut.connection
                && line.direction == cut.direction;
            is_line
                && match cut.place {
                    Place::Frame { index, .. } => entry.is_frame && entry.index == index,
                    Place::Byte(byte) => (entry.index..entry.index + entry.size).contains(&byte),
                }
        };
        let place = self.entries.iter().position(is_meant);
        place.unwrap_or(self.entries.len().saturating_sub(1))
    }

    /// All places at which it can be cut: before each frame, and `inside` each that is large
    /// enough; where there are no frames, each `step` bytes.
    pub(crate) fn boundaries(&self, inside: bool, step: u64) -> Vec<Boundary> {
        let mut boundaries = Vec::new();
        for (number, entry) in self.entries.iter().enumerate() {
            let mut add = |place| {
                boundaries.push(Boundary {
                    line: entry.line.clone(),
                    place,
                    entry: number,
                });
            };
            if entry.is_frame {
                let index = entry.index;
                add(Place::Frame { index, offset: 0 });
                if inside && entry.size >= 2 {
                    let offset = entry.size / 2;
                    add(Place::Frame { index, offset });
                }
                continue;
            }
            // Those that are whole steps from the beginning of the line.
            let step = step.max(1);
            let first = entry.index.next_multiple_of(step);
            let end = entry.index + entry.size;
            (first..end)
                .step_by(usize::try_from(step).unwrap_or(usize::MAX))
                .for_each(|byte| add(Place::Byte(byte)));
        }
        boundaries
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sizes {
    frames: u64,
    bytes: u64,
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, thing) = match self {
            Sizes { frames: 0, bytes } => (*bytes, "byte"),
            Sizes { frames, .. } => (*frames, "frame"),
        };
        counted(count, thing).fmt(f)
    }
}
