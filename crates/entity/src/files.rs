//! The files of an entity: its runpath.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::entity::Entity;
use crate::runpath::{
    Claims, Held, Holder, Location, RunUse, Runpath, RunpathError, SCRATCH, Subject, Use,
    default_root,
};

impl Entity {
    /// Decides on the runpath, makes nothing, and answers with it, as an absolute
    /// path.
    ///
    /// 1. `explicit`, when it is given and not empty;
    /// 2. else the parent's runpath, if it has one, and below it the
    ///    [slug](crate::slugify) of the uid;
    /// 3. else [`default_root`](crate::default_root) and below it the slug.
    ///
    /// An empty slug becomes `unnamed`. A slug that another live entity uses in the same directory
    /// gets `-2`, `-3`, ..., and in the default root so does one for which an earlier entity has
    /// left files. An explicit runpath is used as it is; a relative one starts at the current
    /// directory. The result stays the same until the explicit path or the parent's runpath
    /// changes.
    ///
    /// # Errors
    ///
    /// Returns an error if the default root cannot be determined, or if the path
    /// is not valid UTF-8 or cannot be made absolute.
    pub fn define_runpath(&self, explicit: Option<PathBuf>) -> Result<PathBuf, RunpathError> {
        let explicit = explicit.filter(|path| !path.as_os_str().is_empty());
        let is_chosen = explicit.is_some();
        let location = self.claim_location(explicit)?;
        let path = location.path.clone();
        let former = {
            let mut place = self.place();
            match &mut place.runpath {
                // What is known of the directory stays known.
                Some(former) if former.location == location => {
                    former.is_chosen = is_chosen;
                    return Ok(path);
                }
                _ => {}
            }
            place.scratch = None;
            let runpath = Runpath::new(location.clone(), is_chosen);
            place.runpath.replace(runpath)
        };
        self.holder().set_use(Use::Free);
        let former = former.map(|former| former.location.real);
        if let Some(former) = former.filter(|former| *former != location.real) {
            Claims::global().release(&former, self.holder());
        }
        Ok(path)
    }

    /// Decides where the runpath is, and claims it.
    fn claim_location(&self, explicit: Option<PathBuf>) -> Result<Location, RunpathError> {
        let claims = Claims::global();
        if let Some(path) = explicit {
            let location = Location::of(self, path)?;
            claims.claim(&location.real, self.holder());
            return Ok(location);
        }
        let around = self.parent().and_then(|parent| {
            let place = parent.place();
            let runpath = place.runpath.as_ref();
            runpath.map(|runpath| runpath.location.clone())
        });
        let (root, is_ours) = match around {
            Some(around) => (around, false),
            None => (Location::of_canonical(self, default_root()?)?, true),
        };
        Ok(claims.claim_below(&root, is_ours, self.holder()))
    }

    /// Makes the directories of the runpath (defined before, or now with no
    /// explicit path) and of the scratch below it, and keeps others from emptying
    /// them until [`release_runpath`](Entity::release_runpath), which the end of a
    /// stop does: other entities, and other processes.
    ///
    /// With `cleanup` the previous content is removed, if allowed: standin empties a directory only
    /// if it created it, found it empty or has left its marker file `.standin` in it. If the
    /// runpath is a link, its target is emptied; links in it are not followed. Without `cleanup`
    /// the content stays. Nothing is emptied while the entity is using its runpath.
    ///
    /// # Errors
    ///
    /// Returns an error if the file system refuses; if something that is not a
    /// directory is in its place; if another process is using the directory; or
    /// if `cleanup` would empty what standin did not make, what another entity is
    /// using, or the root, the home or the current directory.
    pub fn make_runpath_dirs(&self, cleanup: bool) -> Result<PathBuf, RunpathError> {
        if self.runpath().is_none() {
            self.define_runpath(None)?;
        }
        let Some((location, made)) = self.with_runpath(Runpath::state) else {
            // It has left its parent meanwhile.
            return self.define_runpath(None);
        };
        let subject = Subject {
            entity: self,
            path: &location.real,
            made,
        };
        let scratch = location.below(SCRATCH);
        if self.holder().usage() == Use::Used {
            subject.create_all(&scratch.real)?;
        } else {
            let cover = Cover::of(self, &location.real)?;
            let begun = Claims::global()
                .begin(
                    self.holder(),
                    &self.holders_around(),
                    &location.real,
                    cleanup,
                    cover.path(),
                )
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
            self.with_runpath(|runpath| {
                runpath.made = Some(made);
                runpath.held = Some(Held { locks, run });
            });
            begun.keep();
        }
        self.place().scratch = Some(scratch.path);
        tracing::debug!(entity = %self, runpath = %location.path.display(), "made the runpath");
        Ok(location.path)
    }

