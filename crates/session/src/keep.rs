//! Keeps an environment up until a request to stop.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::SystemTime;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use standin::Error;
use standin_sync::Monitor;

use crate::ask::Answers;
use crate::envfile::write_env_file;
use crate::run::Outcome;
use crate::session::Session;
use crate::signals::Requests;
use crate::state::{Ended, Entry, StateDir, canonical, id_of};
use crate::watch::Observer;
use crate::{RunError, StateError};

/// An environment that this process keeps up until a request to stop.
#[derive(Clone, Debug, Default)]
pub struct Keeper {
    parent: Option<u32>,
    env_file: Option<PathBuf>,
}

/// Who has asked for the end, and how urgently.
#[derive(Debug, Default)]
struct Asked {
    count: usize,
    signal: Option<i32>,
}

impl Keeper {
    /// One without a parent.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the environment down when the process of that number ends, however it does.
    pub fn parent(mut self, pid: u32) -> Self {
        self.parent = Some(pid);
        self
    }

    /// Also adds the environment's variables to this file: see
    /// [`write_env_file`](crate::write_env_file).
    pub fn env_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.env_file = Some(path.into());
        self
    }

    /// Returns the files of the state directory that an environment of this process has.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`StateDir::open`].
    pub fn state_files(session: &Session) -> Result<[PathBuf; 2], StateError> {
        let (directory, id) = (StateDir::open()?, id_of(session.view().name()));
        Ok([directory.file(&id), directory.socket(&id)])
    }

    /// Starts the environment of `file`, calls `up` when it is up and others can find it, and
    /// waits for the end of the parent, for SIGINT, SIGTERM or SIGHUP; a second signal ends
    /// everything at once. Then it stops the environment.
    pub fn keep(
        &self,
        file: &Path,
        session: Session,
        observer: &dyn Observer,
        up: impl FnOnce(&Entry),
    ) -> Outcome {
        match self.try_keep(file, session, observer, up) {
            Ok(outcome) => outcome,
            Err(error) => Outcome::failed(error),
        }
    }

    fn try_keep(
        &self,
        file: &Path,
        session: Session,
        observer: &dyn Observer,
        up: impl FnOnce(&Entry),
    ) -> Result<Outcome, Error> {
        let directory = StateDir::open()?;
        let parent = self.parent.map(watch).transpose()?;
        let asked = Arc::new(Monitor::new(Asked::default()));
        let environment = session.abort_handle();
        let is_up = Arc::new(Monitor::new(false));
        let _requests = Requests::listen({
            let (asked, is_up) = (asked.clone(), is_up.clone());
            move |signal, count| {
                asked.update(|asked| {
                    asked.count += 1;
                    asked.signal.get_or_insert(signal);
                });
                if count > 0 || !*is_up.lock() {
                    environment.abort();
                }
            }
        })
        .map_err(|source| RunError::Signals { source })?;
        if let Some(parent) = parent {
            let (asked, is_up) = (asked.clone(), is_up.clone());
            let environment = session.abort_handle();
            let watching = thread::Builder::new().name("standin-parent".to_owned());
            // It ends with the process, if not before.
            let _watching = watching.spawn(move || {
                let mut fds = [PollFd::new(&parent, PollFlags::IN)];
                while poll(&mut fds, None) == Err(rustix::io::Errno::INTR) {}
                asked.update(|asked| asked.count += 1);
                if !*is_up.lock() {
                    environment.abort();
                }
            })?;
        }
        let graph = session.graph();
        let running = match session.start(observer) {
            Ok(running) => running,
            Err(error) => {
                let mut outcome = Outcome::failed(error);
                if let Some(signal) = asked.lock().signal {
                    outcome.code = Outcome::code_of_signal(signal);
                }
                return Ok(outcome);
            }
        };
        *is_up.lock() = true;
        let view = running.view();
        let kept = running.variables().and_then(|variables| {
            if let Some(path) = &self.env_file {
                write_env_file(path, &variables)?;
            }
            let entry = Entry {
                id: id_of(view.name()),
                environment: view.name().to_owned(),
                file: canonical(file),
                pid: std::process::id(),
                parent: self.parent,
                started: SystemTime::now(),
                variables,
            };
            let answers = Answers::begin(directory.socket(&entry.id), {
                let view = view.clone();
                move || graph.now(&view).to_json()
            });
            // It is used without that, too; who asks is told that nobody answers.
            let answers = answers.inspect_err(|error| tracing::warn!(%error, "nobody can ask"));
            let kept = directory.keep(entry.clone())?;
            Ok((entry, kept, answers.ok()))
        });
        let kept = match kept {
            Ok((entry, kept, answers)) => {
                up(&entry);
                drop(asked.wait_while(asked.lock(), None, |asked| asked.count == 0));
                drop(answers);
                Ok(kept)
            }
            Err(error) => Err(error),
        };
        let stopped = running.stop(observer);
        let mut errors: Vec<Error> = Vec::new();
        errors.extend(stopped.err().map(Error::from));
        let kept = kept.map_err(|error| errors.insert(0, error)).ok();
        let code = if errors.is_empty() {
            0
        } else {
            Outcome::FAILED
        };
        if let Some(kept) = kept {
            let report: Vec<String> = errors.iter().map(|error| format!("{error:?}")).collect();
            kept.end(&Ended {
                code,
                report: (!report.is_empty()).then(|| report.join("\n")),
            });
        }
        Ok(Outcome {
            errors,
            ..Outcome::ended(code)
        })
    }
}

/// A descriptor that can be read when the process of that number has ended.
fn watch(pid: u32) -> Result<rustix::fd::OwnedFd, StateError> {
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let number = number.ok_or(rustix::io::Errno::SRCH);
    let opened = number.and_then(|number| pidfd_open(number, PidfdFlags::empty()));
    opened.map_err(|errno| StateError::Parent {
        pid,
        source: errno.into(),
    })
}
