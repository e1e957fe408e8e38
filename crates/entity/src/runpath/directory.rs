//! Making, emptying and removing the directory of a runpath.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::RunpathError;
use super::marker;
use super::sys::{self, Directory, Files, Identity, Lock};

/// The directory in a runpath for what is temporary.
pub(crate) const SCRATCH: &str = "scratch";

/// How often something else may come or go where a directory is being made.
const ATTEMPTS: u32 = 16;

/// A directory as it was when it was made or taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Made {
    identity: Identity,
    /// standin made it, found it empty, or found its marker in it.
    pub(crate) is_ours: bool,
    /// It is in a directory that standin holds, and needs no marker or lock.
    is_covered: bool,
}

/// Whose directory it is, and which one.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) entity: &'a dyn fmt::Display,
    pub(crate) path: &'a Path,
    /// What it was when it was taken the last time.
    pub(crate) made: Option<Made>,
}

impl Subject<'_> {
    /// Makes the directory with those above it, or takes the one that is there:
    /// emptied when `clear`. The locks keep other processes from emptying it.
    pub(crate) fn take(
        &self,
        clear: bool,
        is_covered: bool,
    ) -> Result<(Made, Vec<Directory>), RunpathError> {
        for _ in 0..ATTEMPTS {
            if let Some(taken) = self.try_take(clear, is_covered)? {
                return Ok(taken);
            }
        }
        Err(self.failed("make the directory", io::ErrorKind::NotFound.into()))
    }

    /// `None` when what is there has changed meanwhile.
    fn try_take(
        &self,
        clear: bool,
        is_covered: bool,
    ) -> Result<Option<(Made, Vec<Directory>)>, RunpathError> {
        let Some(is_new) = self.create()? else {
            return Ok(None);
        };
        let taken = self.take_there(clear, is_covered, is_new);
        if is_new && taken.is_err() {
            // A directory that is not marked would not be known as standin's. What somebody else
            // has put there keeps it.
            let _ = fs::remove_dir(self.path);
        }
        taken
    }

    /// Takes the directory that is there.
    fn take_there(
        &self,
        clear: bool,
        is_covered: bool,
        is_new: bool,
    ) -> Result<Option<(Made, Vec<Directory>)>, RunpathError> {
        if is_new && is_covered {
            return match Identity::at(self.path) {
                Ok(identity) => {
                    let made = Made {
                        identity,
                        is_ours: true,
                        is_covered,
                    };
                    Ok(Some((made, Vec::new())))
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(self.failed("read the directory", error)),
            };
        }
        let Some(mut directory) = self.open()? else {
            return Ok(None);
        };
        // Other users do not matter: that it is not for runpaths does not depend on them.
        if clear
            && !is_new
            && let Some(refused) = self.precious()
        {
            return Err(refused);
        }
        let identity = self.io(directory.identity())?;
        let mut locks = Vec::new();
        let mut is_alone = false;
        if !is_covered {
            locks = self.lock_above()?;
            is_alone = self.lock(&mut directory, clear)?;
            if !self.is_here(identity)? {
                return Ok(None);
            }
        }
        let was_ours = match self.made {
            Some(made) => made.is_ours && made.identity == identity,
            None => is_covered,
        };
        let marker = self.io(marker::find(&directory))?;
        let is_marked = marker.is_marker();
        let mut is_ours = is_new || was_ours || is_marked;
        if !is_ours {
            let found = self.io(directory.names())?;
            is_ours = marker.is_all_of(&found) && (clear || precious(self.path).is_none());
            if clear && !is_ours {
                return Err(self.foreign(found));
            }
        }
        if clear && !is_new {
            self.empty(&directory, Some(SCRATCH))?;
        }
        if !is_covered {
            if is_ours && is_alone {
                self.io(marker.replace(&directory, self.entity))?;
            } else if is_marked {
                self.io(marker::add(&directory, self.entity))?;
            }
            if !self.io(directory.try_lock(Lock::Shared))? {
                return Err(self.locked(&directory));
            }
            locks.push(directory);
        }
        let made = Made {
            identity,
            is_ours,
            is_covered,
        };
        Ok(Some((made, locks)))
    }

    /// Removes the directory with all that is in it.
    pub(crate) fn remove(&self) -> Result<(), RunpathError> {
        let Some(directory) = self.reopen()? else {
            return Ok(());
        };
        self.clear(&directory)
    }

    /// Removes the directories in it that are empty, and the directory itself if
    /// that leaves nothing in it, or no content and `content_only`. Says whether
    /// files are left.
    pub(crate) fn tidy(&self, content_only: bool) -> Result<bool, RunpathError> {
        let Some(directory) = self.reopen()? else {
            return Ok(false);
        };
        let Files { any, any_content } = self.io(directory.tidy_but(marker::NAME))?;
        if any_content || (any && !content_only) {
            return Ok(true);
        }
        self.clear(&directory)?;
        Ok(false)
    }

    /// Opens the directory to clear it, if it is the one that was made, or may be
    /// cleared no matter who made it. `None` when it no longer exists.
    fn reopen(&self) -> Result<Option<Directory>, RunpathError> {
        let mut directory = match Directory::open(self.path) {
            Ok(directory) => directory,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(self.replaced());
            }
            Err(error) => return Err(self.failed("open the directory", error)),
        };
        let identity = self.io(directory.identity())?;
        if self.made.is_some_and(|made| made.identity != identity) {
            return Err(self.replaced());
        }
        if !self.made.is_some_and(|made| made.is_covered) {
            self.lock(&mut directory, true)?;
            if !self.is_here(identity)? {
                return Err(self.replaced());
            }
        }
        if !self.made.is_some_and(|made| made.is_ours) && !self.io(marker::is_in(&directory))? {
            let found = self.io(directory.names())?;
            if !self.io(marker::find(&directory))?.is_all_of(&found) {
                return Err(self.foreign(found));
            }
        }
        Ok(Some(directory))
    }

    fn clear(&self, directory: &Directory) -> Result<(), RunpathError> {
        if let Some(refused) = self.precious() {
            return Err(refused);
        }
        self.empty(directory, None)?;
        self.io(marker::remove(directory))?;
        match fs::remove_dir(self.path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(self.failed("remove the directory", source))
            }
            _ => Ok(()),
        }
    }

    /// Makes a directory of the runpath with those above it.
    pub(crate) fn create_all(&self, path: &Path) -> Result<(), RunpathError> {
        let made = match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir_all(path),
            made => made,
        };
        made.map_err(|source| RunpathError::Directory {
            entity: self.entity.to_string(),
            action: "make the directory",
            path: path.to_owned(),
            source,
        })
    }

    /// Whether the directory is new; `None` when it is not there after all.
    fn create(&self) -> Result<Option<bool>, RunpathError> {
        let failed = |source| Err(self.failed("make the directory", source));
        match fs::create_dir(self.path) {
            Ok(()) => Ok(Some(true)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Some(false)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let Some(parent) = self.path.parent() else {
                    return failed(error);
                };
                match fs::create_dir_all(parent) {
                    // Another one that goes may remove it while it is empty.
                    Err(error) if error.kind() != io::ErrorKind::NotFound => failed(error),
                    _ => Ok(None),
                }
            }
            Err(error) => failed(error),
        }
    }

    fn open(&self) -> Result<Option<Directory>, RunpathError> {
        match Directory::open(self.path) {
            Ok(directory) => Ok(Some(directory)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                Err(RunpathError::NotADirectory {
                    entity: self.entity.to_string(),
                    path: self.path.to_owned(),
                    what: if self.path.is_symlink() {
                        "a link that leads nowhere, or was put there meanwhile"
                    } else {
                        "a file"
                    },
                })
            }
            Err(error) => Err(self.failed("open the directory", error)),
        }
    }

    /// Locks what is above and has a marker: it must not be emptied meanwhile.
    fn lock_above(&self) -> Result<Vec<Directory>, RunpathError> {
        let mut locks = Vec::new();
        for above in self.path.ancestors().skip(1) {
            if above.join(marker::NAME).symlink_metadata().is_err() {
                continue;
            }
            let Ok(mut directory) = Directory::open(above) else {
                continue;
            };
            if !self.io(marker::is_in(&directory))? {
                continue;
            }
            if !self.io(directory.try_lock(Lock::Shared))? {
                return Err(self.locked(&directory));
            }
            self.io(marker::add(&directory, self.entity))?;
            locks.push(directory);
        }
        Ok(locks)
    }

    /// Locks the directory for this entity alone, or together with others unless
    /// it has to be cleared; answers whether it is alone.
    fn lock(&self, directory: &mut Directory, clear: bool) -> Result<bool, RunpathError> {
        if self.io(directory.try_lock(Lock::Exclusive))? {
            return Ok(true);
        }
        if clear || !self.io(directory.try_lock(Lock::Shared))? {
            return Err(self.locked(directory));
        }
        Ok(false)
    }

    /// Whether the directory that was locked is still the one of this path.
    fn is_here(&self, directory: Identity) -> Result<bool, RunpathError> {
        match Identity::at(self.path) {
            Ok(identity) => Ok(identity == directory),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.failed("read the directory", error)),
        }
    }

    fn empty(&self, directory: &Directory, again: Option<&str>) -> Result<(), RunpathError> {
        directory
            .empty_but(marker::NAME, again)
            .map_err(|(below, source)| RunpathError::Directory {
                entity: self.entity.to_string(),
                action: "empty the directory",
                path: join(self.path, &below),
                source,
            })
    }

    fn io<T>(&self, result: io::Result<T>) -> Result<T, RunpathError> {
        result.map_err(|source| self.failed("use the directory", source))
    }

    fn failed(&self, action: &'static str, source: io::Error) -> RunpathError {
        RunpathError::Directory {
            entity: self.entity.to_string(),
            action,
            path: self.path.to_owned(),
            source,
        }
    }

    /// Why the directory is not emptied, no matter who made or uses it.
    pub(crate) fn precious(&self) -> Option<RunpathError> {
        precious(self.path).map(|what| RunpathError::Precious {
            entity: self.entity.to_string(),
            path: self.path.to_owned(),
            what,
        })
    }

    fn foreign(&self, found: Vec<std::ffi::OsString>) -> RunpathError {
        if let Some(refused) = self.precious() {
            return refused;
        }
        RunpathError::Foreign {
            entity: self.entity.to_string(),
            path: self.path.to_owned(),
            found: found
                .into_iter()
                .map(|name| name.to_string_lossy().into_owned())
                .collect(),
        }
    }

    fn locked(&self, directory: &Directory) -> RunpathError {
        RunpathError::Locked {
            entity: self.entity.to_string(),
            path: self.path.to_owned(),
            holder: marker::holder(directory),
        }
    }

    fn replaced(&self) -> RunpathError {
        RunpathError::Replaced {
            entity: self.entity.to_string(),
            path: self.path.to_owned(),
        }
    }
}

/// Without a slash at the end when there is nothing below.
fn join(path: &Path, below: &Path) -> PathBuf {
    if below.as_os_str().is_empty() {
        path.to_owned()
    } else {
        path.join(below)
    }
}

/// Why a directory is not emptied, no matter who made it.
fn precious(real: &Path) -> Option<&'static str> {
    if real.parent().is_none() {
        return Some("the root of the file system");
    }
    let is_at_or_above = |path: Option<PathBuf>| path.is_some_and(|path| path.starts_with(real));
    if is_at_or_above(sys::current_directory()) {
        return Some("the current directory, or above it");
    }
    let home = std::env::var_os("HOME").and_then(|path| PathBuf::from(path).canonicalize().ok());
    if is_at_or_above(home) {
        return Some("the home directory, or above it");
    }
    None
}
