use std::ffi::{CStr, OsStr, OsString};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::process::Pid;

use super::{Files, Lock};

/// The largest marker that is read: far more than anybody writes.
const LARGEST: u64 = 64 << 10;

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Tells a directory from every other one, also from one that is put in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Identity {
    device: u64,
    inode: u64,
    /// File systems give the inode of one that was removed to the next.
    made: Option<SystemTime>,
}

impl Identity {
    /// Of what is at the path itself, even a link.
    pub(in super::super) fn at(path: &Path) -> io::Result<Self> {
        Ok(Self::of(&fs::symlink_metadata(path)?))
    }

    fn of(metadata: &fs::Metadata) -> Self {
        // Elsewhere it can change with other times of the directory.
        let is_fixed = cfg!(target_os = "linux");
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            made: metadata.created().ok().filter(|_| is_fixed),
        }
    }
}

/// The canonical name of the current directory.
pub(in super::super) fn current_directory() -> Option<PathBuf> {
    // As the system knows it, without links.
    std::env::current_dir().ok()
}

/// An open directory. What is done goes through this handle, so that it does not
/// matter what is put in the place of the path meanwhile.
#[derive(Debug)]
pub(crate) struct Directory {
    handle: OwnedFd,
    is_locked: bool,
}

impl Directory {
    /// Opens what is at the path itself: a link is [`io::ErrorKind::NotADirectory`].
    pub(in super::super) fn open(path: &Path) -> io::Result<Self> {
        let handle = rustix::fs::open(path, DIRECTORY, Mode::empty()).map_err(not_followed)?;
        Ok(Self {
            handle,
            is_locked: false,
        })
    }

    pub(in super::super) fn identity(&self) -> io::Result<Identity> {
        let file = File::from(self.handle.try_clone()?);
        Ok(Identity::of(&file.metadata()?))
    }

