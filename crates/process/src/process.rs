use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use standin_child::Child;
use standin_config::{FromOptions, Options, Setting};
use standin_driver::{BuildError, ContextError, DriverBase, WaitEnd};
use standin_entity::Result;
use standin_socket::OtherAddresses;
use standin_sync::Unpoisoned;
use standin_sync::operation::{Thread, Wait, now};

use crate::listen::Bound;
use crate::stop::Stop;
use crate::{Exit, ProcessBuilder, ProcessConfig, ProcessError, Signal, sys, trust};

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
    pub(crate) base: DriverBase,
    state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) child: Option<Arc<Child>>,
    pub(crate) stop: Option<Stop>,
    /// How the latest run ended.
    pub(crate) exit: Option<Exit>,
    pub(crate) line: Option<String>,
    pub(crate) was_ready: bool,
    /// What the process is about to inherit.
    pub(crate) bound: Vec<Bound>,
    /// Keeps everybody else off the addresses that the process does not listen on.
    pub(crate) others: Vec<OtherAddresses>,
    /// Names, hosts and ports of `listen`, from the latest start.
    pub(crate) ports: Vec<(String, String, u16)>,
    pub(crate) orphans: Vec<String>,
}

impl Process {
    /// Begins to describe a process; `build` makes it.
    pub fn builder(name: impl Into<String>) -> ProcessBuilder {
        ProcessBuilder::new().name(name)
    }

    /// Makes the process of a driver that
    /// [extends](standin_driver::Driver#extending-a-driver) it: `kind` is the name of that driver's
    /// type, and `options` are of a config that includes [`ProcessConfig`](crate::ProcessConfig).
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

    /// Returns the number of the process; `None` while there is none.
    pub fn pid(&self) -> Option<u32> {
        let child = self.child()?;
        child.exit().is_none().then(|| child.pid())
    }

    /// Returns how the process ended: its exit code, or the negative number of the
    /// signal that ended it. `None` while it runs and before its first start.
    pub fn retcode(&self) -> Option<i32> {
        self.exit().map(Exit::retcode)
    }

    /// Returns how the process ended; `None` while it runs and before its first start.
    pub fn exit(&self) -> Option<Exit> {
        let state = self.state();
        match &state.child {
            Some(child) => child.exit(),
            None => state.exit,
        }
    }

    /// Returns the command line of the latest start, as one could paste it into a shell.
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
    /// Returns an error if it has not ended in time, or never ran, or the driver was aborted or the
    /// test has failed elsewhere meanwhile.
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
        if child.is_interrupted() {
            return Err(self.interrupted(&child));
        }
        Err(ProcessError::StillRunning {
            driver: self.base.name().to_owned(),
            pid: child.pid(),
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
    /// reading, or has no pipe; the error has the number of bytes written. Also if the driver is
    /// aborted or the test has failed elsewhere.
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
        written.map_err(|source| match child.is_interrupted() {
            true => self.interrupted(&child),
            false => ProcessError::Stdin {
                driver: self.base.name().to_owned(),
                source,
            },
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

    pub(crate) fn config(&self) -> Result<Arc<ProcessConfig>> {
        Ok(self.base.options().shared()?)
    }

    /// Returns the port of that name of `listen`; `None` before the first start.
    pub fn port(&self, name: &str) -> Option<u16> {
        let state = self.state();
        let found = state.ports.iter().find(|(known, ..)| known == name);
        found.map(|(.., port)| *port)
    }

    pub(crate) fn child(&self) -> Option<Arc<Child>> {
        self.state().child.clone()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unpoisoned()
    }

    pub(crate) fn not_running(&self) -> ProcessError {
        ProcessError::NotRunning {
            driver: self.base.name().to_owned(),
            exit: self.exit(),
        }
    }

    fn interrupted(&self, child: &Child) -> ProcessError {
        let over = WaitEnd::of(&self.base).unwrap_or(WaitEnd::Interrupted);
        ProcessError::Interrupted {
            reason: over.explain(self.base.name(), &self.base.explainer()),
            driver: self.base.name().to_owned(),
            pid: child.pid(),
        }
    }

    pub(crate) fn signal_error(
        &self,
        child: &Child,
        signal: Signal,
        source: std::io::Error,
    ) -> ProcessError {
        ProcessError::Signal {
            driver: self.base.name().to_owned(),
            pid: child.pid(),
            signal,
            source,
        }
    }
}

impl FromOptions<ProcessBuilder> for Process {
    type Error = BuildError;

    fn from_options(options: ProcessBuilder) -> Result<Self, BuildError> {
        Process::of_kind("Process", options)
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
