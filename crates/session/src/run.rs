//! Runs a command in an environment.

use std::ffi::OsString;
use std::fs::File;
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use rustix::process::{Pid, Signal, getpgrp, kill_process};
use rustix::termios::tcgetpgrp;
use signal_hook::consts::{SIGHUP, SIGTERM};
use standin::child::{Child, Command, Exit, SpawnError, Stdio};
use standin::{AbortHandle, Error};
use standin_sync::Monitor;

use crate::envfile::write_env_file_until;
use crate::event::{Event, Happened};
use crate::signals::{Request, Requests, beside};
use crate::watch::{Observer, Stopping};
use crate::{RunError, Session};

/// How long a command may take to end after it was asked to, because its time was over or its
/// terminal is gone, before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// A command that is run in an environment.
///
/// ```
/// use standin_session::{CommandLine, Event, Session};
///
/// let text = "name = 'shop'\n[export]\nNAME = '{{ name }}'\n";
/// let session = Session::parse("shop.toml", text, &[])?;
/// let command = CommandLine::new(["sh", "-c", "test $NAME = shop"]);
/// let outcome = command.run(session, &|_: &Event| {});
/// assert_eq!(outcome.code, 0, "{:?}", outcome.errors);
/// # Ok::<(), standin::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CommandLine {
    words: Vec<OsString>,
    timeout: Option<Duration>,
    env_file: Option<PathBuf>,
    output: Option<PathBuf>,
    keeps_files: bool,
}

/// How it went.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The exit code: that of the command, or one of [`Outcome`]'s constants.
    pub code: u8,
    /// Whether the time of the command was over. A command may also end with
    /// [`TIMED_OUT`](Self::TIMED_OUT) by itself.
    pub timed_out: bool,
    /// Errors besides the command's.
    pub errors: Vec<Error>,
}

impl Outcome {
    /// The time of the command was over.
    pub const TIMED_OUT: u8 = 124;
    /// The environment failed, or what is around it.
    pub const FAILED: u8 = 125;
    /// The command exists, but cannot be executed.
    pub const NOT_EXECUTABLE: u8 = 126;
    /// There is no such command.
    pub const NOT_FOUND: u8 = 127;

    /// Returns the exit code of what a signal has ended: 128 and its number.
    pub fn code_of_signal(signal: i32) -> u8 {
        u8::try_from(signal.saturating_add(128)).unwrap_or(u8::MAX)
    }

    /// Returns the outcome of a run that ended with an error of the environment.
    pub fn failed(error: impl Into<Error>) -> Self {
        Self {
            errors: vec![error.into()],
            ..Self::ended(Self::FAILED)
        }
    }

    /// That of what has ended by itself.
    pub(crate) fn ended(code: u8) -> Self {
        Self {
            code,
            timed_out: false,
            errors: Vec::new(),
        }
    }
}

impl CommandLine {
    /// Creates a program with its arguments: the first word is a path, or a name that is looked up
    /// in `PATH`.
    pub fn new(words: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self {
            words: words.into_iter().map(Into::into).collect(),
            timeout: None,
            env_file: None,
            output: None,
            keeps_files: true,
        }
    }

