//! The directory of this process, where the files of entities without another place are.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, Once, OnceLock};
use std::time::SystemTime;

use standin_sync::Unpoisoned;

use super::RunpathError;
use super::marker;
use super::sys::{self, Directory, Identity, Lock};
use crate::slug::slugify;

/// How many earlier runs of a test program that left files keep them.
const KEPT_RUNS: usize = 3;

/// How often others may remove the directories above while this process makes its own.
const ATTEMPTS: u32 = 16;

/// Returns the directory below which entities without an explicit runpath and without a parent keep
/// their files: `standin/<test program>/<run>` below the target directory of cargo.
///
/// 1. The target directory is the one that the program itself is in, else the one
///    of the package that cargo says it runs (for tests in documentation).
/// 2. A program that is in none, or whose target directory cannot be written to,
///    has `standin-<user>` in its place: below TMPDIR if that is set, else below
///    `/var/tmp`, which is not emptied when the machine starts.
/// 3. `<run>` is named after the time and the process, because test programs run
///    side by side and use the same names.
///
/// It is made, for this user alone, when the first runpath in it is, and removed
/// when it is empty. What earlier runs of the same test program have left is
/// removed at that time, except for the latest three runs that left files; all
/// tests of one run of nextest count as one.
///
/// # Errors
///
/// Returns [`RunpathError::Root`] if there is neither a target directory nor an
/// absolute temporary one.
pub fn default_root() -> Result<PathBuf, RunpathError> {
    places().map(|places| places.run.clone())
}

/// The directories from the one that all test programs share down to this run's.
#[derive(Debug)]
struct Places {
    /// Who owns this may own the shared directory, too.
    trusted: Option<PathBuf>,
    shared: PathBuf,
    program: PathBuf,
    run: PathBuf,
}

/// The directory that all test programs share, made for this user alone.
pub(super) fn shared_root() -> Result<PathBuf, RunpathError> {
    let places = places()?;
    let made = sys::create_private(&places.shared);
    made.map_err(|source| RunpathError::Directory {
        entity: format!("process {}", std::process::id()),
        action: "make the directory",
        path: places.shared.clone(),
        source,
    })?;
    places.check_private()?;
    Ok(places.shared.clone())
}

/// What directories of this process are called.
pub(super) fn of_this_process() -> String {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| Name::of_this_run().to_string()).clone()
}

fn places() -> Result<&'static Places, RunpathError> {
    static PLACES: OnceLock<Places> = OnceLock::new();
    if let Some(places) = PLACES.get() {
        return Ok(places);
    }
    let (trusted, shared) = match target() {
        Some(target) => {
            let shared = target.join("standin");
            (Some(target), shared)
        }
        None => (None, temporary()?.join(format!("standin-{}", sys::user()))),
    };
    let program = shared.join(program());
    let run = program.join(of_this_process());
    Ok(PLACES.get_or_init(|| Places {
        trusted,
        shared,
        program,
        run,
    }))
}

/// The target directory that the program is in, or that cargo uses for it.
fn target() -> Option<PathBuf> {
    let of_program = std::env::current_exe().ok().and_then(|program| {
        let nearest = program.ancestors().skip(1).find(|path| is_target(path))?;
        // Programs for another platform than the host's are in a target directory of
        // their own in it.
        let outer = nearest.parent().filter(|path| is_target(path));
        Some(outer.unwrap_or(nearest).to_owned())
    });
    let of_package = || {
        let package = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR")?);
        let named = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        let above = package.ancestors().map(|path| path.join("target"));
        named.into_iter().chain(above).find(|path| is_target(path))
    };
    let target = of_program.or_else(of_package)?.canonicalize().ok()?;
    sys::is_writable(&target).then_some(target)
}

/// Whether cargo has marked it as such.
fn is_target(path: &Path) -> bool {
    let tag = path.is_absolute().then(|| path.join("CACHEDIR.TAG"));
    let text = tag.and_then(|tag| standin_error::read_file(&tag).ok());
    text.is_some_and(|text| String::from_utf8_lossy(&text).contains("cargo"))
}

fn temporary() -> Result<PathBuf, RunpathError> {
    let is_set = std::env::var_os("TMPDIR").is_some_and(|path| Path::new(&path).is_absolute());
    let var_tmp = Path::new("/var/tmp");
    let path = if cfg!(unix) && !is_set && var_tmp.is_dir() {
        var_tmp.to_owned()
    } else {
        std::env::temp_dir()
    };
    let absolute = std::path::absolute(&path);
    absolute
        .and_then(|path| super::identity::canonical(&path))
        .map_err(|source| RunpathError::Root { path, source })
}

