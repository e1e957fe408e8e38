//! Places in logs.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, Metadata};
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::path::Path;
use std::time::SystemTime;

/// How many bytes before a place are remembered, to notice that a file is another than it was.
pub(super) const BEFORE: usize = 64;

/// Distinguishes files, regardless of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId(u64, u64);

impl FileId {
    #[cfg(unix)]
    pub(crate) fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self(metadata.dev(), metadata.ino())
    }

    // Good enough to notice a rotation: the new file is made later.
    #[cfg(not(unix))]
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let created = metadata.created().ok();
        let since = created.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        Self(0, since.unwrap_or_default().as_nanos() as u64)
    }
}

/// A place in a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// `None` before the file was there.
    pub(super) file: Option<FileId>,
    pub(super) offset: u64,
    /// Stands for the bytes before it.
    pub(super) before: u64,
    /// It is within a line that is too long, whose rest is not a line.
    pub(super) is_within: bool,
}

impl Position {
    /// Whether it is in the same file as the other, and not before it.
    pub(crate) fn has_reached(&self, other: &Position) -> bool {
        self.file == other.file && self.offset >= other.offset
    }
}

/// The end of a log at some time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct End {
    pub(super) position: Position,
    pub(super) written: Option<SystemTime>,
}

impl End {
    /// Whether the log still goes as far.
    pub(crate) fn is_there(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|now| {
            self.position.file == Some(FileId::of(&now)) && now.len() >= self.position.offset
        })
    }
}

/// The last bytes of what is in `range`.
pub(super) fn before(buffer: &[u8], range: Range<usize>) -> &[u8] {
    &buffer[range.start.max(range.end.saturating_sub(BEFORE))..range.end]
}

pub(super) fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