    /// The names of all that is in it, sorted.
    pub(in super::super) fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.handle)? {
            let entry = entry?;
            if !is_dots(entry.file_name()) {
                names.push(OsString::from_vec(entry.file_name().to_bytes().to_vec()));
            }
        }
        names.sort();
        Ok(names)
    }

    /// Deletes all that is in it but `kept`. Links go, and what is behind them
    /// stays, as does what is mounted in it. A directory named `again`, which would be made
    /// again, is only emptied if it is as this one is.
    ///
    /// # Errors
    ///
    /// Returns what could not be deleted, by its path below this directory.
    pub(in super::super) fn empty_but(
        &self,
        kept: &str,
        again: Option<&str>,
    ) -> Result<(), (PathBuf, io::Error)> {
        let here = |error: Errno| (PathBuf::new(), error.into());
        let own = rustix::fs::fstat(&self.handle).map_err(here)?;
        let spared = Spared {
            kept: Some(kept),
            again,
        };
        let entries = Dir::read_from(&self.handle).map_err(here)?;
        empty(entries, &own, spared)
    }

    /// Removes empty directories in it, and says what files are left besides `kept`.
    pub(in super::super) fn tidy_but(&self, kept: &str) -> io::Result<Files> {
        let mut files = Files::default();
        tidy(self.handle.as_fd(), Some(kept), &mut files)?;
        Ok(files)
    }

    /// Whether there is any file in it, however deep, besides `kept`.
    pub(in super::super) fn has_files_but(&self, kept: &str) -> io::Result<bool> {
        has_files(self.handle.as_fd(), Some(kept))
    }

    /// What is in a file; `None` if there is no such file, or it is not a file.
    pub(in super::super) fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        // Not to wait for who writes to a pipe.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.handle, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT | Errno::LOOP | Errno::MLINK | Errno::NXIO) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(None);
        }
        // With a place for all of it, it is not read piece by piece.
        let mut content = Vec::with_capacity(metadata.len().min(LARGEST) as usize + 1);
        file.take(LARGEST).read_to_end(&mut content)?;
        Ok(Some(content))
    }

    /// Writes a file, or adds to it. If the disk is full, what was there stays as it was as far as
    /// possible, and no file is left that was not there.
    pub(in super::super) fn write(
        &self,
        name: &str,
        content: &[u8],
        append: bool,
    ) -> io::Result<()> {
        let mut flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        flags.set(OFlags::APPEND, append);
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
        let mut file = File::from(rustix::fs::openat(&self.handle, name, flags, mode)?);
        let was_empty = file.metadata()?.len() == 0;
        let mut written = file.write_all(content);
        if !append && written.is_ok() {
            written = file.set_len(content.len() as u64);
        }
        if written.is_err() && was_empty {
            // The error of the write is the one to report.
            let _ = self.remove_file(name);
        }
        written
    }

    pub(in super::super) fn remove_file(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.handle, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Locks the directory, or changes the lock, without waiting. The lock ends
    /// with this handle, and with the process. Answers whether it has the lock;
    /// it always does where the file system has no locks.
    pub(in super::super) fn try_lock(&mut self, lock: Lock) -> io::Result<bool> {
        let operation = match lock {
            Lock::Shared => FlockOperation::NonBlockingLockShared,
            Lock::Exclusive => FlockOperation::NonBlockingLockExclusive,
        };
        loop {
            return match rustix::fs::flock(&self.handle, operation) {
                Ok(()) => {
                    self.is_locked = true;
                    Ok(true)
                }
                Err(Errno::WOULDBLOCK) => Ok(false),
                Err(Errno::INTR) => continue,
                // Network file systems lock only what is open for writing.
                Err(Errno::BADF | Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP) => {
                    tracing::debug!("directories of this file system cannot be locked");
                    Ok(true)
                }
                Err(error) => Err(error.into()),
            };
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // A child process that is just being spawned has the handle, too: to close
        // ours alone would leave the lock for another moment.
        if self.is_locked {
            let _ = rustix::fs::flock(&self.handle, FlockOperation::Unlock);
        }
    }
}

fn not_followed(error: Errno) -> io::Error {
    match error {
        // With `O_NOFOLLOW` systems differ in what a link is.
        Errno::LOOP | Errno::MLINK => io::ErrorKind::NotADirectory.into(),
        error => error.into(),
    }
}

fn is_dots(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}

fn is_kept(name: &CStr, kept: Option<&str>) -> bool {
    is_dots(name) || is_named(name, kept)
}

fn is_named(name: &CStr, other: Option<&str>) -> bool {
    other.is_some_and(|other| other.as_bytes() == name.to_bytes())
}

/// Whether they have the same owners and permissions.
fn is_made_alike(one: &Stat, other: &Stat) -> bool {
    let of = |stat: &Stat| (stat.st_uid, stat.st_gid, stat.st_mode);
    of(one) == of(other)
}

fn is_directory(parent: BorrowedFd<'_>, entry: &rustix::fs::DirEntry) -> io::Result<bool> {
    match entry.file_type() {
        // Not every file system says so in its directories.
        FileType::Unknown => {
            match rustix::fs::statat(parent, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory),
                Err(Errno::NOENT) => Ok(false),
                Err(error) => Err(error.into()),
            }
        }
        kind => Ok(kind == FileType::Directory),
    }
}

