//! Everything that differs between platforms.
//!
//! Unix: sockets are descriptors. A thread waits for bytes in the system's own blocking calls, and
//! for everything else (peers, connects, pauses) with its own `mio::Poll`. On other systems this
//! crate compiles and returns "not supported here" ([`unsupported`]); only this module would have
//! to change.
//!
//! | | Linux | other Unix | elsewhere |
//! | --- | --- | --- | --- |
//! | TCP | yes | yes | no |
//! | Unix sockets | yes | yes | no |
//! | refuse, and listen again on the same socket | yes | rebinds | no |
//! | reset at once, also while a thread sends | yes | no | no |
//! | leak check | yes | no | no |

#[cfg(target_os = "linux")]
use std::fs;
use std::{collections::BTreeMap, io};

#[cfg(not(unix))]
mod elsewhere;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub(crate) use self::elsewhere::*;
#[cfg(unix)]
pub(crate) use self::unix::*;
pub(crate) use standin_sync::operation::{Descriptor, Interest};

/// The resources of a process: names, by identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inventory {
    /// The target of each descriptor's link, by number.
    pub(crate) descriptors: BTreeMap<u32, String>,
    /// The name of each thread, by its number.
    pub(crate) threads: BTreeMap<u32, String>,
}

/// How a connect goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(unix), expect(dead_code, reason = "nothing connects there"))]
pub(crate) enum ConnectProgress {
    Connected,
    /// The socket will become writable when the outcome is known.
    UnderWay,
    /// To be tried again later.
    QueueFull,
}

/// Which directions of a connection have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(unix), expect(dead_code, reason = "nothing connects there"))]
pub(crate) enum Ended {
    Nothing,
    /// The peer sends no more, or this side receives no more.
    Incoming,
    /// Both sides are done, or it was reset.
    Both,
}

/// How a call deals with a socket that is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocking {
    /// Fails with [`io::ErrorKind::WouldBlock`] at once.
    Never,
    /// Waits for the first bytes, or room for some, until the socket's timeout.
    UntilSome,
    /// Waits for everything, until the socket's timeout.
    UntilAll,
}

/// The error of what a platform does not have.
#[cfg_attr(
    target_os = "linux",
    expect(dead_code, reason = "Linux has everything")
)]
pub(crate) fn unsupported(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        format!("{what} is not supported on this platform"),
    )
}

/// The open descriptors and running threads of this process.
#[cfg(target_os = "linux")]
pub(crate) fn inventory() -> io::Result<Inventory> {
    let mut inventory = Inventory::default();
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        // The descriptor of the listing itself is closed when it is inspected, and so may others
        // be.
        let Ok(target) = fs::read_link(entry.path()) else {
            continue;
        };
        let target = target.to_string_lossy().into_owned();
        let is_this_list = target.starts_with("/proc/") && target.ends_with("/fd");
        if let (Some(number), false) = (number(&entry), is_this_list) {
            inventory.descriptors.insert(number, target);
        }
    }
    for entry in fs::read_dir("/proc/self/task")? {
        let entry = entry?;
        let Ok(name) = fs::read_to_string(entry.path().join("comm")) else {
            continue;
        };
        if let Some(number) = number(&entry) {
            inventory.threads.insert(number, name.trim_end().to_owned());
        }
    }
    Ok(inventory)
}

#[cfg(target_os = "linux")]
fn number(entry: &fs::DirEntry) -> Option<u32> {
    entry.file_name().to_str()?.parse().ok()
}

/// The open descriptors and running threads of this process.
#[cfg(not(target_os = "linux"))]
pub(crate) fn inventory() -> io::Result<Inventory> {
    Err(unsupported("the leak check"))
}
