//! Where a runpath is, and what keeps others from emptying it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::directory::Made;
use super::run::RunUse;
use super::sys::Directory;
use super::{RunpathError, identity};

/// Where a directory is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    /// As it was written, and absolute: what users read.
    pub(crate) path: PathBuf,
    /// Its canonical name: what is checked and acted on.
    pub(crate) real: PathBuf,
}

impl Location {
    /// Of a path that a user wrote.
    pub(crate) fn of(entity: &dyn fmt::Display, path: PathBuf) -> Result<Self, RunpathError> {
        check_utf8(entity, &path)?;
        let absolute = std::path::absolute(&path);
        match absolute.and_then(|path| Ok((identity::canonical(&path)?, path))) {
            Ok((real, path)) => Ok(Self { path, real }),
            Err(source) => Err(RunpathError::Directory {
                entity: entity.to_string(),
                action: "find",
                path,
                source,
            }),
        }
    }

    /// Of a path that is canonical except for links that were put there: these are refused.
    pub(crate) fn of_canonical(
        entity: &dyn fmt::Display,
        path: PathBuf,
    ) -> Result<Self, RunpathError> {
        check_utf8(entity, &path)?;
        let real = path.clone();
        Ok(Self { path, real })
    }

    pub(crate) fn below(&self, name: &str) -> Self {
        Self {
            path: self.path.join(name),
            real: self.real.join(name),
        }
    }
}

fn check_utf8(entity: &dyn fmt::Display, path: &Path) -> Result<(), RunpathError> {
    match path.to_str() {
        Some(_) => Ok(()),
        None => Err(RunpathError::NotUtf8 {
            entity: entity.to_string(),
            path: path.to_owned(),
        }),
    }
}

/// A runpath, and what keeps others from emptying it while it is used.
#[derive(Debug)]
pub(crate) struct Runpath {
    pub(crate) location: Location,
    /// Whether a user wrote the path, rather than leaving the choice to standin.
    pub(crate) is_chosen: bool,
    /// What the directory was when it was made the last time.
    pub(crate) made: Option<Made>,
    pub(crate) held: Option<Held>,
}

/// While there is one, the directory is in use.
#[derive(Debug)]
pub(crate) struct Held {
    /// Of the directory, and of those above it that have a marker.
    pub(crate) locks: Vec<Directory>,
    pub(crate) run: Option<RunUse>,
}

impl Runpath {
    pub(crate) fn new(location: Location, is_chosen: bool) -> Self {
        Self {
            location,
            is_chosen,
            made: None,
            held: None,
        }
    }

    /// Where it is, and what it was when it was made.
    pub(crate) fn state(&mut self) -> (Location, Option<Made>) {
        (self.location.clone(), self.made)
    }

    /// Whether `real` is in this directory, which is in use and standin's own.
    pub(crate) fn covers(&self, real: &Path) -> bool {
        self.held.is_some()
            && self.made.is_some_and(|made| made.is_ours)
            && real != self.location.real
            && real.starts_with(&self.location.real)
    }
}
