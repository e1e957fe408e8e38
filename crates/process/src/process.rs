use std::fmt;
use std::net::ToSocketAddrs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::time::{Duration, Instant};

use standin_child::Child;
use standin_config::{FromOptions, Options, Setting, Text, Value};
use standin_connection::{ConnectionInfo, ProcessState};
use standin_driver::{Attributes, BuildError, ContextError, Driver, DriverBase, Readiness};
use standin_entity::{Check, Error, Result};
use standin_socket::OtherAddresses;
use standin_sync::Unpoisoned;
use standin_sync::operation::{Thread, Wait, now};

use crate::command::Prepared;
use crate::listen::{Bound, Listen};
use crate::stop::Stop;
use crate::{
    Exit, ProcessBuilder, ProcessConfig, ProcessError, Signal, connections, log, sys, trust,
};

/// A driver that runs a program: the system under test, or a real peer.
///
/// 1. The start renders the command line and the environment, opens `stdout`
///    and `stderr` in the runpath, and starts the program as the leader of a
///    process group of its own. It inherits no descriptors but its standard streams
///    and the sockets of `listen`, and no ignored signals.
/// 2. It is ready when its regexps have matched and its conditions hold. If it ends
///    before, the start fails at once, with one exception: a program that ends with
///    exit code 0 (or the expected one) while something that it has started runs
///    is a daemon, which may become ready as long as that runs.
/// 3. The stop sends `stop_signal`: to the process, with `shell` to its group.
///    What it has started and leaves behind is asked to end then, and what is
///    still there after `stop_timeout` is killed; the report has a note of that.
///    (Elsewhere than on Linux what it leaves behind in its group is killed at once.)
///
/// It publishes the ports of `listen`, `pid` while it runs, `retcode` when it has ended, `cmd`, and
/// the paths `etcpath`, `outpath`, `errpath` and `logpath`. Files are installed below `etc` in the
/// runpath.
///
/// # What ends with it
///
/// - On Linux everything that it has started, wherever that went: into a session of
///   its own, without its environment, under another name. Also when the driver is
///   aborted or dropped, and when the test process is killed. See
///   [`standin_child`] for how.
/// - On other Unixes its process group, when it is stopped, aborted or dropped. What
///   left the group is not found there: start servers in the foreground.
///
/// ```
/// use standin_driver::{Driver, Lifecycle};
/// use standin_process::Process;
///
/// # fn main() -> standin_entity::Result<()> {
/// let server = Process::builder("server")
///     .binary("sh")
///     .args(["-c", "echo listening on 4242; read line"])
///     .log_regexps([r"listening on (?<port>\d+)"])
///     .build()?;
/// server.start()?; // returns when the line is there
/// assert!(server.is_alive());
/// assert_eq!(server.base().extract("port").as_deref(), Some("4242"));
/// server.stop()?;
/// assert!(!server.is_alive());
/// # Ok(())
/// # }
/// ```
pub struct Process {
    base: DriverBase,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    child: Option<Arc<Child>>,
    stop: Option<Stop>,
    /// How the latest run ended.
    exit: Option<Exit>,
    line: Option<String>,
    was_ready: bool,
    /// What the process is about to inherit.
    bound: Vec<Bound>,
    /// Keeps everybody else off the addresses that the process does not listen on.
    others: Vec<OtherAddresses>,
    /// Names, hosts and ports of `listen`, from the latest start.
    ports: Vec<(String, String, u16)>,
    orphans: Vec<String>,
}

impl Process {
    /// Begins to describe a process; `build` makes it.
    pub fn builder(name: impl Into<String>) -> ProcessBuilder {
        ProcessBuilder::new().name(name)
    }

    /// Makes the process of a driver that [extends](Driver#extending-a-driver) it: `kind` is the
    /// name of that driver's type, and `options` are of a config that includes
    /// [`ProcessConfig`](crate::ProcessConfig).
    ///
    /// # Errors
    ///
    /// Returns an error if an option is missing or has a value that is not allowed.
    pub fn of_kind(kind: &'static str, options: impl Options) -> Result<Self, BuildError> {
        let base = DriverBase::new(kind, options)?;
        let trusted = &base.options().shared::<ProcessConfig>()?.trust;
        let templates: Vec<_> = trusted.iter().map(|name| trust::template(name)).collect();
        base.renders("trust", templates.iter().map(String::as_str));
        Ok(Process {
            base,
            state: Mutex::default(),
        })
    }

