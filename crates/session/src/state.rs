//! Which environments are up: a directory of the user's with a file for each of them.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use indexmap::IndexMap;
use rustix::fs::{FlockOperation, flock};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use standin::Status;
use standin::config::nearest;
use standin::error::open_file;

use crate::ask::{NoAnswer, PATIENCE, ask};
use crate::{Graph, StateError};

/// How the names of the files end.
const SUFFIX: &str = ".jsonl";

/// How much of the name of an environment is in its id.
const LONGEST: usize = 64;

/// What a keeper is sent, by anybody who wants its end and as often as they want it.
pub(crate) const ASKS_FOR_THE_END: Signal = Signal::TERM;

/// The directory of the environments that are up, or on the way up or down.
///
/// It is `standin` in `XDG_RUNTIME_DIR`, or else `standin-up-<user>` below the directory for
/// temporary files, and no other user may enter it. The keeper of an environment makes the file of
/// the environment before it starts anything, and holds a lock on it, which the system releases
/// with its process, so that a file without a lock belongs to an environment that is gone.
///
/// A file has a line of JSON for each state of the environment, and the last whole one counts:
/// so it is never without one, whenever it is read, and even if the disk is full.
#[derive(Clone, Debug)]
pub struct StateDir {
    path: PathBuf,
}

/// An environment that was started with `standin up`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// By which it is known: the name of the environment and the number of its keeper.
    pub id: String,
    /// The name of the environment.
    pub environment: String,
    /// Its file.
    pub file: PathBuf,
    /// The number of the process that keeps it up.
    pub pid: u32,
    /// With whose end it ends, if with anybody's.
    pub parent: Option<u32>,
    /// Whether it is starting, up (`Started`) or stopping; `None` if nobody knows, because its file
    /// was damaged.
    pub status: Status,
    /// Since when.
    pub since: SystemTime,
    /// The variables for programs that use it, once it is up.
    pub variables: IndexMap<String, String>,
    /// Where its number is that of its process; `None` if nobody knows.
    pub(crate) numbers: Option<String>,
}

/// The file of an environment that this process keeps up. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Kept {
    path: PathBuf,
    file: File,
    entry: Entry,
}

/// An environment whose keeper was asked to take it down.
#[derive(Debug)]
#[must_use = "it goes down in its own time"]
pub struct Leaving {
    id: String,
    /// Its file, on which the keeper has a lock; `None` if it was gone already.
    file: Option<File>,
}

/// How an environment has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// The exit code of its keeper.
    pub code: u8,
    /// The error, as text.
    pub report: Option<String>,
}