    /// Removes the runpath with its content, for callers that no longer need the files. If it is a
    /// link, its target is removed, and the link stays. Without a runpath it does nothing.
    ///
    /// # Errors
    ///
    /// Returns an error as [`make_runpath_dirs`](Entity::make_runpath_dirs) does,
    /// and if something else was put in the place of the directory; nothing is
    /// removed then.
    pub fn remove_runpath(&self) -> Result<(), RunpathError> {
        self.clear_runpath(|subject| subject.remove().map(|()| false))
            .map(drop)
    }

    /// Ends the use of the runpath, and removes what is empty in it: directories
    /// without files, and the runpath itself when that leaves nothing in it. Answers
    /// whether files are left.
    ///
    /// With `content_only` the runpath also goes when all files in it are empty.
    ///
    /// # Errors
    ///
    /// Returns an error as [`remove_runpath`](Entity::remove_runpath) does.
    pub fn tidy_runpath(&self, content_only: bool) -> Result<bool, RunpathError> {
        self.clear_runpath(|subject| subject.tidy(content_only))
    }

    /// Ends the use of the directory, and lets `work` remove it while nobody else
    /// uses it. Returns whether it is still there.
    fn clear_runpath(
        &self,
        work: impl FnOnce(Subject<'_>) -> Result<bool, RunpathError>,
    ) -> Result<bool, RunpathError> {
        let Some((location, made)) = self.with_runpath(Runpath::state) else {
            return Ok(false);
        };
        let begun = Claims::global().begin(
            self.holder(),
            &self.holders_around(),
            &location.real,
            true,
            None,
        )?;
        let held = self.with_runpath(|runpath| runpath.held.take()).flatten();
        // Our own lock would be in the way.
        let run = held.and_then(|Held { locks, run }| {
            drop(locks);
            run
        });
        let run = run.or_else(|| RunUse::return_to(&location.real));
        let is_left = work(Subject {
            entity: self,
            path: &location.real,
            made,
        })?;
        if !is_left {
            self.with_runpath(|runpath| runpath.made = None);
            self.place().scratch = None;
        }
        drop(run);
        drop(begun);
        Ok(is_left)
    }

    /// Returns where this entity keeps its files; `None` before it is defined.
    #[must_use]
    pub fn runpath(&self) -> Option<PathBuf> {
        self.with_runpath(|runpath| runpath.location.path.clone())
    }

    /// Returns whether the runpath is an explicit one, which is not standin's to remove when a test
    /// is done. Not before it is defined.
    #[must_use]
    pub fn has_chosen_runpath(&self) -> bool {
        self.with_runpath(|runpath| runpath.is_chosen) == Some(true)
    }

    /// Returns the temporary part of the runpath; `None` before it is made.
    #[must_use]
    pub fn scratch(&self) -> Option<PathBuf> {
        self.place().scratch.clone()
    }

    /// Marks the runpath as no longer in use, so that another entity may use it. The end of a stop
    /// does that.
    pub fn release_runpath(&self) {
        // Not under the lock of the entity, and before anybody else is let in.
        drop(self.with_runpath(|runpath| runpath.held.take()));
        self.holder().set_use(Use::Free);
    }

    /// Reads or changes what is known of the runpath, if it is defined.
    fn with_runpath<T>(&self, work: impl FnOnce(&mut Runpath) -> T) -> Option<T> {
        self.place().runpath.as_mut().map(work)
    }

    /// What it belongs to may have files around its own.
    fn holders_around(&self) -> Vec<Arc<Holder>> {
        self.ancestors()
            .map(|ancestor| ancestor.holder().clone())
            .collect()
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
            let covers =
                |runpath: &mut Runpath| runpath.covers(real).then(|| runpath.location.real.clone());
            ancestor.with_runpath(covers).flatten()
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
