//! The file of a Unix socket.

#[cfg(any(target_os = "linux", target_os = "android"))]
use std::os::fd::OwnedFd;
use std::{
    fs,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

/// The file of a Unix socket, as opposed to another one of the same name.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
    /// While it is held, no other file gets its number.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    _held: OwnedFd,
}

impl SocketFile {
    /// The file at `path`, if there is a socket's.
    pub(crate) fn at(path: &Path) -> Option<SocketFile> {
        Some(SocketFile {
            path: path.to_owned(),
            identity: socket_identity(path)?,
            #[cfg(any(target_os = "linux", target_os = "android"))]
            _held: {
                use rustix::fs::{Mode, OFlags, open};
                let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                open(path, flags, Mode::empty()).ok()?
            },
        })
    }

    /// Removes the file, unless another one has taken its place.
    pub(crate) fn remove(self) {
        if socket_identity(&self.path) == Some(self.identity) {
            // It may have gone since, which is as well.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn socket_identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let is_socket = metadata.file_type().is_socket();
    is_socket.then(|| (metadata.dev(), metadata.ino()))
}