/// The name of the program without what cargo adds to the names of tests.
pub(super) fn program() -> String {
    let program = std::env::current_exe().unwrap_or_default();
    let stem = program.file_stem().unwrap_or_default().to_string_lossy();
    let is_hash = |text: &str| text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let name = match stem.rsplit_once('-') {
        Some((name, hash)) if is_hash(hash) => name,
        _ => &stem,
    };
    match slugify(name) {
        empty if empty.is_empty() => "unnamed".to_owned(),
        slug => slug,
    }
}

/// The name of the directory of a run: `20260131T235959-4711`, and what distinguishes one
/// run of nextest from another, which has a process for each test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    started: String,
    process: u32,
    session: Option<String>,
}

impl Name {
    pub(super) fn of_this_run() -> Self {
        let session = std::env::var("NEXTEST_RUN_ID").ok().map(|id| {
            let letters = id.chars().filter(char::is_ascii_alphanumeric);
            letters.take(8).collect()
        });
        Self {
            started: compact(SystemTime::now()),
            process: std::process::id(),
            session: session.filter(|session: &String| !session.is_empty()),
        }
    }

    fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split('-');
        let started = parts.next().filter(|started| {
            started.len() == 15
                && started
                    .bytes()
                    .enumerate()
                    .all(|(index, byte)| match index {
                        8 => byte == b'T',
                        _ => byte.is_ascii_digit(),
                    })
        })?;
        let process = parts.next()?.parse().ok()?;
        let session = parts.next().map(str::to_owned);
        parts.next().is_none().then(|| Self {
            started: started.to_owned(),
            process,
            session,
        })
    }

    /// What all processes of one run have in common.
    fn session(&self) -> String {
        self.session.clone().unwrap_or_else(|| self.to_string())
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.started, self.process)?;
        match &self.session {
            Some(session) => write!(f, "-{session}"),
            None => Ok(()),
        }
    }
}

/// Who uses the directory of this process, and the lock that says so to others.
struct Run {
    users: usize,
    directory: Option<Directory>,
}

static RUN: Mutex<Run> = Mutex::new(Run {
    users: 0,
    directory: None,
});

/// A time of day without anything that names of directories lack: `20260131T235959`.
fn compact(time: SystemTime) -> String {
    let text = humantime::format_rfc3339_seconds(time).to_string();
    text.chars().filter(|c| !"-:Z".contains(*c)).collect()
}

fn run() -> MutexGuard<'static, Run> {
    RUN.lock().unpoisoned()
}

/// Keeps the directory of this process there. When the last one goes, the
/// directory goes, too, unless there are files in it.
#[derive(Debug)]
pub(crate) struct RunUse {
    places: &'static Places,
}

impl RunUse {
    /// For something in the directory of this process, which is made if need be;
    /// `None` for everything else.
    pub(crate) fn enter_around(real: &Path) -> Result<Option<Self>, RunpathError> {
        let Some(places) = places_around(real) else {
            return Ok(None);
        };
        let mut run = run();
        if run.directory.is_none() {
            run.directory = Some(places.make()?);
            static FIRST: Once = Once::new();
            FIRST.call_once(|| prune(&places.program, &Name::of_this_run()));
        }
        run.users += 1;
        Ok(Some(Self { places }))
    }

    /// The same, without making anything.
    pub(crate) fn return_to(real: &Path) -> Option<Self> {
        let places = places_around(real)?;
        run().users += 1;
        Some(Self { places })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.places.run
    }
}

fn places_around(real: &Path) -> Option<&'static Places> {
    let places = places().ok()?;
    (real.starts_with(&places.run) && real != places.run).then_some(places)
}

impl Drop for RunUse {
    fn drop(&mut self) {
        let mut run = run();
        run.users -= 1;
        if run.users > 0 {
            return;
        }
        // Not locked while nobody uses it: a handle that stays open looks like a leak.
        // The number in its name keeps others from removing what is in it.
        let directory = run.directory.take();
        let directory = directory.map_or_else(|| Directory::open(&self.places.run), Ok);
        if let Ok(directory) = directory
            && let Err(error) = self.places.remove_empty(&directory)
        {
            tracing::debug!(%error, "the directory of this process stays");
        }
    }
}

