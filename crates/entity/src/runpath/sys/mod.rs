//! What the operating system does for runpaths: directories as open handles, locks
//! that end with their holder, who owns what.
//!
//! On Unix all of it. Elsewhere directories are known by their paths, and there
//! are neither locks nor owners: two processes with one runpath are not noticed.

#[cfg(not(unix))]
mod elsewhere;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub(super) use self::elsewhere::*;
#[cfg(unix)]
pub(super) use self::unix::*;

/// How a directory is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lock {
    /// With others, by those who use what is in it.
    Shared,
    /// Alone, by who empties or removes it.
    Exclusive,
}

/// What is in a directory besides directories.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Files {
    /// Whether there is any file.
    pub(super) any: bool,
    /// Whether any of them has something in it.
    pub(super) any_content: bool,
}