    /// The number of the process; `None` while there is none.
    pub fn pid(&self) -> Option<u32> {
        let child = self.child()?;
        child.exit().is_none().then(|| child.pid())
    }

    /// How the process ended: its exit code, or the negative number of the
    /// signal that ended it. `None` while it runs and before its first start.
    pub fn retcode(&self) -> Option<i32> {
        self.exit().map(Exit::retcode)
    }

    /// How the process ended; `None` while it runs and before its first start.
    pub fn exit(&self) -> Option<Exit> {
        let state = self.state();
        match &state.child {
            Some(child) => child.exit(),
            None => state.exit,
        }
    }

    /// The command line of the latest start, as one could paste it into a shell.
    pub fn command_line(&self) -> Option<String> {
        self.state().line.clone()
    }

    /// Returns the processes that were left behind at the latest stop, each as `name (pid 12)`.
    /// They have been ended.
    pub fn orphans(&self) -> Vec<String> {
        self.state().orphans.clone()
    }

    /// Waits until the process has exited by itself, and returns how. Zero only checks; `None`
    /// waits without a limit, or until it is stopped.
    ///
    /// # Errors
    ///
    /// Returns an error if it has not ended in time, or never ran, or the test has failed elsewhere
    /// meanwhile.
    pub fn wait_for_exit(
        &self,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Exit, ProcessError> {
        now(self.wait_for_exit_with(Thread, timeout))
    }

    /// Does the same as [`wait_for_exit`](Process::wait_for_exit), waiting with `wait`.
    #[doc(hidden)]
    pub async fn wait_for_exit_with(
        &self,
        wait: impl Wait,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Exit, ProcessError> {
        let timeout = timeout.into();
        let Some(child) = self.child() else {
            // Not in one expression with a lock: what the error says takes it, too.
            let exit = self.exit();
            return exit.ok_or_else(|| self.not_running());
        };
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        if let Some(exit) = child.wait_unless_interrupted_with(wait, until).await {
            return Ok(exit);
        }
        let driver = self.base.name().to_owned();
        let pid = child.pid();
        if child.is_interrupted() {
            let reason = self.base.explainer().explain(&driver);
            return Err(ProcessError::Interrupted {
                driver,
                pid,
                reason: reason.unwrap_or_else(|| "the test has failed".to_owned()),
            });
        }
        Err(ProcessError::StillRunning {
            driver,
            pid,
            limit: timeout.unwrap_or_default(),
        })
    }

    /// Writes to the standard input of the process. Waits while the process does not
    /// read: not longer than the driver's `timeout`, its end, and
    /// [`close_stdin`](Process::close_stdin) in another thread.
    ///
    /// # Errors
    ///
    /// Returns an error if it is not running, does not read everything in time, has stopped
    /// reading, or has no pipe. The error has the number of bytes written.
    pub fn write_stdin(&self, bytes: impl AsRef<[u8]>) -> Result<(), ProcessError> {
        now(self.write_stdin_with(Thread, bytes))
    }

    /// Does the same as [`write_stdin`](Process::write_stdin), waiting with `wait`.
    #[doc(hidden)]
    pub async fn write_stdin_with(
        &self,
        wait: impl Wait,
        bytes: impl AsRef<[u8]>,
    ) -> Result<(), ProcessError> {
        let child = self.child().ok_or_else(|| self.not_running())?;
        let timeout = self.base.options().shared::<ProcessConfig>();
        let timeout = timeout
            .ok()
            .map(|config| config.driver.resource.entity.timeout);
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let written = wait.run(child.writing_stdin(bytes, until)).await;
        written.map_err(|source| ProcessError::Stdin {
            driver: self.base.name().to_owned(),
            source,
        })
    }

    /// Closes the standard input of the process: it reads the end. Does not wait: a
    /// write in another thread ends with an error.
    pub fn close_stdin(&self) {
        if let Some(child) = self.child() {
            child.close_stdin();
        }
    }

    /// Sends a signal to the process, without stopping the driver.
    ///
    /// # Errors
    ///
    /// Returns an error if it is not running, or the system refuses.
    pub fn signal(&self, signal: Signal) -> Result<(), ProcessError> {
        let child = self.child().filter(|child| child.exit().is_none());
        let child = child.ok_or_else(|| self.not_running())?;
        child
            .signal(sys::number(signal))
            .map_err(|source| self.signal_error(&child, signal, source))
    }

    pub(crate) fn expand_path(&self, setting: &Setting<PathBuf>) -> Result<PathBuf, ContextError> {
        self.base.expand(setting)
    }

    fn config(&self) -> Result<Arc<ProcessConfig>> {
        Ok(self.base.options().shared()?)
    }

    /// Binds to the ports, and publishes them.
    fn bind(&self, listen: &[Listen]) -> Result<Vec<Bound>> {
        let mut all = Vec::new();
        let (recorder, tape) = (self.base.recorder(), self.base.tape());
        for listen in listen {
            let (host, port) = listen.settings();
            let host = self.text(&Text::from(host.clone()))?;
            let port = self.base.expand(port)?;
            let number = port.number().map_err(|source| ProcessError::Port {
                driver: self.base.name().to_owned(),
                name: listen.name().to_owned(),
                source,
            })?;
            let bound = listen
                .bind(&host, number)
                .map_err(|source| ProcessError::Listen {
                    driver: self.base.name().to_owned(),
                    name: listen.name().to_owned(),
                    host: host.clone(),
                    port: number,
                    source,
                })?;
            let addresses = (bound.host.as_str(), bound.port).to_socket_addrs();
            for address in addresses.into_iter().flatten() {
                recorder.name_address(address, tape.name());
            }
            let known = (bound.name.clone(), bound.host.clone(), bound.port);
            self.state().ports.push(known);
            all.push(bound);
        }
        Ok(all)
    }

    /// The port of that name of `listen`; `None` before the first start.
    pub fn port(&self, name: &str) -> Option<u16> {
        let state = self.state();
        let found = state.ports.iter().find(|(known, ..)| known == name);
        found.map(|(.., port)| *port)
    }

    fn file(&self, name: impl AsRef<Path>) -> Option<PathBuf> {
        let runpath = self.base.resource().entity().runpath()?;
        Some(runpath.join(name))
    }

    fn child(&self) -> Option<Arc<Child>> {
        self.state().child.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unpoisoned()
    }

    fn not_running(&self) -> ProcessError {
        ProcessError::NotRunning {
            driver: self.base.name().to_owned(),
            exit: self.exit(),
        }
    }

    fn signal_error(&self, child: &Child, signal: Signal, source: std::io::Error) -> ProcessError {
        ProcessError::Signal {
            driver: self.base.name().to_owned(),
            pid: child.pid(),
            signal,
            source,
        }
    }

    fn ended_early(&self, child: &Child, exit: Exit) -> ProcessError {
        ProcessError::EndedEarly {
            driver: self.base.name().to_owned(),
            exit,
            after: child.lifetime().unwrap_or_default(),
            command: self.command_line().unwrap_or_default(),
        }
    }

    /// Whether it may end so before it is ready: as a condition waits for, or as
    /// it has to anyway.
    fn may_end_with(&self, exit: Exit) -> Result<bool> {
        let config = self.config()?;
        let code = exit.retcode();
        let mut conditions = config.driver.ready.iter();
        Ok(conditions.any(|condition| condition.awaits_exit(code))
            || config.expected_retcode.unwrap_or_default() == code)
    }

    /// Whether it should accept connections, and nothing of it is there to do that.
    fn serves_nobody(&self, child: &Child) -> Result<bool> {
        fn is_about_a_port(condition: &Readiness) -> bool {
            match condition {
                Readiness::Port(_) => true,
                Readiness::All(conditions) => conditions.iter().any(is_about_a_port),
                _ => false,
            }
        }
        let config = self.config()?;
        Ok(child.is_over() && config.driver.ready.iter().any(is_about_a_port))
    }
}

impl FromOptions<ProcessBuilder> for Process {
    type Error = BuildError;

    fn from_options(options: ProcessBuilder) -> Result<Self, BuildError> {
        Process::of_kind("Process", options)
    }
}

impl Driver for Process {
    fn base(&self) -> &DriverBase {
        &self.base
    }

    fn prepare(&self) -> Result<()> {
        if cfg!(not(unix)) {
            Err(ProcessError::NotSupported {
                driver: self.base.name().to_owned(),
            })?;
        }
        *self.state() = State::default();
        let bound = self.bind(&self.config()?.listen)?;
        self.state().bound = bound;
        Ok(())
    }

    /// Empties what an earlier run has written: what comes there now is of this one,
    /// and makes it ready.
    fn pre_start(&self) -> Result<()> {
        for file in [self.out_path(), self.err_path()].into_iter().flatten() {
            // Not one that is empty: some systems write a file to the disk when it was truncated.
            if std::fs::metadata(&file).is_ok_and(|file| file.len() > 0) {
                self.open_output(&file)?;
            }
        }
        Ok(())
    }

    fn starting(&self) -> Result<()> {
        let config = self.config()?;
        let runpath = match self.base.resource().entity().runpath() {
            Some(runpath) => runpath,
            None => self.base.resource().entity().make_runpath_dirs(false)?,
        };
        let bound = std::mem::take(&mut self.state().bound);
        let prepared = Prepared::new(self, &config, &runpath)?;
        let line = prepared.line();
        self.state().line = Some(line.clone());
        let mut handed_over = Vec::new();
        for bound in bound {
            if let Some((listener, others)) = bound.handed_over {
                handed_over.push((bound.name, listener));
                self.state().others.push(others);
            }
        }
        let input = self.open_stdin(&config.stdin, &runpath)?;
        let mut command = prepared.command(self.base.name(), input, handed_over)?;
        let (out, err) = (runpath.join("stdout"), runpath.join("stderr"));
        command
            .stdout(self.open_output(&out)?)
            .stderr(self.open_output(&err)?);
        let resource = self.base.resource().clone();
        let (tape, started) = (self.base.tape(), Arc::<OnceLock<Weak<Child>>>::default());
        let expected = config.expected_retcode.unwrap_or_default();
        let ended = {
            let started = started.clone();
            move || {
                let child = started.get().and_then(Weak::upgrade);
                if let Some(exit) = child.and_then(|child| child.exit()) {
                    tape.exited(&format!("ended with {exit}"), exit.retcode() == expected);
                }
            }
        };
        let record = ended.clone();
        let child = command
            .spawn_and_notify(move || {
                record();
                resource.notify();
            })
            .map_err(|source| prepared.spawn_error(self.base.name(), source))?;
        let child = Arc::new(child);
        // One that has ended by now was not known then.
        let _ = started.set(Arc::downgrade(&child));
        ended();
        let text = format!("started as process {}: {line}", child.pid());
        log::info(&self.base, text);
        self.state().child = Some(child);
        // An abort in the meantime found no process to kill.
        if !self.base.resource().is_active() {
            self.aborting()?;
        }
        Ok(())
    }

    fn started_check(&self) -> Result<Check> {
        let Some(child) = self.child() else {
            return Ok(Check::Ready);
        };
        match child.exit() {
            // Whoever was connected to when it was asked whether it is ready may have
            // ended by that.
            Some(exit) if !self.may_end_with(exit)? || self.serves_nobody(&child)? => {
                Err(self.ended_early(&child, exit).into())
            }
            _ => Ok(Check::Ready),
        }
    }

    fn start_failure(&self) -> Option<Error> {
        let child = self.child()?;
        let exit = child.exit()?;
        let may_become_ready = match self.may_end_with(exit) {
            // What it has started continues: a daemon.
            Ok(may) => may && !child.is_over(),
            Err(error) => return Some(error),
        };
        (!may_become_ready).then(|| self.ended_early(&child, exit).into())
    }

    fn exit_code(&self) -> Option<i32> {
        self.retcode()
    }

    fn is_alive(&self) -> bool {
        self.child().is_some_and(|child| !child.is_over())
    }

    fn trouble(&self) -> Option<String> {
        let child = self.child()?;
        let exit = child.exit()?;
        let goes_on = if child.is_over() {
            ""
        } else {
            "; what it started goes on"
        };
        Some(format!("has ended with {exit}{goes_on}"))
    }

    fn stop_grace(&self) -> Duration {
        let grace = self.config().map(|config| config.stop_timeout);
        grace.unwrap_or_default().saturating_add(2 * Child::DEATH)
    }

    fn post_start(&self) -> Result<()> {
        self.state().was_ready = true;
        Ok(())
    }

    fn stopping(&self) -> Result<()> {
        let Some(child) = self.child() else {
            return Ok(());
        };
        let config = self.config()?;
        let mut stop = Stop::new(config.stop_signal, config.stop_timeout);
        if child.exit().is_none() {
            let signal = sys::number(config.stop_signal);
            let sent = match config.shell {
                true => child.signal_group(signal),
                false => child.signal(signal),
            };
            // One that is frozen does not see the signal.
            let _ = child.signal_group(sys::freezing(false));
            if let Err(source) = sent
                && child.exit().is_none()
            {
                // It will be killed, and whoever reads the report knows why.
                let error = self.signal_error(&child, config.stop_signal, source);
                log::warn(&self.base, format!("{error}; killing it"));
                stop.until = Some(Instant::now());
            }
        }
        self.state().stop = Some(stop);
        Ok(())
    }

    fn stopped_check(&self) -> Result<Check> {
        let (child, stop) = {
            let mut state = self.state();
            (state.child.clone(), state.stop.take())
        };
        let (Some(child), Some(mut stop)) = (child, stop) else {
            return Ok(Check::Ready);
        };
        let check = stop.come_down(&child, &self.base);
        let mut state = self.state();
        state.orphans.append(&mut stop.orphans);
        state.stop = Some(stop);
        Ok(check)
    }

    fn post_stop(&self) -> Result<()> {
        let config = self.config()?;
        let (exit, killed, was_ready) = {
            let mut state = self.state();
            state.others.clear();
            let Some(child) = state.child.take() else {
                return Ok(());
            };
            state.exit = child.exit();
            let killed = state.stop.take().map(|stop| stop.killed);
            (state.exit, killed.unwrap_or_default(), state.was_ready)
        };
        if !killed.is_empty() {
            let text = format!("{} had to be killed", killed.join(", "));
            self.base.resource().entity().note(text);
        }
        // What never became ready has said so already.
        if !was_ready {
            return Ok(());
        }
        let driver = || self.base.name().to_owned();
        let expected = config.expected_retcode.map(Exit::from_retcode);
        match (expected, exit) {
            (Some(expected), Some(found)) if found != expected => {
                Err(ProcessError::UnexpectedRetcode {
                    driver: driver(),
                    expected,
                    found,
                    killed: !killed.is_empty(),
                })?
            }
            _ if config.must_stop_cleanly && !killed.is_empty() => Err(ProcessError::Killed {
                driver: driver(),
                killed,
            })?,
            _ => Ok(()),
        }
    }

    fn interrupting(&self) {
        if let Some(child) = self.child() {
            child.interrupt();
        }
    }

    fn aborting(&self) -> Result<()> {
        if let Some(child) = self.child() {
            child.end(Instant::now() + Child::DEATH);
        }
        self.state().others.clear();
        Ok(())
    }

    fn pausing(&self) -> Result<()> {
        self.freeze(true)
    }

    fn resuming(&self) -> Result<()> {
        self.freeze(false)
    }

    fn attributes(&self) -> Attributes {
        let path = |path: Option<PathBuf>| path.map(|path| path.display().to_string());
        let ports = self.state().ports.clone();
        let first = ports.first().cloned();
        let ports = (!ports.is_empty()).then(|| {
            let ports = ports.into_iter().map(|(name, _, port)| (name, port));
            ports.collect::<Value>()
        });
        Attributes::new()
            .with_known("host", first.as_ref().map(|(_, host, _)| host.as_str()))
            .with_known("port", first.as_ref().map(|(.., port)| *port))
            .with_known("ports", ports)
            .with_known("pid", self.pid())
            .with_known("retcode", self.retcode())
            .with_known("cmd", self.command_line())
            .with_known("etcpath", path(self.install_target()))
    }

    /// The ports of `listen`, and the connections and files that the process and
    /// all below it have open.
    fn connections(&self) -> Vec<ConnectionInfo> {
        let log = self.config().ok();
        let log = log.and_then(|config| config.logname.clone());
        // A daemon has left its parent, but not what is above that.
        let running = self.child().filter(|child| !child.is_over());
        let process = running.map_or(ProcessState::NotRunning, |child| {
            ProcessState::Running(child.root())
        });
        connections::of(&self.base, process, log, self.state().ports.clone())
    }

    fn log_path(&self) -> Option<PathBuf> {
        match &self.config().ok()?.logname {
            Some(name) => self.file(name),
            None => self.out_path(),
        }
    }

    fn out_path(&self) -> Option<PathBuf> {
        self.file("stdout")
    }

    fn err_path(&self) -> Option<PathBuf> {
        self.file("stderr")
    }

    fn install_target(&self) -> Option<PathBuf> {
        self.file("etc")
    }
}

impl Process {
    fn freeze(&self, frozen: bool) -> Result<()> {
        let child = self.child().filter(|child| child.exit().is_none());
        let child = child.ok_or_else(|| self.not_running())?;
        Ok(child.signal_group(sys::freezing(frozen))?)
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("name", &self.base.name())
            .field("status", &self.base.resource().status())
            .field("pid", &self.pid())
            .field("exit", &self.exit())
            .finish_non_exhaustive()
    }
}