impl Places {
    /// Makes the directory of this process, and locks it.
    fn make(&self) -> Result<Directory, RunpathError> {
        let failed = |source| RunpathError::Directory {
            entity: format!("process {}", std::process::id()),
            action: "make the directory",
            path: self.run.clone(),
            source,
        };
        for _ in 0..ATTEMPTS {
            match self.try_make() {
                Ok(Some(directory)) => return Ok(directory),
                Ok(None) => {}
                // Another process that goes may remove what is above while it is empty.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    // Whose it is explains more than that it is forbidden.
                    self.check_private()?;
                    return Err(failed(error));
                }
            }
            self.check_private()?;
        }
        Err(failed(io::ErrorKind::NotFound.into()))
    }

    fn try_make(&self) -> io::Result<Option<Directory>> {
        sys::create_private(&self.shared)?;
        // Nothing is made in what is not private.
        if sys::why_not_private(&self.shared, self.trusted.as_deref())?.is_some() {
            return Ok(None);
        }
        sys::create_private(&self.run)?;
        let mut directory = Directory::open(&self.run)?;
        let is_locked = directory.try_lock(Lock::Exclusive)?;
        if !is_locked || Identity::at(&self.run)? != directory.identity()? {
            return Ok(None);
        }
        if let Err(error) = marker::write(&directory, &"the test program") {
            let removed = self.remove_empty(&directory);
            if let Err(error) = removed {
                tracing::debug!(%error, "the directory of this process stays");
            }
            return Err(error);
        }
        directory.try_lock(Lock::Shared)?;
        Ok(Some(directory))
    }

    fn check_private(&self) -> Result<(), RunpathError> {
        match sys::why_not_private(&self.shared, self.trusted.as_deref()) {
            Ok(Some(reason)) => Err(RunpathError::NotPrivate {
                path: self.shared.clone(),
                reason,
            }),
            // What cannot be looked at has said so already.
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// Removes the directory of this process if nothing is in it, and those above.
    fn remove_empty(&self, directory: &Directory) -> io::Result<()> {
        let names = directory.names()?;
        if names.iter().any(|name| name != marker::NAME) {
            return Ok(());
        }
        marker::remove(directory)?;
        std::fs::remove_dir(&self.run)?;
        // Others may still be in these.
        let _ = std::fs::remove_dir(&self.program);
        let _ = std::fs::remove_dir(&self.shared);
        Ok(())
    }
}

/// Removes what earlier runs have left in `folder`, except for the latest.
pub(super) fn prune(folder: &Path, this: &Name) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let names = entries.flatten().filter_map(|entry| {
        let parsed = Name::parse(entry.file_name().to_str()?)?;
        let changed = entry.metadata().and_then(|metadata| metadata.modified());
        Some((parsed, changed.ok()))
    });
    let mut names: Vec<(Name, Option<SystemTime>)> = names.collect();
    // Of those that began in the same second, numbers of processes do not show which was later.
    let when = |(name, changed): &(Name, Option<SystemTime>)| (name.started.clone(), *changed);
    names.sort_by_cached_key(|name| std::cmp::Reverse(when(name)));
    let mut kept: Vec<String> = Vec::new();
    let this_session = this.session();
    for (name, _) in names {
        let session = name.session();
        if session == this_session || sys::is_alive(name.process) {
            continue;
        }
        let path = folder.join(name.to_string());
        let removed = remove_old(&path, || {
            let is_kept = kept.contains(&session) || kept.len() < KEPT_RUNS;
            if is_kept && !kept.contains(&session) {
                kept.push(session.clone());
            }
            is_kept
        });
        if let Err(error) = removed {
            tracing::debug!(path = %path.display(), %error, "what an earlier run left stays");
        }
    }
}

/// Removes the directory of a run that is over, unless it has files and they are kept.
fn remove_old(path: &Path, keeps_files: impl FnOnce() -> bool) -> io::Result<()> {
    let mut directory = Directory::open(path)?;
    if !marker::is_in_or_was_to_be(&directory)? {
        return Ok(());
    }
    if !directory.try_lock(Lock::Exclusive)? {
        return Ok(());
    }
    if directory.has_files_but(marker::NAME)? && keeps_files() {
        return Ok(());
    }
    directory
        .empty_but(marker::NAME, None)
        .map_err(|(_, error)| error)?;
    marker::remove(&directory)?;
    std::fs::remove_dir(path)
}

