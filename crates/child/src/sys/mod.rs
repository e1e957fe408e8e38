//! The platform's support.
//!
//! - Linux: a supervisor above the program, see `supervisor.rs`. It ends all that
//!   the program has started, wherever that went, also when the test is killed.
//! - Other Unixes: the process group of the program, see `group.rs`.
//! - Elsewhere: nothing; a start answers "not supported".
//!
//! Each has a [`Handle`], by which a child is held, and a [`Watch`], which a
//! thread asks for what happens to it.

use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;

use crate::Exit;

#[cfg(target_os = "linux")]
mod children;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod message;
#[cfg(target_os = "linux")]
mod supervisor;
#[cfg(target_os = "linux")]
pub(crate) use linux::{Handle, Watch};

#[cfg(all(unix, not(target_os = "linux")))]
mod group;
#[cfg(all(unix, not(target_os = "linux")))]
pub(crate) use group::{Handle, Watch};

#[cfg(unix)]
mod signal;
#[cfg(unix)]
pub(crate) use signal::{signal, signal_group};

#[cfg(not(unix))]
mod unsupported;
#[cfg(not(unix))]
pub(crate) use unsupported::{Handle, Watch, signal, signal_group};

/// All that is needed to start a program, with nothing left to look up.
#[derive(Debug)]
#[cfg_attr(not(unix), expect(dead_code, reason = "nothing is started there"))]
pub(crate) struct Prepared {
    pub(crate) path: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) variables: Vec<(OsString, OsString)>,
    pub(crate) directory: Option<PathBuf>,
    /// Its descriptors 0, 1, 2, 3, ...
    pub(crate) files: Vec<File>,
    /// Whether it stays in the process group of the caller.
    pub(crate) keeps_group: bool,
}

/// What happens to a child, in this order, each at most once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "some never happen there")
)]
pub(crate) enum Event {
    /// It has ended; `alone` if nothing that it has started still runs.
    Exited { exit: Exit, alone: bool },
    /// Nothing that it has started still runs.
    Alone,
    /// Nothing is left of it, and its number may be another's.
    Gone,
}
