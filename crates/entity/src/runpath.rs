//! Where entities keep their files.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;
use miette::Diagnostic;
use thiserror::Error;

use crate::entity::{Entity, WeakEntity, is_at_or_above};
use crate::slug::slugify;

/// Why a runpath could not be had.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum RunpathError {
    /// The directory of all runpaths without another place cannot be told.
    #[error("cannot tell where the default root of runpaths {} is", path.display())]
    #[diagnostic(
        code(standin::entity::runpath_root),
        help("set `runpath`, or set TMPDIR to an absolute path")
    )]
    Root {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A directory of the runpath could not be made or emptied.
    #[error("{entity} cannot {action} {}", path.display())]
    #[diagnostic(
        code(standin::entity::runpath_dirs),
        help("check who owns {}, or set `runpath` to another directory", path.display())
    )]
    Directory {
        /// Whose runpath it is.
        entity: String,
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something that is no directory is in its place, and `path_cleanup` is off.
    #[error("{entity} cannot use {} as a directory: it is a file", path.display())]
    #[diagnostic(
        code(standin::entity::runpath_is_file),
        help("remove the file, set `path_cleanup` to have it removed, or set another `runpath`")
    )]
    NotADirectory {
        /// Whose runpath it is.
        entity: String,
        /// The file.
        path: PathBuf,
    },
    /// Cleaning up would delete what no test should.
    #[error("{entity} does not empty {}: it is {what}", path.display())]
    #[diagnostic(
        code(standin::entity::runpath_precious),
        help("set `runpath` to a directory of its own, or switch `path_cleanup` off")
    )]
    Precious {
        /// Whose runpath it is.
        entity: String,
        /// The directory.
        path: PathBuf,
        /// Why not.
        what: &'static str,
    },
    /// Cleaning up would delete the files of another entity that is running.
    #[error("{entity} does not empty {}: {other} is using it", path.display())]
    #[diagnostic(
        code(standin::entity::runpath_shared),
        help(
            "give {entity} and {other} a `runpath` each, or switch `path_cleanup` off to share one"
        )
    )]
    Shared {
        /// Whose runpath it was to be.
        entity: String,
        /// Who has it.
        other: String,
        /// The directory.
        path: PathBuf,
    },
}

standin_error::reportable!(RunpathError);

/// The directory below which entities without an explicit runpath and without
/// a parent keep their files: `/var/tmp`, or the temporary directory where
/// there is none, then the user's name, `standin`, and a directory of this
/// process alone, named after the time and the process.
///
/// A directory for each process, because test programs run side by side and
/// use the same names. It is made when the first runpath in it is.
///
/// # Errors
///
/// [`RunpathError::Root`] when the temporary directory is a relative path and
/// there is no current directory.
pub fn default_root() -> Result<PathBuf, RunpathError> {
    static PROCESS: OnceLock<String> = OnceLock::new();
    let process = PROCESS.get_or_init(|| {
        let started = Timestamp::now().strftime("%Y%m%dT%H%M%S%3f");
        format!("{started}-{}", std::process::id())
    });
    let path = common_root().join(user()).join("standin").join(process);
    std::path::absolute(&path).map_err(|source| RunpathError::Root { path, source })
}

fn common_root() -> PathBuf {
    let var_tmp = Path::new("/var/tmp");
    if cfg!(unix) && var_tmp.is_dir() {
        var_tmp.to_owned()
    } else {
        std::env::temp_dir()
    }
}

fn user() -> String {
    ["LOGNAME", "USER", "LNAME", "USERNAME"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .chain(account())
        .map(|name| slugify(&name))
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| "nobody".to_owned())
}

/// The name of the account that this process runs under, else its number.
#[cfg(target_os = "linux")]
fn account() -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let number = fs::metadata("/proc/self").ok()?.uid().to_string();
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1) == Some(&*number)).then(|| name.to_owned())
    });
    Some(named.unwrap_or(number))
}

#[cfg(not(target_os = "linux"))]
fn account() -> Option<String> {
    None
}

/// Which live entity has which runpath, in this process.
#[derive(Default)]
pub(crate) struct Claims {
    owners: Mutex<BTreeMap<Key, Vec<WeakEntity>>>,
}

