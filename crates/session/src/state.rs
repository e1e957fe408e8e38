//! Which environments are up: a directory of the user's with a file for each of them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use indexmap::IndexMap;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use standin::config::nearest;

use crate::ask::{NoAnswer, PATIENCE, ask};
use crate::{Graph, StateError};

/// The directory of the environments that are up.
///
/// It is `standin` in `XDG_RUNTIME_DIR`, or else `standin-up-<user>` below the directory for
/// temporary files, and no other user may enter it. The keeper of an environment holds a lock on
/// the environment's file, which the system releases with its process, so that a file without a
/// lock belongs to an environment that is gone.
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
    /// When it had started.
    pub started: SystemTime,
    /// The variables for programs that use it.
    pub variables: IndexMap<String, String>,
}

/// The file of an environment that this process keeps up. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Kept {
    path: PathBuf,
    file: File,
    entry: Entry,
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

    /// Returns the environments that are up, the oldest first. Files of those that are gone are
    /// removed.
    ///
    /// # Errors
    ///
    /// Returns an error if the directory cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>, StateError> {
        let failed = |source| StateError::Directory {
            path: self.path.clone(),
            source,
        };
        let mut entries = Vec::new();
        for file in fs::read_dir(&self.path).map_err(failed)? {
            let path = file.map_err(failed)?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            // It may end at any time.
            let Ok(file) = File::open(&path) else {
                continue;
            };
            if flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
                let _ = fs::remove_file(&path);
                if let Some(id) = path.file_stem().and_then(|id| id.to_str()) {
                    let _ = fs::remove_file(self.socket(id));
                }
            } else if let Some(entry) = read(&file) {
                entries.push(entry);
            }
        }
        entries.sort_by_key(|entry| entry.started);
        Ok(entries)
    }

    /// Returns the environments that `wanted` names: one by its id or the number of its keeper, or
    /// all of a file. Without a name it is the only one that is up.
    ///
    /// # Errors
    ///
    /// Returns an error if there is none of that name, or, without a name, not exactly one.
    pub fn find(&self, wanted: Option<&str>) -> Result<Vec<Entry>, StateError> {
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
        let file = fs::canonicalize(wanted).ok();
        entries.retain(|entry| {
            entry.id == wanted
                || entry.environment == wanted
                || entry.pid.to_string() == wanted
                || file.as_ref().is_some_and(|file| *file == entry.file)
        });
        if entries.is_empty() {
            return Err(StateError::NotUp {
                wanted: wanted.to_owned(),
                nearest: nearest(wanted, known.iter().map(String::as_str)).map(str::to_owned),
                known,
            });
        }
        Ok(entries)
    }

    /// Asks the keeper of an environment to take it down, and waits until that is done.
    ///
    /// # Errors
    ///
    /// Returns an error if the keeper cannot be asked.
    pub fn down(&self, entry: &Entry) -> Result<Ended, StateError> {
        let failed = |source: io::Error| StateError::Down {
            id: entry.id.clone(),
            source,
        };
        let gone = Ended {
            code: 0,
            report: None,
        };
        let mut file = match File::open(self.file(&entry.id)) {
            Ok(file) => file,
            // It has ended meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(gone),
            Err(error) => return Err(failed(error)),
        };
        // As long as the file is locked, the number is the keeper's.
        let is_gone = flock(&file, FlockOperation::NonBlockingLockShared).is_ok();
        if !is_gone {
            let pid = i32::try_from(entry.pid).ok().and_then(Pid::from_raw);
            if let Some(pid) = pid {
                kill_process(pid, Signal::TERM).map_err(|errno| failed(errno.into()))?;
                // A suspended one hears of it only when it continues.
                match kill_process(pid, Signal::CONT) {
                    // It has ended already.
                    Ok(()) | Err(Errno::SRCH) => {}
                    Err(errno) => return Err(failed(errno.into())),
                }
            }
            flock(&file, FlockOperation::LockShared).map_err(|errno| failed(errno.into()))?;
        }
        let _ = fs::remove_file(self.file(&entry.id));
        let value = read_json(&mut file).unwrap_or_default();
        let ended = &value["ended"];
        let code = ended["exit_code"]
            .as_u64()
            .and_then(|code| code.try_into().ok());
        Ok(Ended {
            // One that was killed has not said how it ended.
            code: code.unwrap_or(crate::Outcome::FAILED),
            report: ended["report"].as_str().map(str::to_owned),
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
        // Under its name only when it is whole and locked.
        let hidden = path.with_extension("new");
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&hidden)
            .map_err(failed)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|errno| failed(errno.into()))?;
        let mut kept = Kept { path, file, entry };
        let written = kept.write(None);
        let moved = written.and_then(|()| fs::rename(&hidden, &kept.path));
        moved.map_err(|source| {
            let _ = fs::remove_file(&hidden);
            StateError::Directory {
                path: kept.path.clone(),
                source,
            }
        })?;
        Ok(kept)
    }

    pub(crate) fn file(&self, id: &str) -> PathBuf {
        self.path.join(format!("{id}.json"))
    }

    /// Where the keeper answers. Paths of sockets are short, so that it is named after the number
    /// of the process alone.
    pub(crate) fn socket(&self, id: &str) -> PathBuf {
        let pid = id.rsplit('-').next().unwrap_or(id);
        self.path.join(format!("{pid}.sock"))
    }
}

impl Kept {
    /// Reports the end of the environment to waiting processes.
    pub(crate) fn end(mut self, ended: &Ended) {
        // Who waits reads what is there otherwise, and says that nobody knows.
        let _ = self.write(Some(ended));
    }

    fn write(&mut self, ended: Option<&Ended>) -> io::Result<()> {
        let mut value = self.entry.to_json();
        if let Some(ended) = ended {
            value["ended"] = json!({ "exit_code": ended.code, "report": ended.report });
        }
        self.file.seek(SeekFrom::Start(0))?;
        self.file.set_len(0)?;
        self.file.write_all(value.to_string().as_bytes())
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
        let started = self.started.duration_since(SystemTime::UNIX_EPOCH);
        json!({
            "id": self.id,
            "environment": self.environment,
            "file": self.file.display().to_string(),
            "pid": self.pid,
            "parent": self.parent,
            "started": started.unwrap_or_default().as_secs_f64(),
            "variables": self.variables,
        })
    }

    fn of_json(value: &Value) -> Option<Self> {
        let number = |value: &Value| value.as_u64().and_then(|number| number.try_into().ok());
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        let started = Duration::try_from_secs_f64(value["started"].as_f64()?).ok()?;
        let variables = value["variables"].as_object()?.iter();
        Some(Self {
            id: text("id")?,
            environment: text("environment")?,
            file: PathBuf::from(text("file")?),
            pid: number(&value["pid"])?,
            parent: number(&value["parent"]),
            started: SystemTime::UNIX_EPOCH + started,
            variables: variables
                .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                .collect(),
        })
    }
}

fn read(mut file: &File) -> Option<Entry> {
    Entry::of_json(&read_json(&mut file)?)
}

fn read_json(mut file: impl io::Read + io::Seek) -> Option<Value> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// What an environment of this process is known by.
pub(crate) fn id_of(environment: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric();
    let slug: String = environment
        .chars()
        .map(|c| if is_plain(c) { c } else { '-' })
        .collect();
    format!("{slug}-{}", std::process::id())
}

/// The name of a file that does not depend on the current directory.
pub(crate) fn canonical(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