    /// Sets how long the command may take. When that is over it gets SIGTERM, and five seconds
    /// later what is left of it is killed.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Also writes the variables that the command gets to this file: see [`write_env_file`].
    ///
    /// [`write_env_file`]: crate::write_env_file
    pub fn env_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.env_file = Some(path.into());
        self
    }

    /// Redirects both output and errors of the command to this file, and gives it no input.
    /// Otherwise it has the standard streams of this program.
    pub fn output(mut self, path: impl Into<PathBuf>) -> Self {
        self.output = Some(path.into());
        self
    }

    /// Sets whether the files of the drivers are kept when the command fails. Default: true.
    pub fn keep_files(mut self, keep: bool) -> Self {
        self.keeps_files = keep;
        self
    }

    /// Starts the environment, runs the command with the environment's variables, ends everything
    /// that the command has started, and stops the environment.
    ///
    /// Meanwhile SIGINT, SIGTERM, SIGHUP and SIGQUIT are requests to end. The first one goes to the
    /// command; one that comes before the command ends the run. The second one ends everything at
    /// once, the third one this program.
    pub fn run(&self, session: Session, observer: &dyn Observer) -> Outcome {
        let stage = Arc::new(Monitor::new(Stage {
            environment: session.abort_handle(),
            command: Progress::Ahead,
            asked: None,
            is_urgent: false,
        }));
        let requests = Requests::listen(None, {
            let stage = stage.clone();
            move |request| Stage::asked(&stage, request)
        });
        let requests = match requests {
            Ok(requests) => requests,
            Err(source) => return Outcome::failed(RunError::Signals { source }),
        };
        let mut outcome = self.run_in(session, observer, &stage, &requests);
        drop(requests);
        let stage = stage.lock();
        // What a signal has ended has not failed by itself.
        match stage.asked {
            Some(asked) if stage.is_urgent || !matches!(stage.command, Progress::Over) => {
                outcome.code = Outcome::code_of_signal(asked.signal);
            }
            _ => {}
        }
        outcome
    }

    fn run_in(
        &self,
        session: Session,
        observer: &dyn Observer,
        stage: &Arc<Monitor<Stage>>,
        requests: &Requests,
    ) -> Outcome {
        let running = match session.start(observer) {
            Ok(running) => running,
            Err(error) => return Outcome::failed(error),
        };
        let mut outcome = match running.variables() {
            Ok(variables) => self.run_with(&variables, observer, stage, requests),
            Err(error) => Outcome::failed(error),
        };
        if outcome.code != 0 && self.keeps_files {
            running.note_failure();
        }
        let view = running.view();
        drop(stage.update(Stage::leave_command));
        match running.stop(&Stopping::new(observer, || stage.lock().signal())) {
            Err(error) => {
                // The command's own failure says more.
                if outcome.code == 0 {
                    outcome.code = Outcome::FAILED;
                }
                outcome.errors.push(error.into());
            }
            Ok(artifacts) if outcome.code != 0 && self.keeps_files => {
                let path = view.runpath().filter(|path| path.exists());
                if path.is_some() || !artifacts.is_empty() {
                    observer.happened(&Event::now(Happened::FilesKept {
                        path,
                        recorded: artifacts.files,
                        problems: artifacts.problems,
                    }));
                }
            }
            Ok(_) => {}
        }
        outcome
    }

    fn run_with(
        &self,
        variables: &IndexMap<String, String>,
        observer: &dyn Observer,
        stage: &Arc<Monitor<Stage>>,
        requests: &Requests,
    ) -> Outcome {
        if let Some(path) = &self.env_file
            && let Err(error) =
                write_env_file_until(path, variables, stage, |stage| stage.asked.is_some())
        {
            return Outcome::failed(error);
        }
        let Some((program, arguments)) = self.words.split_first() else {
            return Outcome::failed(RunError::NoCommand);
        };
        let [stdin, stdout, stderr] = match self.stdio() {
            Ok(stdio) => stdio,
            Err(error) => return Outcome::failed(error),
        };
        let begin = Instant::now();
        let is_interactive = self.output.is_none() && is_in_foreground();
        let mut command = Command::new(program);
        command
            .args(arguments)
            .envs(variables)
            .stdin(stdin)
            .stdout(stdout)
            .stderr(stderr);
        let asked = stage.update(|stage| {
            if stage.asked.is_none() {
                stage.command = Progress::Starting;
            }
            stage.asked
        });
        if let Some(asked) = asked {
            return Outcome::ended(Outcome::code_of_signal(asked.signal));
        }
        let spawned = match is_interactive {
            true => command.keep_group().spawn_held(|pid| {
                // It gets the keys from the terminal now. One that came before it gets from here,
                // and if it came to both just now, only once.
                requests.settle();
                if let Some(key) = stage.lock().asked.filter(|asked| asked.is_key) {
                    send_held(pid, key.signal);
                }
            }),
            false => command.spawn(),
        };
        let child = match spawned {
            Ok(child) => Arc::new(child),
            Err(error) => {
                stage.update(|stage| stage.command = Progress::Ahead);
                return Outcome {
                    code: code_of(&error),
                    ..Outcome::failed(error)
                };
            }
        };
        observer.happened(&Event::now(Happened::CommandStarted {
            program: program.to_string_lossy().into_owned(),
            pid: child.pid(),
        }));
        let running = Running {
            child: child.clone(),
            is_interactive,
        };
        let is_urgent = stage.update(|stage| {
            if let Some(asked) = stage.asked {
                // It came while there was nothing to ask.
                running.ask(asked);
            }
            stage.command = Progress::Begun(running);
            stage.is_urgent
        });
        if is_urgent {
            child.end(Instant::now() + Child::DEATH);
        }
        let mut outcome = self.wait(&child, begin, observer);
        let left: Vec<String> = child.below().iter().map(ToString::to_string).collect();
        if !left.is_empty() {
            observer.happened(&Event::now(Happened::CommandLeft { programs: left }));
        }
        if !child.end(Instant::now() + Child::DEATH) {
            let error = RunError::NotEnded { pid: child.pid() };
            outcome.errors.push(error.into());
        }
        outcome
    }

    /// What the command reads and writes.
    fn stdio(&self) -> Result<[Stdio; 3], RunError> {
        let Some(path) = &self.output else {
            return Ok([Stdio::Inherit, Stdio::Inherit, Stdio::Inherit]);
        };
        let open = || -> std::io::Result<[Stdio; 3]> {
            let output = File::create(path)?;
            let errors = output.try_clone()?;
            Ok([Stdio::Null, output.into(), errors.into()])
        };
        open().map_err(|source| RunError::Output {
            path: path.clone(),
            source,
        })
    }

    /// Waits for the end of the command, and sees to it when its time is over.
    fn wait(&self, child: &Child, begin: Instant, observer: &dyn Observer) -> Outcome {
        let limit = self.timeout.and_then(|timeout| begin.checked_add(timeout));
        let mut exit = child.wait_unless_interrupted(limit);
        let is_late = exit.is_none() && !child.is_interrupted();
        if is_late {
            send(child, SIGTERM);
            observer.happened(&Event::now(Happened::CommandSignalled { signal: SIGTERM }));
            exit = child.wait_unless_interrupted(Instant::now() + GRACE);
        } else if exit.is_none() {
            // Nobody is left who could ask once more.
            exit = child.wait(Instant::now() + GRACE);
        }
        let exit = exit.or_else(|| {
            child.end(Instant::now() + Child::DEATH);
            child.exit()
        });
        let (exit_code, signal) = match exit {
            Some(Exit::Code(code)) => (Some(code), None),
            Some(Exit::Signal(signal)) => (None, Some(signal)),
            _ => (None, None),
        };
        observer.happened(&Event::now(Happened::CommandEnded {
            exit_code,
            signal,
            after: begin.elapsed(),
        }));
        let code = match (exit_code, signal) {
            _ if is_late => Outcome::TIMED_OUT,
            // The system has only eight bits of it.
            (Some(code), _) => u8::try_from(code).unwrap_or(u8::MAX),
            (None, Some(signal)) => Outcome::code_of_signal(signal),
            (None, None) => Outcome::FAILED,
        };
        Outcome {
            timed_out: is_late,
            ..Outcome::ended(code)
        }
    }
}