fn open_in(parent: BorrowedFd<'_>, name: &CStr) -> Result<Option<OwnedFd>, Errno> {
    match rustix::fs::openat(parent, name, DIRECTORY, Mode::empty()) {
        Ok(handle) => Ok(Some(handle)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is not deleted of what is in a directory.
#[derive(Clone, Copy, Default)]
struct Spared<'a> {
    kept: Option<&'a str>,
    /// It is emptied.
    again: Option<&'a str>,
}

/// `top` is the directory in which all of it is.
fn empty(mut directory: Dir, top: &Stat, spared: Spared<'_>) -> Result<(), (PathBuf, io::Error)> {
    let here = |error: Errno| (PathBuf::new(), error.into());
    while let Some(entry) = directory.read() {
        let entry = entry.map_err(here)?;
        let directory = directory.fd().map_err(here)?;
        let name = entry.file_name();
        if is_kept(name, spared.kept) {
            continue;
        }
        let below = |(path, error)| {
            let name = Path::new(OsStr::from_bytes(name.to_bytes()));
            (name.join(path), error)
        };
        let there = |error: Errno| below((PathBuf::new(), error.into()));
        let is_directory =
            is_directory(directory, &entry).map_err(|error| below((PathBuf::new(), error)))?;
        let flags = if is_directory {
            let Some(inner) = open_in(directory, name).map_err(there)? else {
                continue;
            };
            let stat = rustix::fs::fstat(&inner).map_err(there)?;
            if stat.st_dev != top.st_dev {
                let error = io::Error::other("another file system is mounted there");
                return Err(below((PathBuf::new(), error)));
            }
            let inner = Dir::new(inner).map_err(there)?;
            empty(inner, top, Spared::default()).map_err(below)?;
            if is_named(name, spared.again) && is_made_alike(&stat, top) {
                continue;
            }
            AtFlags::REMOVEDIR
        } else {
            AtFlags::empty()
        };
        match rustix::fs::unlinkat(directory, name, flags) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(there(error)),
        }
    }
    Ok(())
}

fn tidy(directory: BorrowedFd<'_>, kept: Option<&str>, files: &mut Files) -> io::Result<()> {
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if is_kept(name, kept) {
            continue;
        }
        if is_directory(directory, &entry)? {
            if let Some(inner) = open_in(directory, name)? {
                tidy(inner.as_fd(), None, files)?;
                drop(inner);
                // What is not empty stays.
                let _ = rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR);
            }
            continue;
        }
        files.any = true;
        let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
        files.any_content |= stat.is_ok_and(|stat| stat.st_size > 0);
    }
    Ok(())
}

fn has_files(directory: BorrowedFd<'_>, kept: Option<&str>) -> io::Result<bool> {
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if is_kept(name, kept) {
            continue;
        }
        if !is_directory(directory, &entry)? {
            return Ok(true);
        }
        if let Some(inner) = open_in(directory, name)?
            && has_files(inner.as_fd(), None)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Makes a directory and those above it that are not there, for this user alone.
pub(in super::super) fn create_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a directory for this user alone, unless something is in its place; whether it has.
pub(in super::super) fn create_one(path: &Path) -> io::Result<bool> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Why `path` is not a directory that only this user can change; the owner of
/// `trusted` may, too.
pub(in super::super) fn why_not_private(
    path: &Path,
    trusted: Option<&Path>,
) -> io::Result<Option<String>> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Ok(Some("it is not a directory".to_owned()));
    }
    let owner = metadata.uid();
    let us = rustix::process::geteuid().as_raw();
    let trusted = trusted.and_then(|path| Some(fs::metadata(path).ok()?.uid()));
    if owner != us && Some(owner) != trusted {
        return Ok(Some(format!(
            "it belongs to the user {owner}, and this process runs as {us}"
        )));
    }
    if metadata.mode() & 0o022 != 0 {
        return Ok(Some("other users can write to it".to_owned()));
    }
    Ok(None)
}

/// Whether this process can make files in a directory.
pub(in super::super) fn is_writable(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}

/// A name of this user that is the same in each of its processes.
pub(in super::super) fn user() -> String {
    rustix::process::geteuid().as_raw().to_string()
}

/// Whether there is such a process.
pub(in super::super) fn is_alive(process: u32) -> bool {
    let process = i32::try_from(process).ok().and_then(Pid::from_raw);
    process.is_some_and(|process| {
        // One of another user is there, too.
        rustix::process::test_kill_process(process) != Err(Errno::SRCH)
    })
}
