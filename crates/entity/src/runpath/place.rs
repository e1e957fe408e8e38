//! The runpath of one entity.

use std::path::{Path, PathBuf};

use super::claims::Claims;
use super::directory::{Made, Subject};
use super::run::RunUse;
use super::sys::Directory;
use super::{RunpathError, default_root, identity};
use crate::entity::{Entity, Use};

/// Where a directory is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    /// As it was written, and absolute: what users read.
    pub(crate) path: PathBuf,
    /// Its canonical name: what is checked and acted on.
    pub(crate) real: PathBuf,
}

impl Location {
    pub(crate) fn below(&self, name: &str) -> Self {
        Self {
            path: self.path.join(name),
            real: self.real.join(name),
        }
    }
}

/// A runpath, and what keeps others from emptying it while it is used.
#[derive(Debug)]
pub(crate) struct Runpath {
    pub(crate) location: Location,
    /// What the directory was when it was made the last time.
    made: Option<Made>,
    held: Option<Held>,
}

/// While there is one, the directory is in use.
#[derive(Debug)]
pub(crate) struct Held {
    /// Of the directory, and of those above it that have a marker.
    locks: Vec<Directory>,
    run: Option<RunUse>,
}

impl Runpath {
    /// Decides where the runpath of `entity` is, and claims it.
    pub(crate) fn define(entity: &Entity, explicit: Option<PathBuf>) -> Result<Self, RunpathError> {
        let claims = Claims::global();
        let location = match explicit.filter(|path| !path.as_os_str().is_empty()) {
            Some(path) => {
                let location = locate(entity, path)?;
                claims.claim(&location.real, entity);
                location
            }
            None => match entity.parent().and_then(|parent| parent.location()) {
                Some(root) => claims.claim_below(&root, false, entity),
                None => {
                    // Canonical but for links that somebody put there: these are refused.
                    let path = default_root()?;
                    check_utf8(entity, &path)?;
                    let real = path.clone();
                    claims.claim_below(&Location { path, real }, true, entity)
                }
            },
        };
        Ok(Self {
            location,
            made: None,
            held: None,
        })
    }

    /// Makes the directory and the scratch in it, emptied when `cleanup`, and
    /// keeps others away from it.
    pub(crate) fn make(entity: &Entity, cleanup: bool) -> Result<(), RunpathError> {
        let Some((location, made)) = entity.with_runpath(Self::state) else {
            return Ok(());
        };
        let subject = Subject {
            entity,
            path: &location.real,
            made,
        };
        let scratch = location.below("scratch");
        if entity.usage() == Use::Used {
            subject.create_all(&scratch.real)?;
            entity.set_scratch(scratch.path);
            return Ok(());
        }
        let cover = Cover::of(entity, &location.real)?;
        let begun = Claims::global()
            .begin(entity, &location.real, cleanup, cover.path())
            // Who is using it does not matter where nobody may empty it.
            .map_err(|shared| {
                if cleanup {
                    subject.precious().unwrap_or(shared)
                } else {
                    shared
                }
            })?;
        let (made, locks) = subject.take(cleanup, cover.path().is_some())?;
        subject.create_all(&scratch.real)?;
        let run = match cover {
            Cover::Run(run) => Some(run),
            Cover::Nothing | Cover::Entity(_) => None,
        };
        entity.with_runpath(|runpath| {
            runpath.made = Some(made);
            runpath.held = Some(Held { locks, run });
            Some(())
        });
        entity.set_scratch(scratch.path);
        begun.keep();
        Ok(())
    }

    /// Removes the directory with all that is in it.
    pub(crate) fn remove(entity: &Entity) -> Result<(), RunpathError> {
        Self::clear(entity, |subject| subject.remove().map(|()| false)).map(drop)
    }

    /// Removes what is empty, as [`Subject::tidy`] does.
    pub(crate) fn tidy(entity: &Entity, content_only: bool) -> Result<bool, RunpathError> {
        Self::clear(entity, |subject| subject.tidy(content_only))
    }

    /// Ends the use of the directory, and lets `work` remove it while nobody else
    /// uses it. Answers whether it is still there.
    fn clear(
        entity: &Entity,
        work: impl FnOnce(Subject<'_>) -> Result<bool, RunpathError>,
    ) -> Result<bool, RunpathError> {
        let Some((location, made)) = entity.with_runpath(Self::state) else {
            return Ok(false);
        };
        let begun = Claims::global().begin(entity, &location.real, true, None)?;
        let held = entity.with_runpath(|runpath| runpath.held.take());
        // Our own lock would be in the way.
        let run = held.and_then(|Held { locks, run }| {
            drop(locks);
            run
        });
        let run = run.or_else(|| RunUse::return_to(&location.real));
        let is_left = work(Subject {
            entity,
            path: &location.real,
            made,
        })?;
        if !is_left {
            entity.with_runpath(|runpath| {
                runpath.made = None;
                Some(())
            });
        }
        drop(run);
        drop(begun);
        Ok(is_left)
    }

    /// Ends the use of the directory.
    pub(crate) fn release(entity: &Entity) {
        // Not under the lock of the entity, and before anybody else is let in.
        drop(entity.with_runpath(|runpath| runpath.held.take()));
        entity.set_use(Use::Free);
    }

    fn state(&mut self) -> Option<(Location, Option<Made>)> {
        Some((self.location.clone(), self.made))
    }

    /// Whether `real` is in this directory, which is in use and standin's own.
    fn covers(&self, real: &Path) -> bool {
        self.held.is_some()
            && self.made.is_some_and(|made| made.is_ours)
            && real != self.location.real
            && real.starts_with(&self.location.real)
    }
}

/// What is around a runpath and keeps others away from it.
enum Cover {
    Nothing,
    /// The runpath of an entity that it belongs to.
    Entity(PathBuf),
    /// The directory of this process.
    Run(RunUse),
}

impl Cover {
    fn of(entity: &Entity, real: &Path) -> Result<Self, RunpathError> {
        let around = entity.ancestors().find_map(|ancestor| {
            ancestor.with_runpath(|runpath| {
                let covers = runpath.covers(real);
                covers.then(|| runpath.location.real.clone())
            })
        });
        Ok(match around {
            Some(around) => Self::Entity(around),
            None => RunUse::enter_around(real)?.map_or(Self::Nothing, Self::Run),
        })
    }

    fn path(&self) -> Option<&Path> {
        match self {
            Self::Nothing => None,
            Self::Entity(path) => Some(path),
            Self::Run(run) => Some(run.path()),
        }
    }
}

fn locate(entity: &Entity, path: PathBuf) -> Result<Location, RunpathError> {
    check_utf8(entity, &path)?;
    let absolute = std::path::absolute(&path);
    match absolute.and_then(|path| Ok((identity::canonical(&path)?, path))) {
        Ok((real, path)) => Ok(Location { path, real }),
        Err(source) => Err(RunpathError::Directory {
            entity: entity.to_string(),
            action: "find",
            path,
            source,
        }),
    }
}

fn check_utf8(entity: &Entity, path: &Path) -> Result<(), RunpathError> {
    match path.to_str() {
        Some(_) => Ok(()),
        None => Err(RunpathError::NotUtf8 {
            entity: entity.to_string(),
            path: path.to_owned(),
        }),
    }
}
