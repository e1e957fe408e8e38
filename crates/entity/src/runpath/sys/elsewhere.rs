use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Files, Lock};

/// When it was made: the most that distinguishes directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Identity(Option<SystemTime>);

impl Identity {
    pub(in super::super) fn at(path: &Path) -> io::Result<Self> {
        Ok(Self(fs::symlink_metadata(path)?.created().ok()))
    }
}

/// The canonical name of the current directory.
pub(in super::super) fn current_directory() -> Option<PathBuf> {
    std::env::current_dir().ok()?.canonicalize().ok()
}

#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
}

impl Directory {
    pub(in super::super) fn open(path: &Path) -> io::Result<Self> {
        if !fs::symlink_metadata(path)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let path = path.to_owned();
        Ok(Self { path })
    }

    pub(in super::super) fn identity(&self) -> io::Result<Identity> {
        Identity::at(&self.path)
    }

    pub(in super::super) fn names(&self) -> io::Result<Vec<OsString>> {
        let entries = fs::read_dir(&self.path)?;
        let mut names = entries
            .map(|entry| Ok(entry?.file_name()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    pub(in super::super) fn empty_but(
        &self,
        kept: &str,
        _again: Option<&str>,
    ) -> Result<(), (PathBuf, io::Error)> {
        let here = |error| (PathBuf::new(), error);
        for name in self.names().map_err(here)? {
            if name == kept {
                continue;
            }
            let path = self.path.join(&name);
            let removed = match fs::symlink_metadata(&path) {
                Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(&path),
                Ok(_) => fs::remove_file(&path),
                Err(error) => Err(error),
            };
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err((PathBuf::from(name), error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(in super::super) fn tidy_but(&self, kept: &str) -> io::Result<Files> {
        let mut files = Files::default();
        tidy(&self.path, Some(kept), &mut files)?;
        Ok(files)
    }

    pub(in super::super) fn has_files_but(&self, kept: &str) -> io::Result<bool> {
        has_files(&self.path, Some(kept))
    }

    pub(in super::super) fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let path = self.path.join(name);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() => fs::read(path).map(Some),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(in super::super) fn write(
        &self,
        name: &str,
        content: &[u8],
        append: bool,
    ) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.create(true).append(append).truncate(false);
        let mut file = options.write(true).open(self.path.join(name))?;
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
        match fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    pub(in super::super) fn try_lock(&mut self, _lock: Lock) -> io::Result<bool> {
        Ok(true)
    }
}

fn tidy(path: &Path, kept: Option<&str>, files: &mut Files) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if kept.is_some_and(|kept| entry.file_name() == kept) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            tidy(&entry.path(), None, files)?;
            // What is not empty stays.
            let _ = fs::remove_dir(entry.path());
            continue;
        }
        files.any = true;
        files.any_content |= entry.metadata().is_ok_and(|metadata| metadata.len() > 0);
    }
    Ok(())
}

fn has_files(path: &Path, kept: Option<&str>) -> io::Result<bool> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if kept.is_some_and(|kept| entry.file_name() == kept) {
            continue;
        }
        if !entry.file_type()?.is_dir() || has_files(&entry.path(), None)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Temporary directories belong to their users here.
pub(in super::super) fn create_private(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

pub(in super::super) fn create_one(path: &Path) -> io::Result<bool> {
    match fs::create_dir(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

pub(in super::super) fn why_not_private(
    path: &Path,
    _trusted: Option<&Path>,
) -> io::Result<Option<String>> {
    let is_dir = fs::symlink_metadata(path)?.is_dir();
    Ok((!is_dir).then(|| "it is not a directory".to_owned()))
}

pub(in super::super) fn is_writable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.permissions().readonly())
}

pub(in super::super) fn user() -> String {
    std::env::var("USERNAME").unwrap_or_else(|_| "user".to_owned())
}

/// Not known here, so that nothing of a process that may run is removed.
pub(in super::super) fn is_alive(_process: u32) -> bool {
    true
}