impl StateDir {
    /// Opens the directory of this user, which is created if needed.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be created, or belongs to another user.
    pub fn open() -> Result<Self, StateError> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let path = match runtime.filter(|path| path.is_absolute() && path.is_dir()) {
            Some(runtime) => runtime.join("standin"),
            None => {
                let user = rustix::process::getuid().as_raw();
                std::env::temp_dir().join(format!("standin-up-{user}"))
            }
        };
        let failed = |source| StateError::Directory {
            path: path.clone(),
            source,
        };
        match fs::DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed(error));
            }
            _ => {}
        }
        // Not through a link that another user has put there.
        let found = fs::symlink_metadata(&path).map_err(failed)?;
        let is_ours = found.is_dir() && found.uid() == rustix::process::getuid().as_raw();
        if !is_ours || found.mode() & 0o022 != 0 {
            return Err(StateError::NotPrivate { path });
        }
        Ok(Self { path })
    }

    /// Returns the environments that are up, or on the way up or down, the oldest first. Files of
    /// those that are gone are removed.
    ///
    /// # Errors
    ///
    /// Returns an error if the directory or a file in it cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>, StateError> {
        let failed = |source| StateError::Directory {
            path: self.path.clone(),
            source,
        };
        let mut entries = Vec::new();
        for file in fs::read_dir(&self.path).map_err(failed)? {
            let path = file.map_err(failed)?.path();
            let id = path.file_name().and_then(|name| name.to_str());
            let Some(id) = id.and_then(|name| name.strip_suffix(SUFFIX)) else {
                continue;
            };
            let failed = |source| StateError::Directory {
                path: path.clone(),
                source,
            };
            // It may end at any time.
            let Some(file) = open(&path).map_err(failed)? else {
                continue;
            };
            if is_free(&file).map_err(failed)? {
                let _ = fs::remove_file(&path);
                let _ = fs::remove_file(self.socket(id));
            } else {
                let last = last_line(&file).map_err(failed)?;
                let read = last.and_then(|line| Entry::of_json(id, &line));
                entries.extend(read.or_else(|| Entry::of_id(id)));
            }
        }
        entries.sort_by_key(|entry| entry.since);
        Ok(entries)
    }

    /// Returns the environments that `wanted` names: one by its id or the number of its keeper, or
    /// all of a file. Without a name it is the only one that is up.
    ///
    /// # Errors
    ///
    /// Returns an error if there is none of that name, or, without a name, not exactly one.
    pub fn find(&self, wanted: Option<&OsStr>) -> Result<Vec<Entry>, StateError> {
        let mut entries = self.entries()?;
        let ids = |entries: &[Entry]| -> Vec<String> {
            entries.iter().map(|entry| entry.id.clone()).collect()
        };
        let Some(wanted) = wanted else {
            return match entries.len() {
                0 => Err(StateError::NothingUp),
                1 => Ok(entries),
                _ => Err(StateError::SeveralUp {
                    known: ids(&entries),
                }),
            };
        };
        let known = ids(&entries);
        // As the entries have it: a name need not be text.
        let file = fs::canonicalize(wanted).map(|file| file.display().to_string());
        entries.retain(|entry| {
            [&entry.id, &entry.environment, &entry.pid.to_string()]
                .iter()
                .any(|name| name.as_str() == wanted)
                || file
                    .as_ref()
                    .is_ok_and(|file| entry.file.as_os_str() == file.as_str())
        });
        if entries.is_empty() {
            let wanted = wanted.to_string_lossy().into_owned();
            return Err(StateError::NotUp {
                nearest: nearest(&wanted, known.iter().map(String::as_str)).map(str::to_owned),
                wanted,
                known,
            });
        }
        Ok(entries)
    }

    /// Asks the keeper of an environment to take it down, also while it starts or stops: it may be
    /// asked any number of times.
    ///
    /// # Errors
    ///
    /// Returns an error if the keeper cannot be asked.
    pub fn down(&self, entry: &Entry) -> Result<Leaving, StateError> {
        let failed = |source: io::Error| StateError::Down {
            id: entry.id.clone(),
            source,
        };
        let file = open(&self.file(&entry.id)).map_err(failed)?;
        // As long as the file is locked, the number is the keeper's.
        let is_kept = match &file {
            Some(file) => !is_free(file).map_err(failed)?,
            None => false,
        };
        if is_kept && entry.numbers.is_some() && entry.numbers != numbers() {
            return Err(StateError::Elsewhere {
                id: entry.id.clone(),
                pid: entry.pid,
            });
        }
        let pid = i32::try_from(entry.pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| is_kept) {
            // A suspended one hears of it only when it continues.
            for signal in [ASKS_FOR_THE_END, Signal::CONT] {
                match kill_process(pid, signal) {
                    // It has ended already.
                    Ok(()) | Err(Errno::SRCH) => {}
                    Err(errno) => return Err(failed(errno.into())),
                }
            }
        }
        Ok(Leaving {
            id: entry.id.clone(),
            file,
        })
    }

    /// Asks the keeper of an environment how that is now.
    ///
    /// # Errors
    ///
    /// Returns an error if the keeper is gone, does not answer, or is of another version.
    pub fn graph(&self, entry: &Entry) -> Result<Graph, StateError> {
        let id = entry.id.clone();
        let answer = match ask(&self.socket(&entry.id)) {
            Ok(answer) => answer,
            Err(NoAnswer::OfVersion(version)) => {
                return Err(StateError::OtherVersion { id, version });
            }
            Err(NoAnswer::Io(source)) => {
                // One that has ended meanwhile no longer has a file, or nobody holds its lock.
                let is_up = self.entries()?.iter().any(|one| one.id == entry.id);
                let is_late = matches!(
                    source.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                );
                return Err(match is_up {
                    true => StateError::NoAnswer {
                        pid: entry.pid,
                        id,
                        source: match is_late {
                            true => io::Error::other(format!("it did not answer for {PATIENCE:?}")),
                            false => source,
                        },
                    },
                    false => StateError::Gone { id },
                });
            }
        };
        Graph::of_json(&answer).ok_or_else(|| StateError::OtherVersion {
            id,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }

    /// Makes the file of an environment that this process keeps up.
    pub(crate) fn keep(&self, entry: Entry) -> Result<Kept, StateError> {
        let path = self.file(&entry.id);
        let failed = |source| StateError::Directory {
            path: path.clone(),
            source,
        };
        // Under its name only when it has its first line and is locked.
        let hidden = self.hidden(&entry.id);
        match fs::remove_file(&hidden) {
            // Of a keeper that was killed, whose number this process has got.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&hidden)
            .map_err(failed)?;
        let kept = Kept {
            path: path.clone(),
            file,
            entry,
        };
        let made = flock(&kept.file, FlockOperation::NonBlockingLockExclusive)
            .map_err(io::Error::from)
            .and_then(|()| kept.write(None))
            .and_then(|()| fs::rename(&hidden, &path));
        made.map_err(|source| {
            let _ = fs::remove_file(&hidden);
            failed(source)
        })?;
        Ok(kept)
    }

    /// All files that an environment of this id may have.
    pub(crate) fn files(&self, id: &str) -> [PathBuf; 3] {
        [self.file(id), self.hidden(id), self.socket(id)]
    }

    fn file(&self, id: &str) -> PathBuf {
        self.path.join(format!("{id}{SUFFIX}"))
    }

    /// What its file is called before it is one.
    fn hidden(&self, id: &str) -> PathBuf {
        self.path.join(format!("{id}.new"))
    }

    /// Where the keeper answers. Paths of sockets are short, so that it is named after the number
    /// of the process alone.
    pub(crate) fn socket(&self, id: &str) -> PathBuf {
        let (_, pid) = parts(id);
        self.path.join(format!("{pid}.sock"))
    }
}

impl Leaving {
    /// Waits until it is down.
    ///
    /// # Errors
    ///
    /// Returns an error if its file cannot be waited for.
    pub fn wait(self) -> Result<Ended, StateError> {
        let Some(file) = self.file else {
            return Ok(Ended {
                code: 0,
                report: None,
            });
        };
        let last = retry_on_intr(|| flock(&file, FlockOperation::LockShared))
            .map_err(io::Error::from)
            .and_then(|()| last_line(&file))
            .map_err(|source| StateError::Down {
                id: self.id,
                source,
            })?;
        let ended = &last.unwrap_or_default()["ended"];
        let code = ended["exit_code"]
            .as_u64()
            .and_then(|code| code.try_into().ok());
        Ok(Ended {
            // One that was killed has not said how it ended.
            code: code.unwrap_or(crate::Outcome::FAILED),
            report: ended["report"].as_str().map(str::to_owned),
        })
    }
}

impl Kept {
    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The environment is up, with these variables.
    pub(crate) fn up(&mut self, variables: IndexMap<String, String>) -> Result<(), StateError> {
        self.entry.variables = variables;
        self.enter(Status::Started)
    }

    pub(crate) fn enter(&mut self, status: Status) -> Result<(), StateError> {
        self.entry.status = status;
        self.entry.since = SystemTime::now();
        self.write(None).map_err(|source| StateError::Directory {
            path: self.path.clone(),
            source,
        })
    }

    /// Reports the end of the environment to waiting processes.
    pub(crate) fn end(mut self, ended: &Ended) {
        self.entry.variables.clear();
        let code_alone = Ended {
            report: None,
            ..ended.clone()
        };
        // On a full disk there is the room of the lines before.
        let written = self
            .write(Some(ended))
            .or_else(|_| self.file.set_len(0).and_then(|()| self.write(Some(ended))))
            .or_else(|_| self.write(Some(&code_alone)));
        if let Err(error) = written {
            tracing::warn!(%error, "nobody gets to know how the environment ended");
        }
    }

    fn write(&self, ended: Option<&Ended>) -> io::Result<()> {
        let mut value = self.entry.to_json();
        value["numbers"] = json!(self.entry.numbers);
        if let Some(ended) = ended {
            value["ended"] = json!({ "exit_code": ended.code, "report": ended.report });
        }
        let length = self.file.metadata()?.len();
        let written = (&self.file).write_all(format!("{value}\n").as_bytes());
        written.inspect_err(|_| {
            // What comes next begins a line again, if the disk has space by then.
            let _ = self.file.set_len(length);
        })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Entry {
    /// As one JSON object, with the names of the fields; times are in seconds since 1970.
    pub fn to_json(&self) -> Value {
        let since = self.since.duration_since(SystemTime::UNIX_EPOCH);
        json!({
            "id": self.id,
            "environment": self.environment,
            "file": self.file.display().to_string(),
            "pid": self.pid,
            "parent": self.parent,
            "status": self.status,
            "since": since.unwrap_or_default().as_secs_f64(),
            "variables": self.variables,
        })
    }

    /// What is known of one whose file was damaged.
    fn of_id(id: &str) -> Option<Self> {
        let (environment, pid) = parts(id);
        Some(Self {
            id: id.to_owned(),
            environment: environment.to_owned(),
            file: PathBuf::new(),
            pid: pid.parse().ok()?,
            parent: None,
            status: Status::None,
            since: SystemTime::UNIX_EPOCH,
            variables: IndexMap::new(),
            numbers: None,
        })
    }

    /// What its file says of it. The number of its keeper is not taken from there: that process
    /// will be sent a signal.
    fn of_json(id: &str, value: &Value) -> Option<Self> {
        let number = |value: &Value| value.as_u64().and_then(|number| number.try_into().ok());
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        let since = Duration::try_from_secs_f64(value["since"].as_f64()?).ok()?;
        let variables = value["variables"].as_object()?.iter();
        Some(Self {
            environment: text("environment")?,
            file: PathBuf::from(text("file")?),
            parent: number(&value["parent"]),
            numbers: text("numbers"),
            status: value["status"].as_str()?.parse().ok()?,
            since: SystemTime::UNIX_EPOCH.checked_add(since)?,
            variables: variables
                .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                .collect(),
            ..Self::of_id(id)?
        })
    }
}

/// Opens a file that was made by [`StateDir::keep`], if it is there.
fn open(path: &Path) -> io::Result<Option<File>> {
    match open_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

/// Whether no process holds its lock.
fn is_free(file: &File) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Within which processes have the numbers that this one sees: containers may share the directory.
pub(crate) fn numbers() -> Option<String> {
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(namespace.display().to_string())
}

/// The last whole line, as JSON.
fn last_line(mut file: &File) -> io::Result<Option<Value>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').rev();
    Ok(lines.find_map(|line| serde_json::from_slice(line.strip_suffix(b"\n")?).ok()))
}

/// What an environment of this process is known by: a word for shells, not an option, and not
/// longer than a name of a file may be.
pub(crate) fn id_of(environment: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric();
    let slug: String = environment
        .chars()
        .map(|c| if is_plain(c) { c } else { '-' })
        .take(LONGEST)
        .collect();
    let slug = match slug.trim_start_matches('-') {
        "" => "environment",
        slug => slug,
    };
    format!("{slug}-{}", std::process::id())
}

/// What an id is made of: the environment, and the number of its keeper.
fn parts(id: &str) -> (&str, &str) {
    id.rsplit_once('-').unwrap_or((id, id))
}

/// The name of a file that does not depend on the current directory.
pub(crate) fn canonical(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