impl Claims {
    pub(crate) fn global() -> &'static Self {
        static CLAIMS: OnceLock<Claims> = OnceLock::new();
        CLAIMS.get_or_init(Self::default)
    }

    /// Notes that `entity` has `path`, be it alone or not.
    pub(crate) fn claim(&self, path: &Path, entity: &Entity) {
        let mut owners = self.owners();
        let here = owners.entry(key(path)).or_default();
        if !here.iter().any(|owner| owner.is(entity)) {
            here.push(entity.downgrade());
        }
    }

    /// A path below `root` that is named after `entity` and that no other live
    /// entity has.
    ///
    /// With `is_ours` the root belongs to this process alone, so that what is
    /// there already is the evidence of an entity that has gone: it stays.
    pub(crate) fn claim_below(&self, root: &Path, is_ours: bool, entity: &Entity) -> PathBuf {
        let slug = match slugify(entity.uid()) {
            empty if empty.is_empty() => "unnamed".to_owned(),
            slug => slug,
        };
        let mut owners = self.owners();
        let mut path = root.join(&slug);
        let mut attempt = 2u64;
        loop {
            let here = owners.entry(key(&path)).or_default();
            here.retain(WeakEntity::is_alive);
            // The first claim has the path; an explicit one may come to it later.
            match here.first() {
                None if !(is_ours && path.exists()) => {
                    here.push(entity.downgrade());
                    return path;
                }
                Some(owner) if owner.is(entity) => return path,
                _ => path = root.join(format!("{slug}-{attempt}")),
            }
            attempt += 1;
        }
    }

    /// `entity` has gone elsewhere.
    pub(crate) fn release(&self, path: &Path, entity: &Entity) {
        self.retain(path, |owner| owner.is_alive() && !owner.is(entity));
    }

    /// An entity that had `path` is gone.
    pub(crate) fn forget(&self, path: &Path) {
        self.retain(path, WeakEntity::is_alive);
    }

    fn retain(&self, path: &Path, keep: impl FnMut(&WeakEntity) -> bool) {
        let mut owners = self.owners();
        let path = &key(path);
        if let Some(here) = owners.get_mut(path) {
            here.retain(keep);
            if here.is_empty() {
                owners.remove(path);
            }
        }
    }

    /// An error when another entity is using `path` or something in it.
    fn refuse_if_used(&self, path: &Path, entity: &Entity) -> Result<(), RunpathError> {
        let key = key(path);
        // A handle must not be dropped under the lock: the last one forgets its claim.
        let others: Vec<Entity> = self
            .owners()
            .range(key.clone()..)
            .take_while(|(claimed, _)| claimed.starts_with(&key))
            .flat_map(|(_, owners)| owners)
            .filter(|owner| !owner.is(entity))
            .filter_map(WeakEntity::upgrade)
            .collect();
        match others.iter().find(|other| other.uses_runpath()) {
            Some(other) => Err(RunpathError::Shared {
                entity: entity.to_string(),
                other: other.to_string(),
                path: absolute(path).components().collect(),
            }),
            None => Ok(()),
        }
    }

    fn owners(&self) -> MutexGuard<'_, BTreeMap<Key, Vec<WeakEntity>>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A path with a zero byte after each component: its key begins the keys of all
/// that is below a directory. Bytes are compared faster than components.
type Key = Vec<u8>;