/// Removes the [root](default_root) of a process that has ended, with all that is in it: for a
/// process that outlives another one, which could not do that itself. Returns whether it is gone.
/// What is not a root of standin's stays, and so does one that a process still uses.
///
/// # Errors
///
/// Returns an error if the system refuses to remove something.
pub fn remove_root(root: &Path) -> io::Result<bool> {
    let name = root.file_name().and_then(|name| name.to_str());
    if name.and_then(Name::parse).is_none() {
        return Ok(!root.exists());
    }
    match remove_old(root, || false) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let is_gone = !root.exists();
    let above: Vec<&Path> = root.ancestors().skip(1).take(2).collect();
    let name = above.last().and_then(|shared| shared.file_name()?.to_str());
    if is_gone && name.is_some_and(|name| name.starts_with("standin")) {
        // Others may still be in these.
        above
            .iter()
            .for_each(|above| drop(std::fs::remove_dir(above)));
    }
    Ok(is_gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_root_of_a_run_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("20260131T235959-4711");
        let other = folder.path().join("mine");
        for path in [&root, &other] {
            std::fs::create_dir_all(path.join("below")).unwrap();
            std::fs::write(path.join("file"), "x").unwrap();
        }
        // Neither has the marker.
        assert!(!remove_root(&root).unwrap());
        marker::write(&Directory::open(&root).unwrap(), &"a test").unwrap();
        marker::write(&Directory::open(&other).unwrap(), &"a test").unwrap();
        assert!(!remove_root(&other).unwrap());
        let mut used = Directory::open(&root).unwrap();
        assert!(used.try_lock(Lock::Shared).unwrap());
        assert!(!remove_root(&root).unwrap());
        drop(used);
        assert!(remove_root(&root).unwrap());
        assert!(remove_root(&root).unwrap());
        assert!(other.join("file").exists() && !root.exists());
        // Killed before it was marked, or out of space meanwhile; and what only looks like it.
        let cases = [
            ("", false, true),
            ("Sig", false, true),
            ("mine", false, false),
            ("", true, false),
        ];
        for (text, has_file, goes) in cases {
            std::fs::create_dir_all(&root).unwrap();
            std::fs::write(root.join(marker::NAME), text).unwrap();
            if has_file {
                std::fs::write(root.join("file"), "x").unwrap();
            }
            assert_eq!(remove_root(&root).unwrap(), goes);
        }
    }

    #[test]
    fn of_runs_of_one_second_the_latest_are_kept_whatever_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        // No process has such a number. They started in this order.
        let numbers = [
            4_999_998, 4_999_999, 9_000_000, 5_000_000, 5_000_001, 10_000_000,
        ];
        let runs = numbers.map(|number| folder.path().join(format!("20260131T235959-{number}")));
        for (index, run) in runs.iter().enumerate() {
            std::fs::create_dir(run).unwrap();
            std::fs::write(run.join("file"), "x").unwrap();
            marker::write(&Directory::open(run).unwrap(), &"a test").unwrap();
            let changed = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(index as u64);
            let directory = std::fs::File::open(run).unwrap();
            directory.set_modified(changed).unwrap();
        }
        prune(folder.path(), &Name::of_this_run());
        let there = runs.map(|run| run.exists());
        assert_eq!(there, [false, false, false, true, true, true]);
    }

    #[test]
    fn the_name_of_a_run_says_when_and_who_and_of_which_session() {
        for (name, session) in [
            ("20260131T235959-4711", "20260131T235959-4711"),
            ("20260131T235959-4711-0badcafe", "0badcafe"),
        ] {
            let parsed = Name::parse(name).unwrap();
            assert_eq!(
                (parsed.to_string(), parsed.process),
                (name.to_owned(), 4711)
            );
            assert_eq!(parsed.session(), session);
        }
        assert_eq!(
            Name::parse(&Name::of_this_run().to_string()),
            Some(Name::of_this_run())
        );
        for name in [
            "",
            "notes",
            "20260131T235959",
            "20260131T235959-x",
            "20260131-235959",
            "20260131T235959-1-a-b",
        ] {
            assert_eq!(Name::parse(name), None, "{name}");
        }
    }
}