/// How far it is, for the thread that gets a request to end.
struct Stage {
    environment: AbortHandle,
    command: Progress,
    /// The first signal.
    asked: Option<Request>,
    /// There was a second one.
    is_urgent: bool,
}

/// How far the command is.
enum Progress {
    /// A request ends the environment, and no command is started.
    Ahead,
    /// It may run already: a request waits until it can be passed on.
    Starting,
    Begun(Running),
    /// It has ended: the first request finds everything stopping.
    Over,
}

struct Running {
    child: Arc<Child>,
    /// Whether it has the signals of the terminal from there.
    is_interactive: bool,
}

impl Stage {
    /// Returns the command, whose drop may wait.
    fn leave_command(&mut self) -> Option<Progress> {
        let has_begun = matches!(self.command, Progress::Begun(_));
        has_begun.then(|| mem::replace(&mut self.command, Progress::Over))
    }

    fn signal(&self) -> Option<i32> {
        self.asked.map(|asked| asked.signal)
    }

    fn asked(stage: &Monitor<Stage>, request: Request) {
        let count = request.count;
        let end = stage.update(|stage| {
            stage.asked.get_or_insert(request);
            stage.is_urgent |= count > 0;
            let child = match &stage.command {
                Progress::Begun(command) if count == 0 => {
                    command.ask(request);
                    return None;
                }
                Progress::Starting | Progress::Over if count == 0 => return None,
                Progress::Begun(command) => Some(command.child.clone()),
                Progress::Ahead | Progress::Starting | Progress::Over => None,
            };
            Some((child, stage.environment.clone()))
        });
        let Some((child, environment)) = end else {
            return;
        };
        beside(move || {
            if let Some(child) = &child {
                child.end(Instant::now() + Child::DEATH);
            }
            environment.abort();
        });
    }
}

impl Running {
    fn ask(&self, request: Request) {
        if !(self.is_interactive && request.is_key) {
            send(&self.child, request.signal);
        }
        if request.signal == SIGHUP {
            self.child.interrupt();
        }
    }
}

/// To a command that is held.
fn send_held(pid: u32, signal: i32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let (Some(pid), Some(signal)) = (pid, Signal::from_named_raw(signal)) {
        // It may have been killed.
        let _ = kill_process(pid, signal);
    }
}

/// To all of the command, as a terminal would.
fn send(child: &Child, signal: i32) {
    // It may have ended by itself.
    let _ = child.signal_group(signal);
}

/// Whether a person at a terminal talks to this program, wherever its streams go: a command may
/// still ask for a password there.
fn is_in_foreground() -> bool {
    let group = File::open("/dev/tty").and_then(|tty| Ok(tcgetpgrp(tty)?));
    group.is_ok_and(|group| group == getpgrp())
}

/// The exit code of what could not be started, as shells have it.
fn code_of(error: &SpawnError) -> u8 {
    let kind = error.io().map(std::io::Error::kind);
    match error {
        SpawnError::NotFound { .. } => Outcome::NOT_FOUND,
        SpawnError::Program { .. } if kind == Some(std::io::ErrorKind::NotFound) => {
            Outcome::NOT_FOUND
        }
        SpawnError::Program { .. } => Outcome::NOT_EXECUTABLE,
        _ => Outcome::FAILED,
    }
}
