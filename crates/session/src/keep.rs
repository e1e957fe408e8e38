//! Keeps an environment up until a request to stop.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::SystemTime;

use indexmap::IndexMap;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::io::retry_on_intr;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use standin::{AbortHandle, Error, Status};
use standin_sync::Monitor;

use crate::ask::Answers;
use crate::envfile::write_env_file_until;
use crate::run::Outcome;
use crate::session::{Running, Session};
use crate::signals::Requests;
use crate::state::{ASKS_FOR_THE_END, Ended, Entry, Kept, StateDir, canonical, id_of, numbers};
use crate::watch::{Observer, Stopping};
use crate::{RunError, StateError};

/// An environment that this process keeps up until a request to stop.
#[derive(Debug, Default)]
pub struct Keeper {
    parent: Option<u32>,
    starter: Option<OwnedFd>,
    env_file: Option<PathBuf>,
}

/// How far an environment is, for those who ask for its end.
struct Stage {
    environment: AbortHandle,
    progress: Progress,
    is_asked: bool,
    /// There was a second signal.
    is_urgent: bool,
    /// The first signal.
    signal: Option<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// A request aborts it.
    Starting,
    Started,
    /// Those who have asked for it know that it is up.
    Announced,
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

    /// Ends the start of the environment when nobody is left who could read this pipe: it would be
    /// up, and nobody would know.
    pub fn starter(mut self, pipe: impl Into<OwnedFd>) -> Self {
        self.starter = Some(pipe.into());
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
    pub fn state_files(session: &Session) -> Result<[PathBuf; 3], StateError> {
        Ok(StateDir::open()?.files(&id_of(session.view().name())))
    }

    /// Starts the environment of `file`, calls `up` when it is up, and waits for the end of the
    /// parent, for SIGINT, SIGTERM, SIGHUP or SIGQUIT. Then it stops the environment, as it does if
    /// nobody hears of `up`. Others can find the environment all the time.
    ///
    /// A request during the start aborts that. A second signal ends everything at once, unless it
    /// is another SIGTERM: everybody who takes the environment down sends one.
    pub fn keep(
        self,
        file: &Path,
        session: Session,
        observer: &dyn Observer,
        up: impl FnOnce(&Entry) -> io::Result<()>,
    ) -> Outcome {
        match self.try_keep(file, session, observer, up) {
            Ok(outcome) => outcome,
            Err(error) => Outcome::failed(error),
        }
    }

    fn try_keep(
        mut self,
        file: &Path,
        session: Session,
        observer: &dyn Observer,
        up: impl FnOnce(&Entry) -> io::Result<()>,
    ) -> Result<Outcome, Error> {
        let directory = StateDir::open()?;
        let stage = Arc::new(Monitor::new(Stage {
            environment: session.abort_handle(),
            progress: Progress::Starting,
            is_asked: false,
            is_urgent: false,
            signal: None,
        }));
        let _requests = Requests::listen(Some(ASKS_FOR_THE_END.as_raw()), {
            let stage = stage.clone();
            move |request| Stage::ask(&stage, Some(request.signal), request.count > 0)
        })
        .map_err(|source| RunError::Signals { source })?;
        if let Some(parent) = self.parent {
            let stage = stage.clone();
            on_end(parent_of(parent)?, PollFlags::IN, move || {
                Stage::ask(&stage, None, false);
            })?;
        }
        if let Some(pipe) = self.starter.take() {
            let stage = stage.clone();
            // Its own end is all that is reported unasked.
            on_end(pipe, PollFlags::empty(), move || {
                if stage.lock().progress != Progress::Announced {
                    Stage::ask(&stage, None, false);
                }
            })?;
        }
        let (view, graph) = (session.view(), session.graph());
        let entry = Entry {
            id: id_of(view.name()),
            environment: view.name().to_owned(),
            file: canonical(file),
            pid: std::process::id(),
            parent: self.parent,
            status: Status::Starting,
            since: SystemTime::now(),
            variables: IndexMap::new(),
            numbers: numbers(),
        };
        // Whoever finds it can ask.
        let answers = Answers::begin(directory.socket(&entry.id), {
            let view = view.clone();
            move || graph.now(&view).to_json()
        });
        // It is used without that, too; who asks is told that nobody answers.
        let answers = answers.inspect_err(|error| tracing::warn!(%error, "nobody can ask"));
        let mut kept = directory.keep(entry)?;
        let (ended, outcome) = self.keep_up(session, observer, &stage, &mut kept, up);
        drop(answers);
        kept.end(&ended);
        Ok(outcome)
    }

    /// How it ended, for those who wait for that, and for the caller.
    fn keep_up(
        &self,
        session: Session,
        observer: &dyn Observer,
        stage: &Arc<Monitor<Stage>>,
        kept: &mut Kept,
        up: impl FnOnce(&Entry) -> io::Result<()>,
    ) -> (Ended, Outcome) {
        let running = match session.start(observer) {
            Ok(running) => running,
            Err(error) => return not_started(stage, vec![error]),
        };
        stage.update(|stage| stage.progress = Progress::Started);
        let failed = self.announce(&running, stage, kept, up).err();
        drop(stage.wait_while(stage.lock(), None, |stage| {
            failed.is_none() && !stage.is_asked
        }));
        if let Err(error) = kept.enter(Status::Stopping) {
            // Others still see it up, and can take it down just the same.
            tracing::warn!(%error, "nobody sees that it stops");
        }
        let stopped = running.stop(&Stopping::new(observer, || stage.lock().signal));
        let (is_announced, cut_off_by) = {
            let stage = stage.lock();
            let signal = stage.signal.filter(|_| stage.is_urgent);
            (stage.progress == Progress::Announced, signal)
        };
        // What nobody could use lacks nothing.
        let stopped = stopped
            .err()
            .filter(|error| is_announced || !error.is_unmet());
        let errors = failed.into_iter().chain(stopped.map(Error::from));
        let errors: Vec<Error> = errors.collect();
        if !is_announced {
            return not_started(stage, errors);
        }
        let code = if errors.is_empty() {
            0
        } else {
            Outcome::FAILED
        };
        let mut outcome = Outcome {
            errors,
            ..Outcome::ended(code)
        };
        let mut ended = ended(&outcome);
        if let Some(signal) = cut_off_by {
            outcome.code = Outcome::code_of_signal(signal);
            // For those who wanted it to stop cleanly, it failed.
            ended.code = Outcome::FAILED;
            let name = &kept.entry().environment;
            let cut_off = || format!("environment \"{name}\" was ended by a second signal");
            ended.report = ended.report.or_else(|| Some(cut_off()));
        }
        (ended, outcome)
    }

    /// Says that it is up, unless its end was asked for before.
    fn announce(
        &self,
        running: &Running,
        stage: &Arc<Monitor<Stage>>,
        kept: &mut Kept,
        up: impl FnOnce(&Entry) -> io::Result<()>,
    ) -> Result<(), Error> {
        let variables = running.variables()?;
        if let Some(path) = &self.env_file {
            write_env_file_until(path, &variables, stage, |stage| stage.is_asked)?;
        }
        if stage.lock().is_asked {
            return Ok(());
        }
        kept.up(variables)?;
        stage.update(|stage| stage.progress = Progress::Announced);
        Ok(up(kept.entry())?)
    }
}

impl Stage {
    fn ask(stage: &Monitor<Self>, signal: Option<i32>, is_urgent: bool) {
        let environment = stage.update(|stage| {
            stage.is_asked = true;
            stage.is_urgent |= is_urgent;
            stage.signal = stage.signal.or(signal);
            (is_urgent || stage.progress == Progress::Starting).then(|| stage.environment.clone())
        });
        if let Some(environment) = environment {
            crate::signals::beside(move || environment.abort());
        }
    }
}

/// How an environment has ended that was never announced. For those who wanted that, nothing has
/// failed.
fn not_started(stage: &Monitor<Stage>, errors: Vec<Error>) -> (Ended, Outcome) {
    let stage = stage.lock();
    if stage.is_asked && stage.progress == Progress::Starting {
        // Returns when that is over.
        stage.environment.abort();
    }
    let code = stage
        .signal
        .map_or(Outcome::FAILED, Outcome::code_of_signal);
    let outcome = Outcome {
        errors,
        ..Outcome::ended(code)
    };
    let ended = match stage.is_asked {
        true => Ended {
            code: 0,
            report: None,
        },
        false => ended(&outcome),
    };
    (ended, outcome)
}

fn ended(outcome: &Outcome) -> Ended {
    let report: Vec<String> = outcome.errors.iter().map(|e| format!("{e:?}")).collect();
    Ended {
        code: outcome.code,
        report: (!report.is_empty()).then(|| report.join("\n")),
    }
}

/// Does something when such an event, or the end of it, comes from a descriptor.
fn on_end(
    descriptor: OwnedFd,
    event: PollFlags,
    react: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let thread = thread::Builder::new().name("standin-ends".to_owned());
    // It ends with the process, if not before.
    let _watching = thread.spawn(move || {
        let mut fds = [PollFd::new(&descriptor, event)];
        match retry_on_intr(|| poll(&mut fds, None)) {
            Ok(_) => react(),
            Err(error) => tracing::warn!(%error, "an end is not waited for"),
        }
    })?;
    Ok(())
}

/// A descriptor that can be read when the process of that number has ended.
fn parent_of(pid: u32) -> Result<OwnedFd, StateError> {
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let number = number.ok_or(rustix::io::Errno::SRCH);
    let opened = number.and_then(|number| pidfd_open(number, PidfdFlags::empty()));
    opened.map_err(|errno| StateError::Parent {
        pid,
        source: errno.into(),
    })
}