/// The same for one directory however it is written: relative or not, with a
/// slash at its end or not.
fn key(path: &Path) -> Key {
    let path = absolute(path);
    let mut key = Vec::with_capacity(path.as_os_str().len() + 1);
    for component in path.components() {
        key.extend_from_slice(component.as_os_str().as_encoded_bytes());
        key.push(0);
    }
    key
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Makes the directories, emptied when `cleanup`.
pub(crate) fn make(
    entity: &Entity,
    runpath: &Path,
    scratch: &Path,
    cleanup: bool,
) -> Result<(), RunpathError> {
    // What is there is looked at only when something is: most runpaths are new.
    let is_new = create(entity, runpath, cleanup)?;
    if !is_new && cleanup {
        Claims::global().refuse_if_used(runpath, entity)?;
        empty(entity, runpath)?;
    }
    create(entity, scratch, cleanup)?;
    Ok(())
}

/// Removes the runpath and all that is in it, and the directory of this
/// process if that was the last.
pub(crate) fn remove(entity: &Entity, runpath: &Path) -> Result<(), RunpathError> {
    Claims::global().refuse_if_used(runpath, entity)?;
    let is_link = fs::symlink_metadata(runpath).is_ok_and(|link| link.is_symlink());
    if runpath.is_dir() {
        empty(entity, runpath)?;
    }
    let removed = if is_link {
        fs::remove_file(runpath)
    } else {
        fs::remove_dir(runpath)
    };
    match removed {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            return Err(RunpathError::Directory {
                entity: entity.to_string(),
                action: "remove the directory",
                path: runpath.to_owned(),
                source,
            });
        }
        _ => {}
    }
    // Others may still be in it.
    if let (Some(parent), Ok(root)) = (runpath.parent(), default_root())
        && parent == root
    {
        let _ = fs::remove_dir(root);
    }
    Ok(())
}

/// Makes a directory and its parents; answers whether it was not there before.
fn create(entity: &Entity, path: &Path, cleanup: bool) -> Result<bool, RunpathError> {
    let failed = |action, source| RunpathError::Directory {
        entity: entity.to_string(),
        action,
        path: path.to_owned(),
        source,
    };
    let error = match fs::create_dir(path) {
        Ok(()) => return Ok(true),
        Err(error) => error,
    };
    match error.kind() {
        io::ErrorKind::NotFound => {
            create_all(path).map_err(|source| failed("make the directory", source))?;
            Ok(true)
        }
        io::ErrorKind::AlreadyExists if path.is_dir() => Ok(false),
        io::ErrorKind::AlreadyExists if cleanup => {
            fs::remove_file(path).map_err(|source| failed("remove the file", source))?;
            fs::create_dir(path).map_err(|source| failed("make the directory", source))?;
            Ok(true)
        }
        io::ErrorKind::AlreadyExists => Err(RunpathError::NotADirectory {
            entity: entity.to_string(),
            path: path.to_owned(),
        }),
        _ => Err(failed("make the directory", error)),
    }
}

/// Another entity that goes may remove an empty parent just when it was made.
fn create_all(path: &Path) -> io::Result<()> {
    const ATTEMPTS: u32 = 16;
    for _ in 1..ATTEMPTS {
        match fs::create_dir_all(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
    }
    fs::create_dir_all(path)
}

/// Deletes what is in a directory. A symbolic link to one is followed, those
/// inside it are not.
fn empty(entity: &Entity, path: &Path) -> Result<(), RunpathError> {
    let failed = |path: &Path, source| RunpathError::Directory {
        entity: entity.to_string(),
        action: "empty the directory",
        path: path.to_owned(),
        source,
    };
    let real = fs::canonicalize(path).map_err(|source| failed(path, source))?;
    if let Some(what) = precious(&real) {
        return Err(RunpathError::Precious {
            entity: entity.to_string(),
            path: path.to_owned(),
            what,
        });
    }
    for entry in fs::read_dir(&real).map_err(|source| failed(path, source))? {
        let entry = entry.map_err(|source| failed(path, source))?;
        let inner = entry.path();
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let removed = if is_dir {
            fs::remove_dir_all(&inner)
        } else {
            fs::remove_file(&inner)
        };
        match removed {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(failed(&inner, source));
            }
            _ => {}
        }
    }
    Ok(())
}

fn precious(real: &Path) -> Option<&'static str> {
    if real.parent().is_none() {
        return Some("the root of the file system");
    }
    let of = |path: Option<PathBuf>| path.and_then(|path| fs::canonicalize(path).ok());
    if of(std::env::current_dir().ok()).is_some_and(|current| is_at_or_above(real, &current)) {
        return Some("the current directory, or above it");
    }
    if of(std::env::var_os("HOME").map(PathBuf::from))
        .is_some_and(|home| is_at_or_above(real, &home))
    {
        return Some("the home directory, or above it");
    }
    None
}
